/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/must.h"
#include "workers/inside.h"
#include "workers/xclient.h"

const struct reply REPLY_INSIDE_LOST =
    REPLY(451, "4.4.2", "The connection to the mail server was lost, try again later");
const struct reply REPLY_INSIDE_AWAY = REPLY(451, "4.4.1", "The mail server cannot be reached now, try again later");
const struct reply REPLY_NOT_PASSED =
    REPLY(451, "4.3.5", "The mail server is not set up for this gate, try again later");

enum { QUIT_WAIT_MS = 1000 };

void inside_init(struct inside *in, struct wait *wait, const struct backend *backend, const struct inside_client *who)
{
    stream_init(&in->stream, wait, in->in, sizeof(in->in), in->out, sizeof(in->out));
    in->state = INSIDE_CLOSED;
    in->backend = backend;
    in->who = who;
    in->server = NULL;
    in->passed = false;
    in->name[0] = '\0';
    in->trouble[0] = '\0';
}

static void end(struct inside *in)
{
    in->state = INSIDE_CLOSED;
    in->passed = false;
    stream_close(&in->stream);
}

static void blame(struct inside *in, enum level level, const char *what, const char *more)
{
    struct record record;
    snprintf(in->trouble, sizeof(in->trouble), "%s%s%s", what, more[0] != '\0' ? ": " : "", more);
    record_begin(&record, "inside");
    record_string(&record, "session", in->who->session_id);
    record_string(&record, "server", in->server != NULL ? in->server->name : "");
    record_string(&record, level == LEVEL_ERROR ? "alarm" : "trouble", in->trouble);
    record_send(&record, level);
}

void inside_break_off(struct inside *in, const char *why)
{
    if (in->state == INSIDE_CLOSED)
        return;
    snprintf(in->trouble, sizeof(in->trouble), "%s", why);
    stream_abort(&in->stream);
    end(in);
}

static enum asked lost(struct inside *in, const char *what, const char *more, struct reply *reply_out)
{
    blame(in, LEVEL_WARNING, what, more);
    stream_abort(&in->stream);
    end(in);
    *reply_out = REPLY_INSIDE_LOST;
    return ASKED_LOST;
}

/* Something is there although nothing was asked: a 421 is inside's way to say goodbye, all else is a fault. */
static void lost_unasked(struct inside *in)
{
    struct slice unread = buffer_unread(&in->stream.in);
    if (unread.size == 0 && stream_fill(&in->stream, clock_ms()) == IO_OK)
        unread = buffer_unread(&in->stream.in);
    bool goodbye = unread.size >= 3 && memcmp(unread.at, "421", 3) == 0;
    struct reply unused;
    lost(in, goodbye ? "inside said 421 between commands" : "inside spoke although nothing was asked", "", &unused);
}

bool inside_line(struct inside *in)
{
    if (in->state == INSIDE_CLOSED)
        return false;
    must(buffer_unread(&in->stream.out).size == 0);
    struct reply unused;
    switch (stream_input(&in->stream)) {
    case INPUT_NONE:
        return true;
    case INPUT_SOME:
        lost_unasked(in);
        return false;
    case INPUT_END:
        lost(in, "inside closed the connection between commands", "", &unused);
        return false;
    case INPUT_LOST:
        lost(in, "the connection to inside was lost between commands", "", &unused);
        return false;
    }
    return false;
}

static bool is_expected(enum expect expect, const struct reply *reply)
{
    switch (reply_class(reply)) {
    case 2:
        return (expect & EXPECT_2) != 0;
    case 3:
        return expect == EXPECT_ANY || (expect == EXPECT_354 && reply->code == 354);
    default:
        return true;
    }
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
        *progress = reply_reader_line(&in->reader, line, reply_out);
    }
    return IO_OK;
}

enum asked inside_hear(struct inside *in, enum expect expect, int64_t deadline_ms, struct reply *reply_out)
{
    enum reply_progress progress;
    enum io io = hear_lines(in, deadline_ms, &progress, reply_out);
    if (io == IO_GONE) {
        inside_break_off(in, "the client hung up");
        return ASKED_GONE;
    }
    if (io != IO_OK)
        return lost(in, "waiting for a reply", io_name(io), reply_out);
    if (progress == REPLY_BAD)
        return lost(in, "inside's reply is no reply, or too long", "", reply_out);
    if (!is_expected(expect, reply_out)) {
        char code[16];
        snprintf(code, sizeof(code), "%d", reply_out->code);
        return lost(in, "inside's reply has an unexpected code", code, reply_out);
    }
    if (reply_out->code == 421)
        inside_break_off(in, "inside said 421");
    return ASKED_ANSWERED;
}

enum asked inside_ask(struct inside *in, enum expect expect, int64_t timeout_ms, struct reply *reply_out)
{
    int64_t deadline = clock_deadline(timeout_ms);
    must(in->state != INSIDE_CLOSED);
    if (in->stream.out.overflow)
        return lost(in, "a command did not fit", "", reply_out);
    enum io io = stream_flush(&in->stream, deadline);
    if (io == IO_GONE) {
        inside_break_off(in, "the client hung up");
        return ASKED_GONE;
    }
    if (io != IO_OK)
        return lost(in, "writing a command", io_name(io), reply_out);
    return inside_hear(in, expect, deadline, reply_out);
}

/* -- opening -- */

/* It refuses us, not the client: own trouble. */
static enum asked refused(struct inside *in, const char *what, struct reply *reply_out)
{
    lost(in, what, "", reply_out);
    *reply_out = REPLY_INSIDE_AWAY;
    return ASKED_LOST;
}

static enum asked greet(struct inside *in, struct reply *reply_out)
{
    enum asked asked = inside_hear(in, EXPECT_2, clock_deadline(in->backend->greeting_timeout_ms), reply_out);
    if (asked == ASKED_ANSWERED && reply_out->code != 220)
        return refused(in, "inside greets with a refusal", reply_out);
    return asked;
}

static enum asked say_hello(struct inside *in, const char *verb, struct slice name, struct reply *reply_out)
{
    if (!inside_line(in)) {
        *reply_out = REPLY_INSIDE_LOST;
        return ASKED_LOST;
    }
    buffer_print(&in->stream.out, "%s %.*s\r\n", verb, SLICE_ARGS(name));
    return inside_ask(in, EXPECT_2, in->backend->command_timeout_ms, reply_out);
}

static bool knows_no_ehlo(const struct reply *reply)
{
    return reply->code == 500 || reply->code == 502 || reply->code == 504;
}

static enum asked hello(struct inside *in, struct slice name, struct reply *reply_out)
{
    in->offers = (struct extensions){0};
    enum asked asked = say_hello(in, "EHLO", name, reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    if (knows_no_ehlo(reply_out))
        return say_hello(in, "HELO", name, reply_out);
    if (reply_class(reply_out) == 2)
        extensions_parse(reply_out, &in->offers);
    return asked;
}

static enum asked not_passed(struct inside *in, const char *what, const char *more, struct reply *reply_out)
{
    blame(in, LEVEL_ERROR, what, more);
    stream_abort(&in->stream);
    end(in);
    *reply_out = REPLY_NOT_PASSED;
    return ASKED_LOST;
}

/* Anything but 220. Its own words go into the log: a 5yz is a line missing there, a 4yz a limit at work
 * on the client. */
static enum asked xclient_refused(struct inside *in, struct reply *reply_out)
{
    char said[96];
    snprintf(said, sizeof(said), "%d %s %.*s", reply_out->code, reply_out->enhanced, SLICE_ARGS(reply_out->text));
    if (reply_class(reply_out) == 4)
        return not_passed(in,
                          "inside turns the client away at XCLIENT; main.cf there lacks "
                          "smtpd_client_connection_count_limit = 0, or limits clients otherwise",
                          said, reply_out);
    return not_passed(in,
                      "inside answers XCLIENT with a refusal; main.cf there lacks "
                      "smtpd_authorized_xclient_hosts = (this host's address)",
                      said, reply_out);
}

/* L11: as configured, or nothing does. */
static enum asked pass_by_xclient(struct inside *in, struct reply *reply_out)
{
    enum asked asked = hello(in, slice_of(in->who->hostname), reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    if (reply_class(reply_out) != 2)
        return not_passed(in, "inside refuses our own EHLO", "", reply_out);
    if ((in->offers.keywords & KEYWORD_XCLIENT) == 0)
        return not_passed(in,
                          "inside offers no XCLIENT; main.cf there lacks smtpd_authorized_xclient_hosts = "
                          "(this host's address)",
                          "", reply_out);
    if (!inside_line(in)) {
        *reply_out = REPLY_INSIDE_LOST;
        return ASKED_LOST;
    }
    if (!xclient_print(&in->stream.out, in->offers.xclient, in->who->client, in->who->local))
        return not_passed(in, "inside's XCLIENT does not offer ADDR", "", reply_out);
    asked = inside_ask(in, EXPECT_ANY, in->backend->command_timeout_ms, reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    return reply_out->code == 220 ? ASKED_ANSWERED : xclient_refused(in, reply_out);
}

static enum asked reach_server(struct inside *in, struct reply *reply_out)
{
    int fd;
    int64_t deadline = clock_deadline(in->backend->connect_timeout_ms);
    enum io io = net_connect(&in->server->address, in->stream.wait, deadline, &fd);
    if (io == IO_GONE)
        return ASKED_GONE;
    if (io != IO_OK) {
        blame(in, LEVEL_WARNING, "cannot connect", io == IO_LOST ? strerrordesc_np(errno) : io_name(io));
        *reply_out = REPLY_INSIDE_AWAY;
        return ASKED_LOST;
    }
    stream_open(&in->stream, fd);
    in->state = INSIDE_REACHED;
    enum asked asked = greet(in, reply_out);
    if (asked != ASKED_ANSWERED || in->backend->pass_client == PASS_CLIENT_NONE)
        return asked;
    asked = pass_by_xclient(in, reply_out);
    in->passed = asked == ASKED_ANSWERED;
    return asked;
}

/* One server after the other, from the first, until one of them lets `step` through or refuses this client. */
enum asked inside_reach(struct inside *in, struct reply *reply_out)
{
    enum asked asked = ASKED_LOST;
    *reply_out = REPLY_INSIDE_AWAY;
    if (in->state != INSIDE_CLOSED)
        return ASKED_ANSWERED;
    for (size_t i = 0; i < in->backend->servers.count && asked == ASKED_LOST; i++) {
        in->server = block_at(&in->backend->servers, i);
        asked = reach_server(in, reply_out);
    }
    return asked;
}

static enum asked finish_hello(struct inside *in, struct slice name, struct reply *reply_out)
{
    bool passed = in->passed;
    enum asked asked = hello(in, name, reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    if (reply_class(reply_out) == 2) {
        in->state = INSIDE_READY;
        snprintf(in->name, sizeof(in->name), "%.*s", SLICE_ARGS(name));
        return ASKED_ANSWERED;
    }
    if (passed) { /* it refuses this client: that is an answer */
        inside_break_off(in, "inside refuses EHLO");
        return ASKED_ANSWERED;
    }
    return refused(in, "inside refuses EHLO", reply_out);
}

enum asked inside_open(struct inside *in, struct slice name, struct reply *reply_out)
{
    must(in->state != INSIDE_READY);
    if (in->state == INSIDE_REACHED) {
        enum asked asked = finish_hello(in, name, reply_out);
        if (asked != ASKED_LOST)
            return asked;
    }
    enum asked asked = ASKED_LOST;
    *reply_out = REPLY_INSIDE_AWAY;
    for (size_t i = 0; i < in->backend->servers.count && asked == ASKED_LOST; i++) {
        in->server = block_at(&in->backend->servers, i);
        asked = reach_server(in, reply_out);
        if (asked == ASKED_ANSWERED && in->state == INSIDE_REACHED)
            asked = finish_hello(in, name, reply_out);
    }
    return asked;
}

void inside_quit(struct inside *in)
{
    struct reply unused;
    if (inside_line(in)) {
        buffer_put_text(&in->stream.out, "QUIT\r\n");
        inside_ask(in, EXPECT_2, QUIT_WAIT_MS, &unused);
    }
    end(in);
}
