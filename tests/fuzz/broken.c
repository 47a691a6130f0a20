/* SPDX-License-Identifier: ISC
 *
 * The session, wrong on purpose, in one way that BROKEN in the environment names ("?": lists them): the linker's --wrap
 * puts these functions between its units. It proves the witness: `tests/fuzz/run --prove`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/stream.h"
#include "workers/inside.h"
#include "workers/session.h"
#include "workers/smtp/body.h"
#include "workers/translate.h"
#include "workers/xclient.h"

static const char *const ways[] = {
    "lf-dot-lf",   /* a message ends at LF.LF, too */
    "unstuffed",   /* dots go inside as they are */
    "drops",       /* the last octet of each piece of a message is lost */
    "adds",        /* a line more than was sent */
    "yes",         /* inside's no becomes a yes */
    "early-yes",   /* inside's answer to the dot is not awaited */
    "permanent",   /* own trouble is 5yz */
    "twice",       /* each reply comes twice */
    "silent",      /* NOOP has no reply */
    "fin",         /* a FIN from the outside ends its message */
    "bare",        /* what stands alone in a message is as good as any other octet */
    "deaf",        /* what inside says is always a yes */
    "raw",         /* a line that ends with LF goes inside */
    "leaves-open", /* the inside connection is not closed */
    "gossip",      /* a reply tells what lies behind its text */
    "early",       /* input before the reply is fine */
    "cuts",        /* what the dot is answered with depends on how many reads the message took */
    "anybody",     /* XCLIENT names another client */
    "believes",    /* results are everybody's to give */
    "goes-on",     /* no answer to the dot is taken for a no, and the connection is kept */
};

static bool is(const char *way)
{
    static const char *broken;
    if (broken == NULL) {
        broken = getenv("BROKEN") != NULL ? getenv("BROKEN") : "";
        if (strcmp(broken, "?") == 0) {
            for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
                puts(ways[i]);
            fflush(stdout);
            _exit(0);
        }
    }
    return strcmp(broken, way) == 0;
}

/* clang-format off */
enum body_event __real_body_next(struct body *body, struct slice *input, struct slice *run_out);
enum body_event __wrap_body_next(struct body *body, struct slice *input, struct slice *run_out);
enum io __real_stream_write(struct stream *s, const struct iovec *pieces, int count, int64_t deadline_ms);
enum io __wrap_stream_write(struct stream *s, const struct iovec *pieces, int count, int64_t deadline_ms);
enum io __real_stream_fill(struct stream *s, int64_t deadline_ms);
enum io __wrap_stream_fill(struct stream *s, int64_t deadline_ms);
void __real_stream_abort(struct stream *s);
void __wrap_stream_abort(struct stream *s);
struct reply __real_translate(const struct reply *inside);
struct reply __wrap_translate(const struct reply *inside);
enum asked __real_inside_hear(struct inside *in, enum expect expect, int64_t deadline_ms, struct reply *reply_out);
enum asked __wrap_inside_hear(struct inside *in, enum expect expect, int64_t deadline_ms, struct reply *reply_out);
void __real_session_reply(struct session *s, const struct reply *reply);
void __wrap_session_reply(struct session *s, const struct reply *reply);
bool __real_session_spoke_early(struct session *s);
bool __wrap_session_spoke_early(struct session *s);
enum reply_progress __real_reply_reader_line(struct reply_reader *reader, struct slice line, struct reply *reply_out);
enum reply_progress __wrap_reply_reader_line(struct reply_reader *reader, struct slice line, struct reply *reply_out);
bool __real_xclient_print(struct buffer *to, uint32_t attributes, const struct inside_client *who);
bool __wrap_xclient_print(struct buffer *to, uint32_t attributes, const struct inside_client *who);
enum results_owner __real_results_field_feed(struct results_field *field, struct slice id, char c);
enum results_owner __wrap_results_field_feed(struct results_field *field, struct slice id, char c);
/* clang-format on */

static int reads; /* of a message, since the last reply */
static bool hears;

enum body_event __wrap_body_next(struct body *body, struct slice *input, struct slice *run_out)
{
    if (is("lf-dot-lf") && body->state != BODY_ENDED && input->size >= 3 && memcmp(input->at, "\n.\n", 3) == 0) {
        slice_drop(input, 3);
        body->state = BODY_ENDED;
        return BODY_END;
    }
    enum body_event event = __real_body_next(body, input, run_out);
    if (is("bare"))
        body->fault = BODY_FINE;
    return event;
}

/* Of what goes inside: with the dot or without. */
static enum io write_spoiled(struct stream *s, const struct iovec *pieces, int count, int64_t deadline_ms)
{
    static char text[1 << 17];
    size_t size = 0;
    for (int i = 0; i < count; i++) {
        const char *at = pieces[i].iov_base;
        for (size_t j = 0; j < pieces[i].iov_len; j++) {
            if (is("unstuffed") && at[j] == '.' && j + 1 < pieces[i].iov_len && at[j + 1] == '.')
                continue;
            if (is("drops") && i == 0 && count > 1 && j + 1 == pieces[i].iov_len)
                continue;
            if (is("raw") && at[j] == '\r' && i == 0)
                continue;
            text[size++] = at[j];
        }
        if (is("adds") && i == 0 && count > 1) {
            memcpy(text + size, "more\r\n", 6);
            size += 6;
        }
    }
    struct iovec all = {text, size};
    return __real_stream_write(s, &all, 1, deadline_ms);
}

enum io __wrap_stream_write(struct stream *s, const struct iovec *pieces, int count, int64_t deadline_ms)
{
    bool spoils = is("unstuffed") || is("drops") || is("raw") || is("adds");
    return spoils && count > 0 ? write_spoiled(s, pieces, count, deadline_ms)
                               : __real_stream_write(s, pieces, count, deadline_ms);
}

enum io __wrap_stream_fill(struct stream *s, int64_t deadline_ms)
{
    static int said;
    enum io io = __real_stream_fill(s, deadline_ms);
    reads++;
    if (!is("fin") || io != IO_END || said > 100)
        return io;
    said++;
    buffer_put_text(&s->in, "\r\n.\r\n");
    return IO_OK;
}

void __wrap_stream_abort(struct stream *s)
{
    if (is("leaves-open"))
        s->fd = -1;
    if (!is("goes-on") || !hears)
        __real_stream_abort(s);
}

struct reply __wrap_translate(const struct reply *inside)
{
    struct reply reply = __real_translate(inside);
    if (is("yes") && reply.code >= 400 && reply.code < 500)
        reply = (struct reply)REPLY(250, "2.0.0", "Ok");
    return reply;
}

enum asked __wrap_inside_hear(struct inside *in, enum expect expect, int64_t deadline_ms, struct reply *reply_out)
{
    if (is("early-yes") && in->hushed) {
        *reply_out = (struct reply)REPLY(250, "2.0.0", "Ok");
        return ASKED_ANSWERED;
    }
    enum inside_state state = in->state;
    hears = true;
    enum asked asked = __real_inside_hear(in, expect, deadline_ms, reply_out);
    hears = false;
    if (!is("goes-on") || asked != ASKED_LOST)
        return asked;
    in->state = state;
    *reply_out = (struct reply)REPLY(450, "4.4.2", "Later");
    return ASKED_ANSWERED;
}

static struct reply spoil(const struct reply *reply)
{
    struct reply other = *reply;
    if (is("permanent") && reply->code == 451 && strcmp(reply->enhanced, "4.4.2") == 0)
        other = (struct reply)REPLY(550, "5.4.2", "Lost");
    return other;
}

void __wrap_session_reply(struct session *s, const struct reply *reply)
{
    struct reply other = spoil(reply);
    if (is("silent") && s->phase != PHASE_GREETING && strncmp(reply->enhanced, "2.0.0", 5) == 0 &&
        reply->text.size == 2)
        return;
    if (is("gossip"))
        other.text = slice_make(s->inside.in, 64);
    if (is("cuts") && reply->code == 250 && reads > 12)
        other.text = slice_of("Slowly");
    reads = 0;
    __real_session_reply(s, &other);
    if (is("twice"))
        __real_session_reply(s, &other);
}

bool __wrap_session_spoke_early(struct session *s)
{
    return !is("early") && __real_session_spoke_early(s);
}

enum reply_progress __wrap_reply_reader_line(struct reply_reader *reader, struct slice line, struct reply *reply_out)
{
    enum reply_progress progress = __real_reply_reader_line(reader, line, reply_out);
    if (!is("deaf") || progress != REPLY_BAD)
        return progress;
    *reply_out = (struct reply)REPLY(250, "2.0.0", "Ok");
    return REPLY_DONE;
}

bool __wrap_xclient_print(struct buffer *to, uint32_t attributes, const struct inside_client *who)
{
    static const struct endpoint another = {ENDPOINT_IP, {.family = 4, .bytes = {203, 0, 113, 9}}, 99, ""};
    struct inside_client other = *who;
    if (is("anybody"))
        other.client = &another;
    return __real_xclient_print(to, attributes, &other);
}

enum results_owner __wrap_results_field_feed(struct results_field *field, struct slice id, char c)
{
    return is("believes") ? RESULTS_FOREIGN : __real_results_field_feed(field, id, c);
}
