/* SPDX-License-Identifier: ISC
 *
 * generation - the workers that were forked from one configuration: a crew for each listener.
 *
 * A crew's lifeline is a pipe. A byte in it is one leave ticket, taken by whichever of its workers waits idle, or the
 * wish that they look for a client; closing the writing end tells them all to leave. One for each crew, not for the
 * whole generation: a ticket must not be taken by another listener's worker. A crew's slots are a range of the
 * scoreboard that no other generation uses as long as this one may fork.
 */
#ifndef POSTERN_DAEMON_GENERATION_H
#define POSTERN_DAEMON_GENERATION_H

#include "daemon/house.h"
#include "daemon/listen.h"
#include "daemon/pool.h"

struct plan;

/* What the configuration says about a listener. */
struct listener_plan {
    const char *name;
    const struct listen_options *listen;
    const struct pool_options *pool;
    const void *service; /* handed to the workers, not looked into */
};

struct crew {
    const struct listener_plan *plan;
    const struct listen_set *listeners;
    int first_slot; /* its slots are [first_slot, first_slot + max_workers) */
    int lifeline_read, lifeline_write;
    int pressure_read, pressure_write; /* never the master's business, but that the pipe is there (worker_setup.h) */
    struct pool_pace pace;
    bool is_to_look; /* a worker died: a connection may wait that had woken it alone */
    int64_t look_ms;
    int64_t full_quiet_until_ms; /* that it is full is not said again before */
    int lost;                    /* listeners that were shut down for good; that was said */
};

struct generation {
    uint32_t number;
    struct plan *plan; /* lives as long as the generation; succession.h drops it */
    bool adopted;      /* of the program that was here before: no planner's plan (adopted.h) */
    struct crew *crews;
    struct listen_set *sets; /* one for each crew; all empty after generation_shut */
    int count;
    bool dismissed;
    int64_t cut_ms; /* when its workers get the next signal; CLOCK_NEVER: no time was set, or all were sent */
    int cut_signal; /* .. which one */
};

/* All that workers will be forked from; no worker yet: generation_look makes them. `before` is the present one, whose
 * sockets are taken over and whose slots are left alone; NULL at the start. False with why, and nothing has changed. */
bool generation_open(struct generation *generation, uint32_t number, struct plan *plan, const struct generation *before,
                     const struct house *house, char *why, size_t why_size);

/* Forks who is missing and writes leave tickets for who is too many, each crew when its time has come; all of them now
 * after a `wake`. Returns when to look again at the latest. */
int64_t generation_look(struct generation *generation, struct house *house, bool wake, int64_t now_ms);

bool generation_has_workers(const struct generation *generation, const struct house *house); /* in each crew */
/* Has one of each crew come up? By what they say themselves: rumour. */
bool generation_is_up(const struct generation *generation, const struct house *house);
/* Does one of its workers wait for a client, or will soon? Rumour. */
bool generation_waits(const struct generation *generation, const struct house *house);

/* A worker may have shut a listener down, as any who holds a copy can. Not while stopping. True: some can only be bound
 * anew, by a next generation. */
bool generation_restore_listeners(struct generation *generation);

void generation_dismiss(struct generation *generation); /* all leave, when idle */
/* After that: its listeners are closed, and nobody is let in any more but where `after` (may be NULL) listens, too. */
void generation_shut(struct generation *generation, const struct generation *after);
void generation_close(struct generation *generation);

#endif
