/* SPDX-License-Identifier: ISC
 *
 * totals - what was done since the start: sums over the workers that have ended, in a region of the scoreboard that the
 * master alone writes, and over those that live, in their slots.
 *
 * When a worker has ended, its slot's counts go over into the region and the slot is cleared. Both are one change: who
 * adds up the region and the slots while it is made begins again (totals_read, totals_holds), or a thousand messages
 * would be missed for a moment, or counted twice. What workers say is rumour; sums wrap, so that a lie spoils the
 * differences to come only for as long as it is told.
 */
#ifndef POSTERN_COMMON_TOTALS_H
#define POSTERN_COMMON_TOTALS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct slot_facts;

struct totals {
    /* by the workers' own accounts; slot_facts says what they are */
    uint64_t sessions, messages, refused_messages, bytes_in, unheard;
    uint64_t held_sessions, held_ms, let_go, limited, turned_away;
    uint64_t inside_waits, inside_wait_ms;
    uint64_t evictions, damaged, given_up; /* of the tables */
    uint64_t log_dropped;
    uint64_t crashed; /* workers, by the master's */
};

/* The region. */
struct totals_ended {
    _Atomic uint32_t sequence; /* odd while the master changes it, or takes a slot's counts over */
    struct totals totals;
};

void totals_add(struct totals *totals, const struct slot_facts *facts);

/* The master: around the change of a slot and of what it counts itself. */
void totals_begin_change(struct totals_ended *ended);
void totals_end_change(struct totals_ended *ended, const struct totals *totals); /* by itself: these are the totals */

/* Whoever adds up: read, add the slots, and ask whether it still holds. False from both: not now; TOTALS_TRIES are
 * enough, or workers end faster than anybody can add. */
enum { TOTALS_TRIES = 16 };
bool totals_read(const struct totals_ended *ended, struct totals *out, uint32_t *sequence_out);
bool totals_holds(const struct totals_ended *ended, uint32_t sequence);

#endif
