/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sink/command.h"
#include "tests/sink/session.h"
#include "tests/sink/transcript.h"

static const char GREETING[] = "220 sink.invalid ESMTP";
static const char LINE_TOO_LONG[] = "500 5.5.2 command line too long";
static const char LINE_NOT_CLEAN[] = "500 5.5.2 CR, LF or NUL within a command line";
static const char NOT_KEPT[] = "451 4.3.0 the message could not be kept";

static void count(_Atomic uint64_t *what, uint64_t by)
{
    atomic_fetch_add_explicit(what, by, memory_order_relaxed);
}

static bool make_room(struct session *s, size_t size)
{
    size_t wanted = s->out_size + size;
    if (wanted <= s->out_capacity)
        return true;
    wanted = wanted < 1024 ? 1024 : wanted * 2;
    char *larger = realloc(s->out, wanted);
    if (!larger)
        return false;
    s->out = larger;
    s->out_capacity = wanted;
    return true;
}

static void say_line(struct session *s, const char *text, size_t size)
{
    if (s->house->options->print)
        transcript_line(s->number, MARK_SAID, text, size);
    if (!make_room(s, size + 2)) {
        s->out_failed = true;
        return;
    }
    memcpy(s->out + s->out_size, text, size);
    memcpy(s->out + s->out_size + size, "\r\n", 2);
    s->out_size += size + 2;
}

/* A reply of several lines has '\n' between them. */
static void say(struct session *s, const char *reply)
{
    const char *newline;
    if (*reply >= '4')
        count(&s->house->totals->refused, 1);
    for (; (newline = strchr(reply, '\n')); reply = newline + 1)
        say_line(s, reply, (size_t)(newline - reply));
    say_line(s, reply, strlen(reply));
}

static void violate(struct session *s, const char *what)
{
    count(&s->house->totals->violations, 1);
    transcript_print(s->number, MARK_VIOLATION, "%s", what);
}

void session_begin(struct session *s, const struct house *house, uint64_t number)
{
    memset(s, 0, sizeof *s);
    s->house = house;
    s->number = number;
    s->kept.fd = -1;
    s->may_xclient = house->options->xclient;
    if (house->options->print)
        transcript_print(number, MARK_EVENT, "connected");
    say(s, GREETING);
}

bool session_is_over(const struct session *s)
{
    return s->phase == PHASE_LEFT || s->out_failed;
}

bool session_wants_data(const struct session *s)
{
    return s->phase == PHASE_DATA;
}

static void keep(void *context, const char *octets, size_t size)
{
    maildir_write(context, octets, size);
}

static void begin_message(struct session *s)
{
    const char *maildir = s->house->options->maildir;
    s->messages++;
    if (maildir)
        maildir_begin(&s->kept, maildir, s->number, s->messages);
    data_begin(&s->data, maildir ? keep : NULL, &s->kept);
}

static void report_violations(struct session *s)
{
    for (enum violation v = 0; v < VIOLATIONS; v++) {
        if (s->data.count[v] == 0)
            continue;
        count(&s->house->totals->violations, s->data.count[v]);
        transcript_print(s->number, MARK_VIOLATION, "%s at octet %" PRIu64 " of the message, %" PRIu64 " in all",
                         violation_name(v), s->data.first[v], s->data.count[v]);
    }
}

static void close_message(struct session *s)
{
    report_violations(s);
    count(&s->house->totals->octets, s->data.heard_bytes);
}

static void finish_message(struct session *s)
{
    char reply[64];
    const char *maildir = s->house->options->maildir;
    close_message(s);
    if (s->house->options->print)
        transcript_print(s->number, MARK_EVENT, "message of %" PRIu64 " octets", s->data.content_bytes);
    s->phase = PHASE_HELLO;
    if (maildir && !maildir_commit(&s->kept, maildir)) {
        say(s, NOT_KEPT);
        return;
    }
    count(&s->house->totals->messages, 1);
    if (s->mark >= 0)
        count(&s->house->totals->marked[s->mark], 1);
    snprintf(reply, sizeof reply, "250 2.0.0 taken, %" PRIu64 " octets", s->data.content_bytes);
    say(s, reply);
}

static void answer(struct session *s)
{
    size_t size = s->line_size - 2;
    bool clean = !memchr(s->line, '\r', size) && !memchr(s->line, '\n', size) && !memchr(s->line, '\0', size);
    count(&s->house->totals->commands, 1);
    if (s->house->options->print)
        transcript_line(s->number, MARK_HEARD, s->line, size);
    if (!clean)
        violate(s, "CR, LF or NUL within a command line");
    if (s->line_too_long || !clean) {
        say(s, clean ? LINE_TOO_LONG : LINE_NOT_CLEAN);
        return;
    }
    struct text command = {s->line, s->line + size};
    const char *violation = NULL;
    say(s, command_answer(s, command, &violation));
    if (violation)
        violate(s, violation);
    if (s->phase == PHASE_DATA)
        begin_message(s);
}

static void append(struct session *s, const char *octets, size_t size)
{
    size_t room = sizeof s->line - s->line_size;
    size_t taken = size < room ? size : room;
    memcpy(s->line + s->line_size, octets, taken);
    s->line_size += taken;
    s->line_too_long |= taken < size;
    s->line_last = octets[size - 1];
}

/* True when the line is whole: up to CRLF, and to no other line end. */
static bool gather_line(struct session *s, const char *octets, size_t size, size_t *used_out)
{
    bool whole = false;
    size_t used = 0;
    while (!whole && used < size) {
        const char *lf = memchr(octets + used, '\n', size - used);
        size_t piece = lf ? (size_t)(lf - octets) + 1 - used : size - used;
        char before = piece > 1 ? octets[used + piece - 2] : s->line_last;
        append(s, octets + used, piece);
        used += piece;
        whole = lf && before == '\r';
    }
    *used_out = used;
    return whole;
}

static size_t hear_command(struct session *s, const char *octets, size_t size)
{
    size_t used;
    if (!gather_line(s, octets, size, &used))
        return used;
    s->more_behind = used < size;
    answer(s);
    s->line_size = 0;
    s->line_last = '\0';
    s->line_too_long = false;
    return used;
}

static size_t hear_data(struct session *s, const char *octets, size_t size)
{
    size_t used = data_feed(&s->data, octets, size);
    if (data_ended(&s->data))
        finish_message(s);
    return used;
}

void session_hear(struct session *s, const char *octets, size_t size)
{
    while (size > 0 && !session_is_over(s)) {
        size_t used = s->phase == PHASE_DATA ? hear_data(s, octets, size) : hear_command(s, octets, size);
        octets += used;
        size -= used;
    }
}

static void leave_message(struct session *s)
{
    close_message(s);
    count(&s->house->totals->unfinished, 1);
    if (s->house->options->maildir)
        maildir_drop(&s->kept, s->house->options->maildir);
}

void session_end(struct session *s, const char *why)
{
    if (s->phase == PHASE_DATA)
        leave_message(s);
    if (s->line_size > 0)
        violate(s, "the connection ended within a command line");
    if (s->house->options->print)
        transcript_print(s->number, MARK_EVENT, "%s%s", s->phase == PHASE_DATA ? "within a message: " : "", why);
    free(s->out);
    s->out = NULL;
}
