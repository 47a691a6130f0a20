/* SPDX-License-Identifier: ISC
 *
 * house - what the master owns for its workers, whatever their generation: scoreboard, roster, the wake pipe, and who
 * they are.
 */
#ifndef POSTERN_DAEMON_HOUSE_H
#define POSTERN_DAEMON_HOUSE_H

#include "common/scoreboard.h"
#include "common/worker_setup.h"

#include "daemon/privilege.h"
#include "daemon/roster.h"

/* What workers that have ended said of themselves: rumour, for display. */
struct house_totals {
    uint64_t sessions, messages, refused_messages, bytes_in, unheard;
    uint64_t held_sessions, held_ms, let_go, limited; /* slot_facts says what they are */
    uint64_t evictions, damaged, given_up;            /* of the tables */
};

struct house {
    struct scoreboard board;
    struct roster roster;
    /* A pipe, not an eventfd: flags are shared by all who hold an open file, and a worker that cleared O_NONBLOCK could
     * make the master's read wait for ever. A pipe has two ends, and each worker opens its own anew (spawn.c). */
    int wake_read, wake_write;
    struct identity identity;
    worker_function *worker;
    struct house_totals ended;
};

/* Everything but identity and worker. False with errno, and nothing is open. */
bool house_open(struct house *house, const struct scoreboard_size *size);
void house_close(struct house *house);
void house_add_totals(struct house_totals *totals, const struct slot_facts *facts);
void house_drain_wake(struct house *house); /* forgets who called; bounded, never waits */

#endif
