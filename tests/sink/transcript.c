/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/sink/transcript.h"

enum { LINE_MAX_BYTES = 20000 };

static size_t escape(char *to, char c)
{
    static const char hex[] = "0123456789abcdef";
    unsigned char octet = (unsigned char)c;
    if (c >= 32 && c <= 126 && c != '\\') {
        *to = c;
        return 1;
    }
    memcpy(to, "\\x", 2);
    to[2] = hex[octet >> 4];
    to[3] = hex[octet & 15];
    return 4;
}

void transcript_line(uint64_t connection, enum mark mark, const char *octets, size_t size)
{
    char line[LINE_MAX_BYTES];
    size_t used = (size_t)snprintf(line, sizeof line, "%" PRIu64 " %c ", connection, (char)mark);
    for (size_t i = 0; i < size && used < sizeof line - 5; i++)
        used += escape(line + used, octets[i]);
    line[used++] = '\n';
    /* A reader that went away is no reason to stop serving. */
    ssize_t written = write(STDOUT_FILENO, line, used);
    (void)written;
}

void transcript_print(uint64_t connection, enum mark mark, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size > 0)
        transcript_line(connection, mark, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}
