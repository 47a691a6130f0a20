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

struct house {
    struct scoreboard board;
    struct roster roster;
    /* A pipe, not an eventfd: flags are shared by all who hold an open file, and a worker that cleared O_NONBLOCK could
     * make the master's read wait for ever. A pipe has two ends, and each worker opens its own anew (spawn.c). */
    int wake_read, wake_write;
    /* Questions to the storekeeper: one socket pair for all storekeepers and workers that there will be; -1: not
     * open yet. What waits in it when one dies is the next one's. */
    int store_read, store_write;
    struct identity identity;
    worker_function *worker;
    housekeeper_function *housekeeper; /* NULL: there is none */
    storekeeper_function *storekeeper; /* .. */
    explainer_function *explainer;     /* NULL: nothing can be explained */
    struct sandbox *sandbox;           /* NULL: none */
    struct totals ended;               /* the scoreboard has a copy, for those who add up */
    uint64_t forked;                   /* workers */
    teller_function *teller;           /* NULL: nothing is told of the memory on disk */
};

bool house_open_store(struct house *house); /* the socket pair alone; false with errno */
/* Everything but identity and the functions. False with errno, and nothing is open. */
bool house_open(struct house *house, const struct scoreboard_size *size);
void house_close(struct house *house);
/* A worker ended here, who said this last: counted with those who have ended, and its slot cleared, in one. */
void house_clear_slot(struct house *house, int slot, const struct slot_facts *facts, bool crashed);
void house_drain_wake(struct house *house); /* forgets who called; bounded, never waits */

#endif
