/* SPDX-License-Identifier: ISC
 *
 * The way into an inside server: connect, 220, TLS, the client passed on, EHLO with the client's name.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/must.h"
#include "common/scoreboard.h"

#include "workers/inside_berth.h"
#include "workers/inside_proxy.h"
#include "workers/inside_tls.h"
#include "workers/xclient.h"

const struct reply REPLY_INSIDE_AWAY = REPLY(451, "4.4.1", "The mail server cannot be reached now, try again later");

/* All servers together: the client waits for the answer to its MAIL, five minutes by RFC 5321. */
enum { OPENING_MAX_MS = 4 * 60 * 1000 };

/* It refuses us, not the client: own trouble. */
static enum asked refused(struct inside *in, const char *what, struct reply *reply_out)
{
    char said[INSIDE_WORDS_MAX];
    inside_lost(in, LEVEL_WARNING, what, inside_words(reply_out, said), reply_out);
    *reply_out = REPLY_INSIDE_AWAY;
    return ASKED_LOST;
}

static enum asked greet(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    deadline_ms = inside_sooner(deadline_ms, in->backend->greeting_timeout_ms);
    enum asked asked = inside_hear(in, EXPECT_ANY, deadline_ms, reply_out);
    if (asked != ASKED_ANSWERED || reply_out->code == 220)
        return asked;
    if (!inside_proxy_is_used(in))
        return refused(in, "inside greets with a refusal", reply_out);
    if (!inside_proxy_is_refusal(in, reply_out))
        return ASKED_LOST;
    inside_break_off(in); /* it refuses the client that was passed on */
    return ASKED_ANSWERED;
}

static enum asked say_hello(struct inside *in, const char *verb, struct slice name, int64_t deadline_ms,
                            struct reply *reply_out)
{
    if (!inside_proxy_is_quiet(in, reply_out) || !inside_line(in, reply_out))
        return ASKED_LOST;
    buffer_put_text(&in->stream.out, verb);
    buffer_put_char(&in->stream.out, ' ');
    buffer_put(&in->stream.out, name);
    buffer_put_text(&in->stream.out, "\r\n");
    if (!inside_proxy_is_used(in))
        return inside_ask_by(in, EXPECT_25X, deadline_ms, reply_out);
    enum asked asked = inside_ask_by(in, EXPECT_ANY, deadline_ms, reply_out);
    if (asked != ASKED_ANSWERED || (reply_out->code >= 250 && reply_out->code <= 252))
        return asked;
    return inside_proxy_is_refusal(in, reply_out) ? asked : ASKED_LOST;
}

static bool knows_no_ehlo(const struct reply *reply)
{
    return reply->code == 500 || reply->code == 502 || reply->code == 504;
}

/* RFC 8689 section 4.2.1: who asks for TLS asks for a server that is known, too. */
static bool can_require_tls(const struct inside *in)
{
    return in->stream.tls != NULL && in->backend->tls.verify != TLS_VERIFY_NONE;
}

/* Where PROXY is used none of these codes comes so far. */
static enum asked hello(struct inside *in, struct slice name, int64_t deadline_ms, struct reply *reply_out)
{
    in->offers = (struct extensions){0};
    enum asked asked = say_hello(in, "EHLO", name, deadline_ms, reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    if (knows_no_ehlo(reply_out))
        return say_hello(in, "HELO", name, deadline_ms, reply_out);
    if (reply_class(reply_out) == 2)
        extensions_parse(reply_out, &in->offers);
    if (!can_require_tls(in))
        in->offers.keywords &= ~(uint32_t)KEYWORD_REQUIRETLS;
    return asked;
}

/* -- the client is passed on as configured, or nothing is (L11) -- */

/* Anything but 220. Its own words go into the log: a 5yz is a line missing there, a 4yz a limit at work on the client.
 */
static enum asked xclient_refused(struct inside *in, struct reply *reply_out)
{
    char text[INSIDE_WORDS_MAX];
    const char *said = inside_words(reply_out, text);
    if (reply_class(reply_out) == 4)
        return inside_not_passed(in,
                                 "inside turns the client away at XCLIENT; its service lacks "
                                 "smtpd_client_connection_count_limit=0, or limits clients otherwise",
                                 said, reply_out);
    if (reply_out->code == 501)
        return inside_not_passed(
            in,
            "inside does not take what XCLIENT says of the client; it lacks inet_protocols=all, where "
            "clients come by IPv6",
            said, reply_out);
    return inside_not_passed(
        in,
        "inside answers XCLIENT with a refusal; its service lacks smtpd_delay_reject=yes, or this host's "
        "address in smtpd_authorized_xclient_hosts",
        said, reply_out);
}

/* EHLO with our own name, once for each layer of security. */
static enum asked hail(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    char said[INSIDE_WORDS_MAX];
    if (in->hailed)
        return ASKED_ANSWERED;
    enum asked asked = hello(in, slice_of(in->who->hostname), deadline_ms, reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    if (reply_class(reply_out) != 2)
        return inside_not_passed(in, "inside refuses our own EHLO", inside_words(reply_out, said), reply_out);
    in->hailed = true;
    return ASKED_ANSWERED;
}

static enum asked pass_by_xclient(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    const struct inside_client *who = in->who;
    enum asked asked = hail(in, deadline_ms, reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    if ((in->offers.keywords & KEYWORD_XCLIENT) == 0)
        return inside_not_passed(in,
                                 "inside offers no XCLIENT; its service lacks this host's address in "
                                 "smtpd_authorized_xclient_hosts",
                                 "", reply_out);
    if ((in->offers.xclient & ATTRIBUTE_ADDR) == 0)
        return inside_not_passed(in, "inside's XCLIENT does not offer ADDR", "", reply_out);
    if (!inside_line(in, reply_out))
        return ASKED_LOST;
    if (!xclient_print(&in->stream.out, in->offers.xclient, who))
        return inside_not_passed(in, "the line of XCLIENT is too long", "", reply_out);
    asked = inside_ask_by(in, EXPECT_ANY, deadline_ms, reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    return reply_out->code == 220 ? ASKED_ANSWERED : xclient_refused(in, reply_out);
}

/* -- one server, and all of them -- */

static enum asked connect_to(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    int fd;
    enum io io = net_connect(&in->server->address, in->stream.wait,
                             inside_sooner(deadline_ms, in->backend->connect_timeout_ms), &fd);
    if (io == IO_GONE)
        return ASKED_GONE;
    if (io != IO_OK) {
        const char *error = io == IO_LOST ? strerrordesc_np(errno) : NULL;
        inside_lost(in, LEVEL_WARNING, "cannot connect", error != NULL ? error : io_name(io), reply_out);
        *reply_out = REPLY_INSIDE_AWAY;
        return ASKED_LOST;
    }
    stream_open(&in->stream, fd);
    in->state = INSIDE_REACHED;
    return ASKED_ANSWERED;
}

static enum asked enter(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    enum asked asked = connect_to(in, deadline_ms, reply_out);
    if (asked == ASKED_ANSWERED)
        asked = inside_proxy_say(in, deadline_ms, reply_out);
    if (asked == ASKED_ANSWERED)
        asked = inside_tls_at_once(in, deadline_ms, reply_out);
    if (asked == ASKED_ANSWERED)
        asked = greet(in, deadline_ms, reply_out);
    return asked;
}

/* Where it is not XCLIENT that begins anew, inside that did without TLS has heard our EHLO, and must not hear another
 * one with the client's name: it is entered again (L6). */
static enum asked turn_to_tls(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    if (!inside_tls_is_asked_for(in))
        return ASKED_ANSWERED;
    enum asked asked = hail(in, deadline_ms, reply_out);
    if (asked == ASKED_ANSWERED)
        asked = inside_tls_start(in, deadline_ms, reply_out);
    if (asked != ASKED_ANSWERED || !in->hailed || in->backend->pass_client == PASS_CLIENT_XCLIENT)
        return asked;
    in->keeps_berth = true;
    inside_quit(in);
    in->keeps_berth = false;
    return enter(in, deadline_ms, reply_out);
}

static enum asked reach_server(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    in->secured = NULL;
    enum asked asked = enter(in, deadline_ms, reply_out);
    if (asked == ASKED_ANSWERED && in->state != INSIDE_CLOSED)
        asked = turn_to_tls(in, deadline_ms, reply_out);
    if (asked == ASKED_ANSWERED && in->backend->pass_client == PASS_CLIENT_XCLIENT) {
        asked = pass_by_xclient(in, deadline_ms, reply_out);
        in->passed = asked == ASKED_ANSWERED;
    }
    return asked;
}

/* The client's own EHLO. A refusal is inside's answer once the client was passed on, else it is meant for us. */
static enum asked finish_hello(struct inside *in, struct slice name, int64_t deadline_ms, struct reply *reply_out)
{
    bool passed = in->passed;
    enum asked asked = hello(in, name, deadline_ms, reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    if (reply_class(reply_out) == 2) {
        in->state = INSIDE_READY;
        snprintf(in->name, sizeof(in->name), "%.*s", SLICE_ARGS(name));
        return ASKED_ANSWERED;
    }
    if (passed) {
        inside_break_off(in);
        return ASKED_ANSWERED;
    }
    return refused(in, "inside refuses EHLO", reply_out);
}

/* Bits of servers by their place on the scoreboard. Looked at once: what changes meanwhile leaves nobody out. */
static uint64_t believed_down(const struct inside *in)
{
    uint64_t down = 0;
    for (size_t i = 0; in->health != NULL && i < in->backend->servers.count; i++) {
        const struct server *server = block_at(&in->backend->servers, i);
        if (server_has_place(server))
            down |= (uint64_t)(health_read(&in->health[server->heard_slot]).state == HEALTH_DOWN) << server->heard_slot;
    }
    return down;
}

/* A session is to be opened, with EHLO or without, at one of the servers. */
struct opening {
    struct inside *in;
    const struct slice *name; /* NULL: EHLO is left for later */
    int64_t deadline_ms;
    int64_t berth_until_ms; /* 0: none was waited for yet */
    struct reply *reply_out;
};

/* There is a berth for it. */
static enum asked try_server(const struct opening *opening)
{
    struct inside *in = opening->in;
    enum asked asked = reach_server(in, opening->deadline_ms, opening->reply_out);
    if (asked == ASKED_ANSWERED && opening->name != NULL && in->state != INSIDE_CLOSED)
        asked = finish_hello(in, *opening->name, opening->deadline_ms, opening->reply_out);
    if (in->state == INSIDE_CLOSED)
        inside_berth_leave(in);
    return asked;
}

/* Those of them that have no berth free. */
static enum asked wait_for_servers(struct opening *opening, uint64_t full)
{
    struct inside *in = opening->in;
    enum asked asked = ASKED_LOST;
    if (opening->berth_until_ms == 0)
        opening->berth_until_ms = inside_sooner(opening->deadline_ms, in->backend->max_sessions_wait_ms);
    while (asked == ASKED_LOST && full != 0) {
        asked = inside_berth_await(in, full, opening->berth_until_ms, opening->reply_out);
        if (asked != ASKED_ANSWERED)
            return asked;
        full &= ~(UINT64_C(1) << in->server->heard_slot);
        asked = try_server(opening);
    }
    return asked;
}

/* Those that are believed to be down, or the others: who has no berth free is waited for when none of the rest would
 * do. */
static enum asked try_those(struct opening *opening, uint64_t down, bool are_down)
{
    struct inside *in = opening->in;
    enum asked asked = ASKED_LOST;
    uint64_t full = 0;
    for (size_t i = 0; i < in->backend->servers.count && asked == ASKED_LOST; i++) {
        const struct server *server = block_at(&in->backend->servers, i);
        if (server_is_among(down, server) != are_down)
            continue;
        in->server = server;
        if (inside_berth_take(in))
            asked = try_server(opening);
        else
            full |= UINT64_C(1) << server->heard_slot;
    }
    return asked == ASKED_LOST && full != 0 ? wait_for_servers(opening, full) : asked;
}

/* One server after the other, until one lets the session in or refuses this client: in the order of the file, but those
 * that are believed to be down last (a rumour: never left out). */
static enum asked try_servers(struct inside *in, const struct slice *name, int64_t deadline_ms, struct reply *reply_out)
{
    struct opening opening = {.in = in, .name = name, .deadline_ms = deadline_ms, .reply_out = reply_out};
    uint64_t down = believed_down(in);
    *reply_out = REPLY_INSIDE_AWAY;
    in->opening_ms = clock_ms();
    if (!inside_proxy_may(in, reply_out))
        return ASKED_LOST;
    enum asked asked = try_those(&opening, down, false);
    return asked == ASKED_LOST && !in->made_room ? try_those(&opening, down, true) : asked;
}

enum asked inside_reach(struct inside *in, struct reply *reply_out)
{
    must(in->state == INSIDE_CLOSED);
    return try_servers(in, NULL, clock_deadline(OPENING_MAX_MS), reply_out);
}

enum asked inside_open(struct inside *in, struct slice name, struct reply *reply_out)
{
    int64_t deadline = clock_deadline(OPENING_MAX_MS);
    must(in->state != INSIDE_READY);
    if (in->state == INSIDE_REACHED) {
        enum asked asked = finish_hello(in, name, deadline, reply_out);
        if (asked != ASKED_LOST)
            return asked;
    }
    return try_servers(in, &name, deadline, reply_out);
}
