/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/talk/report.h"

struct report *report_new(void)
{
    void *memory = mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void report_free(struct report **report)
{
    if (*report)
        munmap(*report, sizeof(struct report));
    *report = NULL;
}

void report_clear(struct report *report)
{
    report->line = 0;
    snprintf(report->step, sizeof report->step, "(before the first step)");
    report->failure[0] = '\0';
    report->cut = false;
    report->size = 0;
}

static size_t escape(char *to, size_t room, unsigned char c)
{
    const char *name = c == '\r' ? "\\r" : c == '\n' ? "\\n" : c == '\t' ? "\\t" : c == '\0' ? "\\0" : NULL;
    int size;
    if (name)
        size = snprintf(to, room, "%s", name);
    else if (c < 32 || c > 126)
        size = snprintf(to, room, "\\x%02X", c);
    else
        size = snprintf(to, room, "%c", c);
    return (size_t)size;
}

const char *octets_print(char *text, size_t text_size, struct slice octets)
{
    size_t used = 0;
    for (size_t i = 0; i < octets.size; i++) {
        if (text_size - used < 8) {
            snprintf(text + used, text_size - used, "...");
            return text;
        }
        used += escape(text + used, text_size - used, (unsigned char)octets.at[i]);
    }
    text[used] = '\0';
    return text;
}

static void drop_oldest_half(struct report *report)
{
    char *middle = report->transcript + report->size / 2;
    char *end = report->transcript + report->size;
    char *line_end = memchr(middle, '\n', (size_t)(end - middle));
    const char *keep = line_end ? line_end + 1 : end;
    report->size = (size_t)(end - keep);
    memmove(report->transcript, keep, report->size);
    report->cut = true;
}

static void add_line(struct report *report, const char *mark, const char *text)
{
    size_t room = sizeof report->transcript - report->size;
    int size = snprintf(report->transcript + report->size, room, "    %-3s %s\n", mark, text);
    if (size < 0)
        return;
    if ((size_t)size < room) {
        report->size += (size_t)size;
        return;
    }
    drop_oldest_half(report);
    add_line(report, mark, text);
}

void report_event(struct report *report, const char *mark, const char *format, ...)
{
    char text[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    add_line(report, mark, text);
}

void report_octets(struct report *report, const char *mark, struct slice octets)
{
    while (octets.size > 0) {
        const char *lf = memchr(octets.at, '\n', octets.size);
        size_t size = lf ? (size_t)(lf - octets.at) + 1 : octets.size;
        struct slice line = slice_make(octets.at, size);
        bool whole = size >= 2 && octets.at[size - 2] == '\r' && lf;
        char text[2048];
        if (whole)
            line.size -= 2;
        octets_print(text, sizeof text, line);
        if (whole)
            add_line(report, mark, text);
        else
            report_event(report, mark, "%s   (no CRLF)", text);
        slice_drop(&octets, size);
    }
}

void report_fail(struct report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report->failure, sizeof report->failure, format, arguments);
    va_end(arguments);
    _exit(1);
}
