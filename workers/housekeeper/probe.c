/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

#include "workers/housekeeper/probe.h"

/* -- the end */

static void end(struct probe *p, enum health_trouble trouble, const char *why)
{
    if (p->stage != PROBE_LEAVING) {
        p->trouble = trouble;
        p->took_ms = (uint32_t)(clock_ms() - p->began_ms);
        snprintf(p->why, sizeof(p->why), "%s", why);
    }
    p->stage = PROBE_OVER;
    stream_close(&p->stream);
}

static void fail(struct probe *p, const char *why);

/* What the server said instead. */
static void fail_by(struct probe *p, const struct reply *reply)
{
    char why[PROBE_WHY_MAX];
    const char *blank = *reply->enhanced != '\0' ? " " : "";
    struct slice text = reply->text;
    text = slice_take_until(&text, '\n');
    snprintf(why, sizeof(why), "%d %s%s%.*s", reply->code, reply->enhanced, blank, SLICE_ARGS(text));
    fail(p, why);
}

/* -- speaking */

/* Nothing unasked may be there; and a server that does not even take a line is not worth waiting for. */
static void ask(struct probe *p, enum probe_stage next, const char *verb, const char *argument)
{
    enum input input = stream_input(&p->stream);
    p->stage = next;
    reply_reader_begin(&p->reader);
    buffer_print(&p->stream.out, "%s%s\r\n", verb, argument);
    if (input != INPUT_NONE)
        fail(p, input == INPUT_SOME ? "it spoke although nothing was asked" : "closed");
    else if (stream_flush(&p->stream, STREAM_NOW) != IO_OK)
        fail(p, "it does not read");
}

static void say_hello(struct probe *p)
{
    char name[PROBE_OUT_BYTES / 2];
    snprintf(name, sizeof(name), " %s", p->target->hostname);
    ask(p, PROBE_HELLO, p->said_helo ? "HELO" : "EHLO", name);
}

static void say_goodbye(struct probe *p)
{
    int64_t deadline = clock_deadline(PROBE_GOODBYE_MS);
    p->trouble = HEALTH_FINE;
    p->took_ms = (uint32_t)(clock_ms() - p->began_ms);
    if (deadline < p->deadline_ms)
        p->deadline_ms = deadline;
    ask(p, PROBE_LEAVING, "QUIT", "");
}

static bool begins_with_header(const struct probe *p)
{
    return backend_proxy_version(p->target->backend) != PROXY_NONE;
}

/* Version 1 has no word for a check that Postfix would take (it refuses UNKNOWN), so it tells of the probe as of a
 * client: by its own addresses, or loopback's where it has none. */
static bool print_header(const struct probe *p, struct buffer *to)
{
    static const struct endpoint here = {.kind = ENDPOINT_IP, .address = {.family = 4, .bytes = {127, 0, 0, 1}}};
    struct endpoint own, peer;
    if (backend_proxy_version(p->target->backend) == PROXY_V2)
        return proxy_header_print_local(to);
    if (!net_ends(p->stream.fd, &own, &peer))
        return false;
    return own.kind == ENDPOINT_IP ? proxy_header_print(to, PROXY_V1, &own, &peer)
                                   : proxy_header_print(to, PROXY_V1, &here, &here);
}

static bool say_header(struct probe *p)
{
    if (!begins_with_header(p))
        return true;
    if (print_header(p, &p->stream.out) && stream_flush(&p->stream, STREAM_NOW) == IO_OK)
        return true;
    fail(p, "the PROXY header cannot be said");
    return false;
}

/* -- hearing */

static void heard_greeting(struct probe *p, const struct reply *reply)
{
    if (reply->code == 220)
        say_hello(p);
    else
        fail_by(p, reply);
}

static bool knows_no_ehlo(const struct reply *reply)
{
    return reply->code == 500 || reply->code == 502 || reply->code == 504;
}

static void heard_hello(struct probe *p, const struct reply *reply)
{
    int mode = p->target->backend->tls.mode;
    p->offers = (struct extensions){0};
    if (knows_no_ehlo(reply) && !p->said_helo && !begins_with_header(p)) {
        p->said_helo = true;
        say_hello(p);
        return;
    }
    if (reply_class(reply) != 2) {
        fail_by(p, reply);
        return;
    }
    if (!p->said_helo)
        extensions_parse(reply, &p->offers);
    if (mode == TLS_MODE_NONE || p->tls != NULL)
        say_goodbye(p);
    else if ((p->offers.keywords & KEYWORD_STARTTLS) != 0)
        ask(p, PROBE_STARTTLS, "STARTTLS", "");
    else if (mode == TLS_MODE_REQUIRE)
        end(p, HEALTH_NO_TLS, "no STARTTLS is offered");
    else
        say_goodbye(p);
}

/* No octet that came in the clear is taken for one from within TLS (L6). */
static void begin_tls(struct probe *p)
{
    p->stage = PROBE_SECURING;
    if (stream_input(&p->stream) != INPUT_NONE)
        fail(p, "it spoke before TLS began");
    else if (p->target->tls == NULL || (p->tls = tls_client_begin(p->target->tls, p->target->server->tls_name)) == NULL)
        fail(p, "TLS cannot be begun here");
}

/* Where TLS may be, who refuses it is gone on with in the clear, as sessions do. */
static void heard_starttls(struct probe *p, const struct reply *reply)
{
    if (reply->code == 220)
        begin_tls(p);
    else if (p->target->backend->tls.mode == TLS_MODE_MAY && reply->code != 421)
        say_goodbye(p);
    else
        fail_by(p, reply);
}

static void heard_goodbye(struct probe *p, const struct reply *reply)
{
    (void)reply;
    if (p->dismissed || p->target->server->max_sessions == 0)
        end(p, HEALTH_FINE, "");
    p->dismissed = true; /* where sessions are counted, it is one until inside has closed its side */
    reply_reader_begin(&p->reader);
}

/* -- stages: each step says IO_OK when it came further, IO_LATE when it has to wait */

static enum io finish_connect(struct probe *p)
{
    enum io io = wait_for(p->stream.wait, p->stream.fd, POLLOUT, STREAM_NOW);
    if (io != IO_OK)
        return io;
    p->stage = PROBE_GREETING;
    if (!net_connected(p->stream.fd))
        end(p, HEALTH_NO_CONNECTION, strerrordesc_np(errno));
    else if (say_header(p) && p->target->backend->tls.mode == TLS_MODE_IMPLICIT)
        begin_tls(p);
    return IO_OK;
}

/* Only input is waited for: what we say in a handshake is less than any socket's buffer takes. */
static enum io shake_hands(struct probe *p)
{
    enum io io = stream_secure(&p->stream, p->tls, STREAM_NOW);
    if (io == IO_LATE)
        return io;
    if (io != IO_OK)
        fail(p, stream_tls_why(&p->stream));
    else if (p->target->backend->tls.mode == TLS_MODE_IMPLICIT)
        p->stage = PROBE_GREETING;
    else
        say_hello(p);
    return IO_OK;
}

/* The next line, whose first half may have come long ago: stream_read_line forgets how much of a long one it threw
 * away when it is late. */
static enum io take_line(struct stream *s, struct slice *line_out)
{
    for (;;) {
        struct slice unread = buffer_unread(&s->in);
        const char *lf = unread.size > 0 ? memchr(unread.at, '\n', unread.size) : NULL;
        if (lf == NULL && unread.size == s->in.capacity)
            return IO_TOO_LONG;
        if (lf != NULL) {
            *line_out = slice_make(unread.at, (size_t)(lf - unread.at) + 1);
            buffer_consume(&s->in, line_out->size);
            return IO_OK;
        }
        enum io io = stream_fill(s, STREAM_NOW);
        if (io != IO_OK)
            return io;
    }
}

static const struct stage {
    enum io (*step)(struct probe *p);
    void (*heard)(struct probe *p, const struct reply *reply);
    enum health_trouble trouble; /* when it goes wrong here */
    short events;
} STAGES[PROBE_STAGES];

static enum io hear(struct probe *p)
{
    struct slice line;
    struct reply reply;
    enum io io = take_line(&p->stream, &line);
    if (io != IO_OK)
        return io;
    enum reply_progress progress = reply_reader_line(&p->reader, line, &reply);
    if (progress == REPLY_BAD)
        fail(p, "its reply is no reply, or too long");
    if (progress == REPLY_DONE)
        STAGES[p->stage].heard(p, &reply);
    return IO_OK;
}

/* clang-format off */
static const struct stage STAGES[PROBE_STAGES] = {
    [PROBE_CONNECTING] = {finish_connect, NULL, HEALTH_NO_CONNECTION, POLLOUT},
    [PROBE_SECURING]   = {shake_hands, NULL, HEALTH_NO_TLS, POLLIN},
    [PROBE_GREETING]   = {hear, heard_greeting, HEALTH_NO_GREETING, POLLIN},
    [PROBE_HELLO]      = {hear, heard_hello, HEALTH_NO_EHLO, POLLIN},
    [PROBE_STARTTLS]   = {hear, heard_starttls, HEALTH_NO_TLS, POLLIN},
    [PROBE_LEAVING]    = {hear, heard_goodbye, HEALTH_FINE, POLLIN},
};
/* clang-format on */

static void fail(struct probe *p, const char *why)
{
    end(p, STAGES[p->stage].trouble, why);
}

/* -- from outside */

void probe_begin(struct probe *p, const struct probe_target *target, struct wait *wait, int64_t timeout_ms)
{
    p->target = target;
    p->stage = PROBE_CONNECTING;
    p->said_helo = false;
    p->dismissed = false;
    p->began_ms = clock_ms();
    p->deadline_ms = p->began_ms + timeout_ms;
    p->trouble = HEALTH_FINE;
    p->took_ms = 0;
    p->offers = (struct extensions){0};
    p->why[0] = '\0';
    p->tls = NULL;
    reply_reader_begin(&p->reader);
    stream_init(&p->stream, wait, p->in, sizeof(p->in), p->out, sizeof(p->out));
    int fd = net_connect_begin(&target->server->address);
    if (fd < 0)
        fail(p, strerrordesc_np(errno));
    else
        stream_open(&p->stream, fd);
}

bool probe_is_over(const struct probe *p)
{
    return p->stage == PROBE_OVER;
}

struct pollfd probe_poll(const struct probe *p)
{
    return (struct pollfd){.fd = probe_is_over(p) ? -1 : p->stream.fd, .events = STAGES[p->stage].events};
}

void probe_step(struct probe *p)
{
    enum io io = IO_OK;
    while (io == IO_OK && !probe_is_over(p))
        io = STAGES[p->stage].step(p);
    if (probe_is_over(p))
        return;
    if (io != IO_LATE)
        fail(p, io_name(io));
    else if (clock_ms() >= p->deadline_ms)
        fail(p, "timeout");
}

void probe_stop(struct probe *p)
{
    if (!probe_is_over(p))
        end(p, HEALTH_FINE, "");
}
