/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/must.h"

#include "workers/inside_berth.h"

const struct reply REPLY_INSIDE_LOST =
    REPLY(451, "4.4.2", "The connection to the mail server was lost, try again later");
const struct reply REPLY_NOT_PASSED =
    REPLY(451, "4.3.5", "The mail server is not set up for this gate, try again later");

enum { QUIT_WAIT_MS = 1000 };

void inside_init(struct inside *in, struct wait *wait, const struct backend *backend, struct tls_client *tls,
                 const struct inside_client *who)
{
    stream_init(&in->stream, wait, in->in, sizeof(in->in), in->out, sizeof(in->out));
    in->state = INSIDE_CLOSED;
    in->backend = backend;
    in->tls = tls;
    in->who = who;
    in->health = NULL;
    in->board = NULL;
    in->host = NULL;
    in->opening_ms = 0;
    in->keeps_berth = false;
    in->made_room = false;
    in->server = NULL;
    in->secured = NULL;
    in->hailed = false;
    in->passed = false;
    in->quitting = false;
    in->hushed = false;
    in->quiet_in = UINT64_MAX;
    in->offers = (struct extensions){0};
    in->forwarded = 0;
    in->name[0] = '\0';
    in->trouble[0] = '\0';
}

/* -- ends -- */

/* The connection is closed: only now is there room for another one. */
static void forget(struct inside *in)
{
    if (!in->keeps_berth)
        inside_berth_leave(in);
    in->state = INSIDE_CLOSED;
    in->passed = false;
    in->hailed = false;
    in->quitting = false;
    in->offers = (struct extensions){0};
    in->forwarded = 0;
}

void inside_break_off(struct inside *in)
{
    stream_abort(&in->stream);
    forget(in);
}

static void tell(const struct inside *in, enum level level)
{
    struct record record;
    record_begin(&record, "inside");
    record_string(&record, "session", in->who->session_id);
    record_string(&record, "server", in->server != NULL ? in->server->name : "");
    record_string(&record, level == LEVEL_ERROR ? "alarm" : "trouble", in->trouble);
    record_send(&record, level);
}

void inside_unhush(struct inside *in)
{
    if (in->hushed && in->unsaid != LEVEL_DEBUG)
        tell(in, in->unsaid);
    in->hushed = false;
    transcript_release(in->who->transcript);
}

enum asked inside_lost(struct inside *in, enum level level, const char *what, const char *more, struct reply *reply_out)
{
    snprintf(in->trouble, sizeof(in->trouble), "%s%s%s", what, more[0] != '\0' ? ": " : "", more);
    if (in->hushed)
        in->unsaid = level;
    else
        tell(in, level);
    inside_break_off(in);
    *reply_out = REPLY_INSIDE_LOST;
    return ASKED_LOST;
}

enum asked inside_not_passed(struct inside *in, const char *what, const char *more, struct reply *reply_out)
{
    inside_lost(in, LEVEL_ERROR, what, more, reply_out);
    *reply_out = REPLY_NOT_PASSED;
    return ASKED_LOST;
}

static enum asked fault(struct inside *in, const char *what, const char *more, struct reply *reply_out)
{
    return inside_lost(in, LEVEL_WARNING, what, more, reply_out);
}

void inside_say_quit(struct inside *in)
{
    struct reply unused;
    if (in->quitting || !inside_line(in, &unused))
        return;
    buffer_put_text(&in->stream.out, "QUIT\r\n");
    transcript_lines(in->who->transcript, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, buffer_unread(&in->stream.out));
    in->quitting = stream_flush(&in->stream, clock_deadline(QUIT_WAIT_MS)) == IO_OK;
    if (!in->quitting)
        inside_break_off(in);
}

/* Where sessions are counted, inside counts this one until it has closed its side. */
static void await_end(struct inside *in, int64_t deadline_ms)
{
    while (in->state != INSIDE_CLOSED && inside_berth_is_bounded(in) && stream_fill(&in->stream, deadline_ms) == IO_OK)
        buffer_clear(&in->stream.in);
}

void inside_quit(struct inside *in)
{
    struct reply unused;
    int64_t deadline_ms = clock_deadline(QUIT_WAIT_MS);
    inside_say_quit(in);
    if (in->quitting && inside_hear(in, EXPECT_ANY, deadline_ms, &unused) == ASKED_ANSWERED)
        await_end(in, deadline_ms);
    stream_close(&in->stream);
    forget(in);
}

void inside_wipe(struct inside *in)
{
    struct buffer replies;
    buffer_init(&replies, in->reader.text, sizeof(in->reader.text));
    buffer_wipe(&replies);
    buffer_wipe(&in->stream.in);
    buffer_wipe(&in->stream.out);
}

/* -- asking -- */

/* Something is there although nothing was asked: a 421 is inside's way to say goodbye, all else is a fault. */
static void lost_unasked(struct inside *in, struct reply *reply_out)
{
    struct slice unread = buffer_unread(&in->stream.in);
    if (unread.size == 0 && stream_fill(&in->stream, clock_ms()) == IO_OK)
        unread = buffer_unread(&in->stream.in);
    if (unread.size >= 3 && memcmp(unread.at, "421", 3) == 0)
        inside_lost(in, LEVEL_NOTICE, "inside said 421 between commands", "", reply_out);
    else
        fault(in, "inside spoke although nothing was asked", "", reply_out);
}

bool inside_line(struct inside *in, struct reply *reply_out)
{
    *reply_out = REPLY_INSIDE_LOST;
    if (in->state == INSIDE_CLOSED)
        return false;
    must(buffer_unread(&in->stream.out).size == 0);
    if (in->quiet_in == in->stream.wait->moment && buffer_unread(&in->stream.in).size == 0)
        return true;
    switch (stream_input(&in->stream)) {
    case INPUT_NONE:
        in->quiet_in = in->stream.wait->moment;
        return true;
    case INPUT_SOME:
        lost_unasked(in, reply_out);
        return false;
    case INPUT_END:
        inside_lost(in, LEVEL_NOTICE, "inside closed the connection between commands", "", reply_out);
        return false;
    case INPUT_LOST:
        fault(in, "the connection to inside was lost between commands", "", reply_out);
        return false;
    }
    return false;
}

static bool is_expected(enum expect expect, const struct reply *reply)
{
    if (reply_class(reply) >= 4)
        return true;
    switch (expect) {
    case EXPECT_25X:
        return reply->code >= 250 && reply->code <= 252;
    case EXPECT_220:
        return reply->code == 220;
    case EXPECT_354:
        return reply->code == 354;
    case EXPECT_AUTH:
        return reply->code == 334 || reply->code == 235;
    case EXPECT_REFUSAL:
        return false;
    case EXPECT_ANY:
        break;
    }
    return true;
}

static enum io hear_lines(struct inside *in, int64_t deadline_ms, enum reply_progress *progress,
                          struct reply *reply_out)
{
    reply_reader_begin(&in->reader);
    *progress = REPLY_MORE;
    while (*progress == REPLY_MORE) {
        struct slice line;
        enum io io = stream_read_line(&in->stream, REPLY_LINE_MAX, deadline_ms, &line);
        if (io != IO_OK)
            return io;
        transcript_lines(in->who->transcript, TRANSCRIPT_SERVER, TRANSCRIPT_IN, line);
        *progress = reply_reader_line(&in->reader, line, reply_out);
    }
    return IO_OK;
}

enum asked inside_hear(struct inside *in, enum expect expect, int64_t deadline_ms, struct reply *reply_out)
{
    enum reply_progress progress;
    in->quiet_in = UINT64_MAX; /* a reply that was there already needs no wait: another may lie behind it */
    enum io io = hear_lines(in, deadline_ms, &progress, reply_out);
    if (io == IO_GONE) {
        inside_break_off(in);
        return ASKED_GONE;
    }
    if (io != IO_OK)
        return fault(in, "waiting for a reply", io_name(io), reply_out);
    if (progress == REPLY_BAD)
        return fault(in, "inside's reply is no reply, or too long", "", reply_out);
    if (!is_expected(expect, reply_out)) {
        char code[16];
        snprintf(code, sizeof(code), "%d", reply_out->code);
        return fault(in, "inside's reply has an unexpected code", code, reply_out);
    }
    if (reply_out->code == 421)
        inside_break_off(in);
    return ASKED_ANSWERED;
}

enum asked inside_ask(struct inside *in, enum expect expect, int64_t timeout_ms, struct reply *reply_out)
{
    int64_t deadline = clock_deadline(timeout_ms);
    must(in->state != INSIDE_CLOSED);
    if (in->stream.out.overflow)
        return fault(in, "a command did not fit", "", reply_out);
    transcript_lines(in->who->transcript, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, buffer_unread(&in->stream.out));
    enum io io = stream_flush(&in->stream, deadline);
    if (io == IO_GONE) {
        inside_break_off(in);
        return ASKED_GONE;
    }
    if (io != IO_OK)
        return fault(in, "writing a command", io_name(io), reply_out);
    return inside_hear(in, expect, deadline, reply_out);
}

int64_t inside_sooner(int64_t deadline_ms, int64_t wait_ms)
{
    int64_t own = clock_deadline(wait_ms);
    return own < deadline_ms ? own : deadline_ms;
}

enum asked inside_ask_by(struct inside *in, enum expect expect, int64_t deadline_ms, struct reply *reply_out)
{
    int64_t left = inside_sooner(deadline_ms, in->backend->command_timeout_ms) - clock_ms();
    return inside_ask(in, expect, left > 0 ? left : 0, reply_out);
}

const char *inside_words(const struct reply *reply, char text[INSIDE_WORDS_MAX])
{
    snprintf(text, INSIDE_WORDS_MAX, "%d %s %.*s", reply->code, reply->enhanced, SLICE_ARGS(reply->text));
    return text;
}
