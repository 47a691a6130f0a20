/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

#include "workers/dialog.h"
#include "workers/envelope.h"
#include "workers/greeting.h"
#include "workers/hearing.h"
#include "workers/kill_switch.h"
#include "workers/pressure.h"
#include "workers/proxy_from.h"
#include "workers/report.h"
#include "workers/serve.h"
#include "workers/standing.h"
#include "workers/starttls.h"
#include "workers/store_client.h"
#include "workers/tarpit.h"
#include "workers/transaction.h"
#include "workers/xforward.h"

/* The client is still there while what it sent is unread (L9): a half-closed one that pipelined its QUIT is waited on.
 */
static enum io outside_woken(struct wait_guest *guest, short revents)
{
    struct session *s = guest->context;
    if (kill_switch_is_pulled())
        return IO_GONE;
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

/* -- while other sessions are waited for to leave inside, or DNS -- */

static void begin_wait(void *context)
{
    struct session *s = context;
    session_watch_outside(s);
    pressure_give_way(s);
}

static void end_wait(void *context, int64_t waited_ms)
{
    struct session *s = context;
    pressure_keep_room(s);
    s->inside_wait_ms += waited_ms;
    if (s->setup->board == NULL)
        return;
    struct slot_facts *facts = slot_begin(s->setup->board);
    facts->inside_waits += waited_ms > 0;
    facts->inside_wait_ms += (uint64_t)waited_ms;
    slot_end(s->setup->board);
}

static void end_lookup(void *context)
{
    pressure_keep_room(context);
}

static const struct reply *make_room(void *context)
{
    struct session *s = context;
    pressure_note(s);
    session_end(s, MADE_ROOM);
    return &REPLY_BUSY;
}

/* -- from beginning to end -- */

static void begin(struct session *s, const struct session_setup *setup, int fd, const struct endpoint *peer,
                  const struct endpoint *local)
{
    memset(s, 0, offsetof(struct session, transcript));
    s->setup = setup;
    s->service = setup->service;
    s->options = setup->service->session;
    s->began_ms = clock_ms();
    uint64_t number = (uint64_t)clock_wall_us();
    session_id_print(number, setup->slot, s->id);
    session_set_client(s, peer, local);
    s->who = (struct inside_client){.client = &s->client,
                                    .local = &s->local,
                                    .hostname = s->service->hostname,
                                    .session_id = s->id,
                                    .name = &s->client_name,
                                    .reverse_name = &s->client_reverse_name,
                                    .helo = s->name,
                                    .esmtp = &s->esmtp,
                                    .login = s->vouched_login,
                                    .transcript = &s->transcript};
    stream_init(&s->outside, setup->wait, s->outside_in, sizeof(s->outside_in), s->outside_out, sizeof(s->outside_out));
    stream_open(&s->outside, fd);
    kill_switch_arm(setup->board != NULL ? setup->board->orders : NULL, setup->slot, number, fd);
    store_client_begin(setup->store);
    inside_init(&s->inside, setup->wait, s->options->backend, s->service->inside_tls, &s->who);
    s->inside.health = setup->board != NULL ? setup->board->health : NULL;
    s->inside.board = setup->board;
    s->host = (struct inside_host){begin_wait, end_wait, make_room, s};
    s->inside.host = &s->host;
    s->lookup_host = (struct lookup_host){begin_wait, end_lookup, s};
    s->outside_watch = (struct wait_guest){.fd = fd, .woken = outside_woken, .context = s};
    wait_invite(setup->wait, &s->outside_watch);
    s->transaction.begun = false; /* whatever another session left there is no part of this one (L8) */
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
    facts->session_messages = 0;
    facts->tls = false;
    facts->held = false;
    facts->standing = (uint32_t)s->standing;
    facts->score = 0; /* decide.c keeps it */
    facts->session_errors = 0;
    if (state == SLOT_BUSY) {
        facts->serial++;
        facts->session_since_ms = s->began_ms;
        facts->client = s->client.address;
        facts->client_port = s->client.port;
        memcpy(facts->session_id, s->id, sizeof(facts->session_id));
    } else { /* nothing of a session is seen after it (L8) */
        facts->client = (struct ipaddr){0};
        facts->client_port = 0;
        facts->standing = STANDING_UNKNOWN;
        memset(facts->session_id, 0, sizeof(facts->session_id));
        facts->unheard += (uint64_t)s->unheard;
        facts->sessions++;
        facts->messages += (uint64_t)s->messages;
        facts->refused_messages += (uint64_t)s->refused_messages;
        facts->bytes_in += s->outside.received_bytes;
        facts->log_dropped = log_dropped();
    }
    slot_end(board);
    if (state != SLOT_BUSY)
        scoreboard_leave_seats(board);
}

enum { LINGER_MS = 1000 };

/* It will come again, and has cost nobody anything so far. Of a network with a bad name not even that is believed: it
 * might come again, and again. */
static bool was_only_greylisted(const struct session *s)
{
    const struct deeds *deeds = &s->deeds;
    bool was_bad = deeds->wore_out || deeds->spoke_early || deeds->left_message || deeds->spoilt > 0;
    return deeds->greylisted && s->standing != STANDING_BAD && s->messages == 0 && s->refused_messages == 0 &&
           deeds->refused_recipients == 0 && s->errors == deeds->errors_before && !was_bad;
}

/* Replies leave before anything else happens; inside gets a QUIT only when the client left in order. */
static void finish(struct session *s)
{
    if (s->outside.writing == IO_OK)
        session_flush(s);
    wait_dismiss(s->setup->wait, &s->outside_watch);
    bool in_order = s->outside.reading == IO_OK && s->outside.writing == IO_OK;
    uint64_t received = s->outside.received_bytes;
    kill_switch_disarm();
    stream_close_gently(&s->outside, LINGER_MS);
    s->outside.received_bytes = received;
    envelope_drop(s, s->ending != NULL ? s->ending : "");
    if (in_order)
        inside_say_quit(&s->inside);
    else
        inside_break_off(&s->inside);
    struct outcome outcome = {.kind = OUTCOME_SESSION, .deferred = was_only_greylisted(s)};
    check_learn(s, &outcome, NULL);
    standing_learn(s);
    report_session(s);
    hearing_learn(s);
    lookups_end_session(&s->lookups);
    inside_quit(&s->inside);
    show_on_slot(s, SLOT_IDLE);
}

void serve_session(struct session *memory, const struct session_setup *setup, int outside_fd,
                   const struct endpoint *peer, const struct endpoint *local)
{
    struct session *s = memory;
    begin(s, setup, outside_fd, peer, local);
    show_on_slot(s, SLOT_BUSY);
    bool heard = proxy_from_hear(s);
    xforward_begin(s);
    if (heard && starttls_at_once(s)) {
        struct reply greeting = greeting_find(s);
        if (greeting.code != 0)
            tarpit_reply(s, &greeting);
    }
    while (s->phase != PHASE_CLOSED)
        dialog_step(s);
    finish(s);
}
