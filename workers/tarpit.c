/* SPDX-License-Identifier: ISC */
#include <poll.h>

#include "common/clock.h"
#include "common/net.h"

#include "workers/kill_switch.h"
#include "workers/pressure.h"
#include "workers/stress.h"
#include "workers/tarpit.h"

enum {
    MS_PER_S = 1000,
    US_PER_MS = 1000,
    US_PER_S = 1000000,
    BURST_US = US_PER_S,    /* a second's octets at once */
    SHARED_WAIT_MS = 20000, /* inside waits for the message meanwhile, and has its time-outs */
    SLOW_WINDOW_BYTES = 1024,
    PORTION_MIN = 512 /* octets */
};

/* -- held -- */

static void show_on_slot(const struct session *s, bool held, int64_t spent_ms)
{
    struct scoreboard *board = s->setup->board;
    uint32_t tag = session_tag_of(&s->client);
    if (board == NULL)
        return;
    struct slot_facts *facts = slot_begin(board);
    facts->held = held;
    facts->held_sessions += held && !s->held;
    facts->held_ms += (uint64_t)spent_ms;
    slot_end(board);
    scoreboard_set_tag(board, s->setup->slot, held ? tag | TAG_HELD : tag);
}

/* Two for one: where there are too many they become fewer. Perhaps it is ourselves. */
static void enforce_share(const struct session *s)
{
    for (int i = 0, over = stress_over_share(s); i < 2 && i < over; i++)
        pressure_ask(s->setup, over);
}

/* Replies leave while the client's room is its own: who gives way in a write leaves half of it unsaid. */
static bool enter(struct session *s)
{
    if (session_flush(s) != IO_OK)
        return false;
    show_on_slot(s, true, 0);
    s->held = s->in_tarpit = true;
    enforce_share(s);
    session_watch_outside(s);
    pressure_give_way(s);
    return true;
}

static void leave(struct session *s, int64_t spent_ms)
{
    pressure_keep_room(s);
    s->in_tarpit = false;
    s->held_ms += spent_ms;
    show_on_slot(s, false, spent_ms);
}

/* Under TLS what came may hold nothing that the client said. */
static enum io wait_for_input(struct session *s, int64_t deadline_ms)
{
    enum io io = IO_OK;
    while (io == IO_OK) {
        switch (stream_input(&s->outside)) {
        case INPUT_SOME:
            return IO_OK;
        case INPUT_END:
        case INPUT_LOST:
            return IO_GONE;
        case INPUT_NONE:
            break;
        }
        io = clock_ms() >= deadline_ms ? IO_LATE : wait_for(s->setup->wait, s->outside.fd, POLLIN, deadline_ms);
    }
    return io;
}

static enum io doze(struct session *s, int64_t ms, bool until_input)
{
    int64_t began = clock_ms(), deadline = clock_deadline(ms);
    if (!enter(s))
        return IO_LOST;
    enum io io = until_input ? wait_for_input(s, deadline) : wait_for(s->setup->wait, -1, 0, deadline);
    leave(s, clock_ms() - began);
    return io;
}

/* What ended a wait before its time. */
static void leave_by(struct session *s, enum io io)
{
    if (io == IO_ROOM) {
        pressure_make_room(s);
        return;
    }
    s->deeds.left_held = !kill_switch_is_pulled();
    session_end(s, "client hung up");
}

enum held tarpit_hold(struct session *s, int64_t ms, bool until_input)
{
    ms = ms * stress_leeway(s) / 100;
    if (s->setup->looks_only) {
        s->held_ms += ms;
        return HELD_OVER;
    }
    if (ms <= 0 && !until_input)
        return HELD_OVER;
    enum io io = ms > 0 ? doze(s, ms, until_input) : wait_for_input(s, STREAM_NOW);
    if (io == IO_LATE)
        return HELD_OVER;
    if (io == IO_OK) {
        s->spoke_early = true;
        return HELD_SPOKE;
    }
    leave_by(s, io);
    return HELD_ENDED;
}

/* -- stutter -- */

static bool deserves_stutter(const struct session *s, const struct reply *reply)
{
    const struct policy *policy = s->options->policy;
    if (policy->stutter_ms == 0 || reply_class(reply) < 4 || check_cap(s, MODE_ENFORCE) != MODE_ENFORCE)
        return false;
    if (session_is_trusted(s))
        return false;
    return s->standing == STANDING_BAD || s->score >= policy->stutter_at;
}

/* All but the last octet, which leaves with whatever is next; the rest at once when there is no time left. */
static enum io drip(struct session *s)
{
    int64_t end = clock_deadline(s->options->command_timeout_ms);
    while (buffer_unread(&s->outside.out).size > 1) {
        int64_t pause = s->options->policy->stutter_ms * stress_leeway(s) / 100;
        enum io io = pause > 0 && clock_ms() + pause < end ? stream_flush_some(&s->outside, 1, end) : IO_LATE;
        if (io == IO_OK)
            io = wait_for(s->setup->wait, -1, 0, clock_deadline(pause));
        else if (io == IO_LATE)
            return IO_OK;
        if (io != IO_LATE)
            return io;
    }
    return IO_OK;
}

void tarpit_reply(struct session *s, const struct reply *reply)
{
    if (!deserves_stutter(s, reply) || s->outside.writing != IO_OK) {
        session_reply(s, reply);
        return;
    }
    int64_t began = clock_ms();
    if (!enter(s))
        return;
    net_narrow(s->outside.fd, SLOW_WINDOW_BYTES);
    session_reply(s, reply);
    enum io io = drip(s);
    leave(s, clock_ms() - began);
    if (io == IO_ROOM && s->phase == PHASE_CLOSED)
        pressure_note(s); /* it was the session's last reply */
    else if (io != IO_OK)
        leave_by(s, io);
}

/* -- throttle -- */

static int64_t lower(int64_t a, int64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

/* What a check asked for holds for whoever it was asked for; the policy's own rates end with an allow. A policy that is
 * only watched slows down nobody. */
static int64_t rate_of(const struct session *s, int64_t of_policy)
{
    if (check_cap(s, MODE_ENFORCE) != MODE_ENFORCE)
        return 0;
    return lower(s->allowed ? 0 : of_policy, s->rate_bytes);
}

static int64_t rate_in(const struct session *s)
{
    return rate_of(s, s->options->policy->throttle_in);
}

static int64_t rate_out(const struct session *s)
{
    return rate_of(s, s->options->policy->throttle_out);
}

size_t tarpit_portion(const struct session *s)
{
    return (size_t)lower(rate_in(s), s->portion_bytes);
}

/* How long until what has passed so far is paid for, but for a second's worth. */
static int64_t charge(struct pace *pace, uint64_t passed, int64_t rate, int64_t now_us)
{
    uint64_t octets = passed - pace->seen;
    pace->seen = passed;
    if (rate == 0)
        return 0;
    if (pace->paid_until_us < now_us)
        pace->paid_until_us = now_us;
    pace->paid_until_us += (int64_t)(octets * US_PER_S / (uint64_t)rate);
    int64_t wait_us = pace->paid_until_us - now_us - BURST_US;
    return wait_us > 0 ? wait_us / US_PER_MS : 0;
}

/* Of both directions, since it was asked last. */
static int64_t owed_by_session(struct session *s)
{
    int64_t in = rate_in(s), out = rate_out(s), now_us = in + out > 0 ? clock_ms() * US_PER_MS : 0;
    int64_t in_ms = charge(&s->pace_in, s->outside.received_bytes, in, now_us);
    int64_t out_ms = charge(&s->pace_out, s->outside.sent_bytes, out, now_us);
    return in_ms > out_ms ? in_ms : out_ms;
}

/* What is limited together with others has to wait for its turn, and takes as little at a time as is paid for in a
 * second: so each of many waits for a short time only. */
static int64_t owed_to_others(struct session *s, uint64_t octets)
{
    if (octets == 0)
        return 0;
    struct verdict verdict = check_tell(s, EVENT_OCTETS, octets);
    s->portion_bytes = verdict.rate_bytes > 0 && verdict.rate_bytes < PORTION_MIN ? PORTION_MIN : verdict.rate_bytes;
    return verdict.owed_ms < SHARED_WAIT_MS ? verdict.owed_ms : SHARED_WAIT_MS;
}

bool tarpit_pace_command(struct session *s)
{
    int64_t wait_ms = owed_by_session(s), most = s->options->command_timeout_ms;
    if (wait_ms == 0)
        return true;
    int64_t began = clock_ms();
    /* A group of commands that came at once may be worth hours: the rest is waited for before the next one. */
    enum io io = doze(s, wait_ms < most ? wait_ms : most, false);
    s->throttled_ms += clock_ms() - began;
    if (io != IO_LATE)
        leave_by(s, io);
    return io == IO_LATE;
}

/* In a message: the client gets on, if slowly, and keeps its room. */
enum io tarpit_pace_message(struct session *s, uint64_t octets, int64_t deadline_ms)
{
    int64_t shared_ms = owed_to_others(s, octets), own_ms = owed_by_session(s);
    int64_t wait_ms = shared_ms > own_ms ? shared_ms : own_ms;
    if (wait_ms == 0)
        return IO_OK;
    int64_t began = clock_ms(), until_ms = began + wait_ms;
    enum io io = wait_for(s->setup->wait, -1, 0, until_ms < deadline_ms ? until_ms : deadline_ms);
    s->throttled_ms += clock_ms() - began;
    return io == IO_LATE && until_ms <= deadline_ms ? IO_OK : io;
}
