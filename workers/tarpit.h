/* SPDX-License-Identifier: ISC
 *
 * tarpit - the only sleeper of a session: delays, the wait for early talkers, refusals an octet at a time, throttling.
 *
 * Whoever is held costs next to nothing, is seen on the scoreboard (TAG_HELD), notices the client's hang-up at once,
 * and makes room when others need it more: it waits on its listener's pressure pipe, where who has waited longest is
 * woken first, and then says 421. Who has a good name or was allowed is not held at all. How many may be held is the
 * listener's tarpit_share; under stress it falls to nothing, and delays shrink with it.
 */
#ifndef POSTERN_WORKERS_TARPIT_H
#define POSTERN_WORKERS_TARPIT_H

#include "workers/session.h"

enum held {
    HELD_OVER,  /* the time is over */
    HELD_SPOKE, /* the client spoke meanwhile (asked for by until_input) */
    HELD_ENDED  /* the session has: hung up, or made room, and its last reply was said */
};

/* Replies that are due leave first. Less than `ms`, or nothing, where others need the room. */
enum held tarpit_hold(struct session *s, int64_t ms, bool until_input);

/* A reply to a command. A refusal of a client that is bad enough leaves slowly. */
void tarpit_reply(struct session *s, const struct reply *reply);

/* After octets came or left: what the session's rate, and the limits that it shares with others, ask to be waited. */
void tarpit_pace(struct session *s);

#endif
