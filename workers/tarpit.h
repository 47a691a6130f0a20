/* SPDX-License-Identifier: ISC
 *
 * tarpit - the only sleeper of a session: delays, the wait for early talkers, refusals an octet at a time, throttling.
 *
 * Whoever is held costs next to nothing, is seen on the scoreboard (TAG_HELD), notices the client's hang-up at once,
 * and makes room when others need it more (pressure.h): who was held longest first. Who has a good name, was allowed
 * or has logged in is not held at all; throttled, by what an administrator has set, is everybody but the allowed. How
 * many may be held is the listener's tarpit_share; under stress it falls to nothing, and delays shrink with it.
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

/* A reply to a command, never to the dot. A refusal of a client that is bad enough leaves slowly. */
void tarpit_reply(struct session *s, const struct reply *reply);

/* How many octets of the client's are to be read at a time: what it may send in a second; 0: as many as there are. */
size_t tarpit_portion(const struct session *s);
/* So many octets of a message came: the limits that are shared with others say when the session may go on. */
void tarpit_tell(struct session *s, uint64_t octets);
/* After octets came or left: waits for as long as the session's rate, and the limits that it shares with others, ask
 * for. Not beyond the deadline: IO_LATE then. What ended the wait else is said as a read would; false of `of_message`:
 * the session has ended with it. */
enum io tarpit_pace(struct session *s, int64_t deadline_ms, bool of_message) IO_MUST_USE;

#endif
