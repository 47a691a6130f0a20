/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/dialog.h"
#include "workers/report.h"
#include "workers/session.h"
#include "workers/transaction.h"

static const struct reply REPLY_EARLY = REPLY(554, "5.5.0", "Wait for the reply before you send more");
static const struct reply REPLY_NOT_AVAILABLE = REPLY(421, "4.3.2", "Service not available now, try again later");

/* clang-format off */
const struct option session_option_rows[] = {
    {"backend", OPTION_REFERENCE, offsetof(struct session_options, backend), NULL, "backend",
     "The inside servers that get the sessions of this listener.", .required = true},
    {"policy", OPTION_REFERENCE, offsetof(struct session_options, policy), NULL, "policy",
     "The checks that its sessions pass.", .required = true},
    {"command_timeout", OPTION_TIME, offsetof(struct session_options, command_timeout_ms), "5m", "1s..1h",
     "How long a client may take for a whole command line (RFC 5321 asks for 5m)."},
    {"data_timeout", OPTION_TIME, offsetof(struct session_options, data_timeout_ms), "3m", "1s..1h",
     "How long a client may be silent while it sends a message."},
    {"message_timeout", OPTION_TIME, offsetof(struct session_options, message_timeout_ms), "1h", "1s..1d",
     "How long a message may take as a whole, from 354 to its end."},
    {"message_size_limit", OPTION_SIZE, offsetof(struct session_options, message_size_limit), "0", "0..1024G",
     "The largest message, in octets; 0: whatever inside takes. The smaller of this and inside's SIZE is offered and held."},
    {"max_recipients", OPTION_COUNT, offsetof(struct session_options, max_recipients), "1000", "100..100000",
     "Recipients of one message; more are answered 452 (RFC 5321 asks for 100 at least)."},
    {"max_errors", OPTION_COUNT, offsetof(struct session_options, max_errors), "20", "1..1000",
     "Malformed and misplaced commands in a session; then 421."},
    {"max_commands", OPTION_COUNT, offsetof(struct session_options, max_commands), "100", "10..100000",
     "Commands that bring no message forward (NOOP, RSET, EHLO ..) between two messages; then 421."},
    {"sessions_per_worker", OPTION_COUNT, offsetof(struct session_options, sessions_per_worker), "10000", "1..1000000000",
     "A worker leaves after so many sessions and is replaced."},
    {"received", OPTION_FLAG, offsetof(struct session_options, received), "yes", NULL,
     "Add a Received line to each message (RFC 5321 section 4.4)."},
    {0},
};
/* clang-format on */

const char *phase_name(enum phase phase)
{
    static const char *const names[PHASES] = {
        [PHASE_GREETING] = "greeting", [PHASE_HELLO] = "hello", [PHASE_MAIL] = "mail",
        [PHASE_RCPT] = "rcpt",         [PHASE_LOST] = "lost",   [PHASE_CLOSED] = "closed",
    };
    return names[phase];
}

void session_move(struct session *s, enum phase to)
{
    if (s->phase == to || s->phase == PHASE_CLOSED)
        return;
    log_line(LEVEL_DEBUG, "session=%s phase=%s from=%s", s->id, phase_name(to), phase_name(s->phase));
    s->phase = to;
    if (s->setup->board == NULL)
        return;
    slot_begin(s->setup->board)->phase = (uint32_t)to;
    slot_end(s->setup->board);
}

void session_end(struct session *s, const char *why)
{
    if (s->ending == NULL)
        s->ending = why;
    session_move(s, PHASE_CLOSED);
}

enum io session_flush(struct session *s)
{
    enum io io = stream_flush(&s->outside, clock_deadline(s->options->command_timeout_ms));
    if (io != IO_OK)
        session_end(s, io == IO_LATE ? "client reads too slowly" : "client hung up");
    return io;
}

void session_reply(struct session *s, const struct reply *reply)
{
    if (s->outside.writing != IO_OK)
        return;
    if (!reply_print(&s->outside.out, reply)) {
        if (session_flush(s) != IO_OK)
            return;
        buffer_clear(&s->outside.out);
        reply_print(&s->outside.out, reply);
    }
    if (reply->code == 421)
        session_end(s, "421");
}

bool session_spoke_early(struct session *s)
{
    if (stream_input(&s->outside) != INPUT_SOME)
        return false;
    session_reply(s, &REPLY_EARLY);
    session_end(s, "input before the reply");
    return true;
}

/* The client is still there while what it sent is unread (L9): a half-closed one that pipelined its QUIT is waited on.
 */
static enum io outside_woken(struct wait_guest *guest, short revents)
{
    struct session *s = guest->context;
    if ((revents & (POLLERR | POLLNVAL)) != 0)
        return IO_GONE;
    switch (stream_input(&s->outside)) {
    case INPUT_END:
    case INPUT_LOST:
        return IO_GONE;
    case INPUT_SOME:
    case INPUT_NONE:
        guest->events = 0; /* it is known; only an error is news from here on */
        if ((revents & POLLHUP) != 0)
            guest->fd = -1;
        return IO_OK;
    }
    return IO_OK;
}

/* Base 32 of the microsecond and the slot: unique for a host, short enough to be read out on the phone. */
static void make_id(struct session *s)
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t now = (uint64_t)clock_wall_us();
    uint64_t slot = (uint64_t)s->setup->slot;
    char *to = s->id + 15;
    *to = '\0';
    for (int i = 0; i < 4; i++, slot >>= 5)
        *--to = digits[slot & 31];
    for (int i = 0; i < 11; i++, now >>= 5)
        *--to = digits[now & 31];
}

static void begin(struct session *s, const struct session_setup *setup, int fd, const struct endpoint *peer,
                  const struct endpoint *local)
{
    memset(s, 0, offsetof(struct session, inside));
    s->setup = setup;
    s->service = setup->service;
    s->options = setup->service->session;
    s->client = *peer;
    s->local = *local;
    s->began_ms = clock_ms();
    make_id(s);
    if (peer->kind == ENDPOINT_IP)
        ipaddr_print(&peer->address, s->client_text);
    else
        snprintf(s->client_text, sizeof(s->client_text), "local");
    s->who = (struct inside_client){&s->client, &s->local, s->service->hostname, s->id};
    stream_init(&s->outside, setup->wait, s->outside_in, sizeof(s->outside_in), s->outside_out, sizeof(s->outside_out));
    stream_open(&s->outside, fd);
    inside_init(&s->inside, setup->wait, s->options->backend, &s->who);
    s->outside_watch = (struct wait_guest){.fd = fd, .woken = outside_woken, .context = s};
    wait_invite(setup->wait, &s->outside_watch);
    transaction_begin(s);
    check_begin_session(s);
}

static void show_on_slot(const struct session *s, enum slot_state state)
{
    struct scoreboard *board = s->setup->board;
    if (board == NULL)
        return;
    struct slot_facts *facts = slot_begin(board);
    facts->state = (uint32_t)state;
    facts->phase = (uint32_t)s->phase;
    if (state == SLOT_BUSY) {
        facts->serial++;
        facts->session_since_ms = s->began_ms;
        facts->client = s->client.address;
        facts->client_port = s->client.port;
        memcpy(facts->session_id, s->id, sizeof(facts->session_id));
    } else {
        facts->sessions++;
        facts->messages += (uint64_t)s->messages;
        facts->refused_messages += (uint64_t)s->refused_messages;
        facts->bytes_in += s->outside.received_bytes;
    }
    slot_end(board);
}

/* The classic synchronous proxy reaches inside before it greets. */
static bool reach_inside_first(struct session *s)
{
    struct reply unused;
    if (s->options->backend->connect != CONNECT_AT_GREETING)
        return true;
    switch (inside_reach(&s->inside, &unused)) {
    case ASKED_ANSWERED:
        return true;
    case ASKED_LOST:
        session_reply(s, &REPLY_NOT_AVAILABLE);
        return false;
    case ASKED_GONE:
        session_end(s, "client hung up");
        return false;
    }
    return false;
}

static void greet(struct session *s)
{
    struct verdict verdict = check_stage(s, STAGE_CONNECT, NULL);
    if (verdict_refuses(&verdict)) {
        struct reply reply = verdict.reply;
        session_reply(s, &reply);
        session_end(s, verdict.reason);
        return;
    }
    if (!reach_inside_first(s))
        return;
    char text[300];
    int size = snprintf(text, sizeof(text), "%s ESMTP", s->service->hostname);
    struct reply hello = {220, "", slice_make(text, (size_t)size)};
    session_reply(s, &hello);
}

/* Replies leave before anything else happens; inside gets a QUIT only when the client left in order. */
static void finish(struct session *s)
{
    if (s->outside.writing == IO_OK)
        session_flush(s);
    wait_dismiss(s->setup->wait, &s->outside_watch);
    bool in_order = s->outside.reading == IO_OK && s->outside.writing == IO_OK;
    uint64_t received = s->outside.received_bytes;
    stream_close(&s->outside);
    s->outside.received_bytes = received;
    transaction_drop(s, s->ending != NULL ? s->ending : "");
    if (in_order)
        inside_quit(&s->inside);
    else
        inside_break_off(&s->inside, "the client is gone");
    struct outcome outcome = {.kind = OUTCOME_SESSION};
    check_learn(s, &outcome, NULL);
    report_session(s);
    show_on_slot(s, SLOT_IDLE);
}

void session_serve(struct session *memory, const struct session_setup *setup, int outside_fd,
                   const struct endpoint *peer, const struct endpoint *local)
{
    struct session *s = memory;
    begin(s, setup, outside_fd, peer, local);
    show_on_slot(s, SLOT_BUSY);
    greet(s);
    while (s->phase != PHASE_CLOSED)
        dialog_step(s);
    finish(s);
}
