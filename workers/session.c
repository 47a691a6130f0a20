/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/must.h"

#include "workers/kill_switch.h"
#include "workers/pressure.h"
#include "workers/session.h"
#include "workers/standing.h"
#include "workers/stress.h"
#include "workers/transaction.h"
#include "workers/xforward.h"

enum { DAWDLED_MAX_MS = 30000 };

const struct reply REPLY_NOT_PROVIDED = REPLY(502, "5.5.1", "Command not provided here");
const struct reply REPLY_NESTED = REPLY(503, "5.5.1", "A transaction is under way; RSET ends it");
const struct reply REPLY_NO_RECIPIENTS = REPLY(554, "5.5.1", "No valid recipients");
static const struct reply REPLY_EARLY = REPLY(554, "5.5.0", "Wait for the reply before you send more");
static const struct reply REPLY_TOO_MANY_COMMANDS = REPLY(421, "4.7.0", "Too many commands without a message");
static const struct reply REPLY_TOO_MANY_ERRORS = REPLY(421, "4.7.0", "Too many errors, closing the connection");

/* -- the client -- */

uint32_t session_tag_of(const struct endpoint *client)
{
    uint32_t hash = 2166136261u; /* FNV-1a; who is counted apart by it is only ever shown */
    for (size_t i = 0; i < sizeof(client->address.bytes); i++)
        hash = (hash ^ client->address.bytes[i]) * 16777619u;
    return (hash & ~TAG_HELD) | TAG_BUSY;
}

void session_set_client(struct session *s, const struct endpoint *client, const struct endpoint *local)
{
    struct scoreboard *board = s->setup->board;
    s->client = *client;
    s->local = *local;
    s->rules = rules_for(s->options, client);
    if (client->kind == ENDPOINT_IP)
        ipaddr_print(&client->address, s->client_text);
    else
        snprintf(s->client_text, sizeof(s->client_text), client->kind == ENDPOINT_UNIX ? "local" : "unknown");
    standing_look(s);
    transcript_begin(&s->transcript, board != NULL ? board->orders : NULL, &s->client.address, s->id);
}

void session_change_client(struct session *s, const struct endpoint *client, const struct endpoint *local)
{
    struct scoreboard *board = s->setup->board;
    s->deeds = (struct deeds){.errors_before = s->errors};
    session_set_client(s, client, local);
    if (board == NULL)
        return;
    struct slot_facts *facts = slot_begin(board);
    facts->standing = (uint32_t)s->standing;
    facts->client = client->address;
    facts->client_port = client->port;
    slot_end(board);
    scoreboard_set_tag(board, s->setup->slot, session_tag_of(client));
}

bool session_client_is_in(const struct session *s, const struct network_list *networks)
{
    for (size_t i = 0; s->client.kind == ENDPOINT_IP && i < networks->count; i++) {
        if (network_holds(&networks->items[i], &s->client.address))
            return true;
    }
    return false;
}

bool session_is_trusted(const struct session *s)
{
    return s->standing == STANDING_GOOD || s->allowed || s->auth != NULL;
}

bool session_is_bound(const struct session *s)
{
    return s->auth != NULL && !s->auth_vouched;
}

void session_leave_inside(struct session *s)
{
    if (s->inside.state != INSIDE_CLOSED && session_flush(s) == IO_OK)
        inside_quit(&s->inside);
}

void session_forget_hello(struct session *s)
{
    s->score -= s->hello_score;
    s->watched_score -= s->hello_watched;
    s->hello_score = s->hello_watched = 0;
    s->results = s->at_greeting.results;
}

void session_start_over(struct session *s)
{
    transaction_begin(s);
    s->auth = NULL;
    s->auth_vouched = false;
    memset(s->login, 0, sizeof(s->login));
    memset(s->vouched_login, 0, sizeof(s->vouched_login));
    xforward_forget(s);
    s->name[0] = '\0';
    s->esmtp = false;
    s->offered = (struct extensions){0};
    session_forget_hello(s);
    s->notes.count = s->at_greeting.notes;
    s->score = s->at_greeting.score;
    s->watched_score = s->at_greeting.watched_score;
    s->allowed = s->at_greeting.allowed;
    s->waiting[WAITS_SINCE_HELLO] = (struct waiting){0};
    if (s->inside.state == INSIDE_READY)
        session_leave_inside(s);
    session_move(s, PHASE_GREETING);
}

/* -- the conversation -- */

void session_move(struct session *s, enum phase to)
{
    if (s->phase == to || s->phase == PHASE_CLOSED)
        return;
    log_line(LEVEL_DEBUG, "event=phase session=%s phase=%s from=%s", s->id, phase_name(to), phase_name(s->phase));
    s->phase = to;
    if (s->setup->board == NULL)
        return;
    struct slot_facts *facts = slot_begin(s->setup->board);
    facts->phase = (uint32_t)to;
    facts->session_messages = (uint32_t)s->messages;
    slot_end(s->setup->board);
}

void session_end(struct session *s, const char *why)
{
    if (s->ending == NULL)
        s->ending = kill_switch_is_pulled() ? "killed by posternctl" : why;
    session_move(s, PHASE_CLOSED);
}

/* Who does not read gives way as well: of what it is told it hears a part, which it would not have read either. But
 * inside's word on a message is said whatever the house is like. */
static enum io flush_by(struct session *s, int64_t deadline_ms)
{
    if (s->phase != PHASE_COMMIT)
        pressure_give_way_soon(s);
    enum io io = stream_flush(&s->outside, deadline_ms);
    pressure_keep_room(s);
    return io;
}

enum io session_flush(struct session *s)
{
    enum io io = flush_by(s, clock_deadline(s->options->command_timeout_ms));
    if (io == IO_ROOM && s->ending == NULL)
        pressure_note(s);
    if (io != IO_OK)
        session_end(s, io == IO_ROOM ? MADE_ROOM : io == IO_LATE ? "client reads too slowly" : "client hung up");
    return io;
}

void session_watch_outside(struct session *s)
{
    s->outside_watch.fd = s->outside.fd;
    s->outside_watch.events = POLLRDHUP;
}

/* Replies have the whole deadline to leave: a write that is late has failed for good, and what it held is lost. */
static enum io flush_before_wait(struct session *s, int64_t deadline_ms)
{
    if (buffer_unread(&s->outside.out).size == 0 || slice_has(buffer_unread(&s->outside.in), '\n'))
        return IO_OK;
    return flush_by(s, deadline_ms);
}

/* From here on somebody else may need the room more. */
static enum io read_slow_line(struct session *s, size_t limit, int64_t look, int64_t deadline_ms,
                              struct slice *line_out)
{
    enum io io = stream_read_line(&s->outside, limit, look, line_out);
    while (io == IO_LATE && look != deadline_ms && !stress_is_on(s)) {
        look = stress_look_at(s, deadline_ms);
        io = stream_read_line(&s->outside, limit, look, line_out);
    }
    return io;
}

/* Who answers within a second costs nothing for that, as long as it does not go on like that for ever. */
static enum io read_patiently(struct session *s, size_t limit, int64_t deadline_ms, struct slice *line_out)
{
    int64_t look = stress_look_at(s, deadline_ms), soon = inside_sooner(look, PRESSURE_PATIENCE_MS);
    bool dawdles = s->dawdled_ms >= DAWDLED_MAX_MS;
    enum io io = soon < look && !dawdles ? stream_read_line(&s->outside, limit, soon, line_out) : IO_LATE;
    if (io != IO_LATE)
        return io;
    if (dawdles)
        pressure_give_way_at_once(s);
    else
        pressure_give_way(s);
    io = read_slow_line(s, limit, look, deadline_ms, line_out);
    pressure_keep_room(s);
    return io;
}

enum io session_read_line(struct session *s, size_t limit, int64_t deadline_ms, struct slice *line_out)
{
    session_watch_outside(s);
    enum io io = flush_before_wait(s, deadline_ms);
    if (io != IO_OK)
        return io;
    int64_t began = clock_ms();
    io = read_patiently(s, limit, deadline_ms, line_out);
    s->dawdled_ms += clock_ms() - began;
    return io;
}

const char *session_why_late(int64_t deadline_ms)
{
    return clock_ms() < deadline_ms ? "timeout under stress" : "timeout";
}

void session_wipe(struct session *s)
{
    buffer_wipe(&s->outside.in);
    buffer_wipe(&s->outside.out);
    inside_wipe(&s->inside);
}

void session_reply(struct session *s, const struct reply *reply)
{
    if (s->outside.writing != IO_OK) {
        session_end(s, "client hung up");
        return;
    }
    if (!reply_print(&s->outside.out, reply)) {
        if (session_flush(s) != IO_OK)
            return;
        bool fits = reply_print(&s->outside.out, reply);
        must(fits); /* OUTSIDE_OUT_BYTES is twice the longest reply */
    }
    transcript_reply(&s->transcript, reply);
    s->deeds.put_off |= reply_class(reply) == 4 && reply->code != 421;
    if (reply->code == 421)
        session_end(s, "inside said 421");
}

bool session_spoke_early(struct session *s)
{
    if (stream_input(&s->outside) != INPUT_SOME)
        return false;
    session_reply(s, &REPLY_EARLY);
    session_end(s, "input before the reply");
    s->deeds.spoke_early = true;
    return true;
}

struct reply session_count_idle(struct session *s, const struct reply *reply)
{
    if (++s->idle_commands <= stress_max_commands(s))
        return *reply;
    session_end(s, "too many commands");
    s->deeds.wore_out = s->idle_commands > s->options->max_commands; /* not by stress alone */
    return REPLY_TOO_MANY_COMMANDS;
}

static void add_error(struct session *s)
{
    s->errors++;
    if (s->setup->board == NULL)
        return;
    slot_begin(s->setup->board)->session_errors = (uint32_t)s->errors;
    slot_end(s->setup->board);
}

static struct reply count_error(struct session *s, const struct reply *reply)
{
    add_error(s);
    if (s->errors < stress_max_errors(s))
        return *reply;
    session_end(s, "too many errors");
    s->deeds.wore_out = s->errors >= s->options->max_errors;
    return REPLY_TOO_MANY_ERRORS;
}

struct reply session_blame(struct session *s, const struct reply *reply)
{
    check_tell(s, EVENT_ERROR, 1);
    return count_error(s, reply);
}

struct reply session_blame_refused(struct session *s, const struct reply *reply)
{
    if (s->errors + 1 >= s->options->max_errors)
        return count_error(s, reply);
    add_error(s);
    if (s->errors >= stress_max_errors(s))
        session_end(s, "too many errors");
    return *reply;
}

static struct reply with_word(struct session *s, const struct reply *reply, struct slice word)
{
    if (word.size > NAMED_MAX)
        word.size = NAMED_MAX;
    buffer_init(&s->said, s->said_text, sizeof(s->said_text));
    buffer_print(&s->said, "%.*s: ", SLICE_ARGS(reply->text));
    for (size_t i = 0; i < word.size; i++)
        buffer_put_char(&s->said, word.at[i] > ' ' && word.at[i] < 0x7F ? word.at[i] : '?');
    struct reply named = *reply;
    named.text = buffer_unread(&s->said);
    return named;
}

struct reply session_blame_word(struct session *s, const struct reply *reply, struct slice word)
{
    if (word.size == 0)
        return session_blame(s, reply);
    struct reply named = with_word(s, reply, word);
    return session_blame(s, &named);
}
