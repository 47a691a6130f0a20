/* SPDX-License-Identifier: ISC
 *
 * household - the housekeeper as a process of the master's: made, replaced when it dies, changed with the plan.
 *
 * There are never two: the old one leaves at the end of its lifeline, is killed when it does not, and has been waited
 * for before the next is forked. One that dies is replaced after a while, longer each time, until one has lived for
 * long.
 */
#ifndef POSTERN_DAEMON_HOUSEHOLD_H
#define POSTERN_DAEMON_HOUSEHOLD_H

#include "daemon/house.h"
#include "daemon/plan.h"

enum {
    HOUSEHOLD_LEAVE_MS = 2000,
    HOUSEHOLD_BACKOFF_MIN_MS = 250,
    HOUSEHOLD_BACKOFF_MAX_MS = 60000,
    HOUSEHOLD_OLD_MS = 10000 /* who lived for so long did not die of how it was made */
};

struct household {
    housekeeper_function *function; /* NULL: none is wanted */
    struct house *house;
    const struct plan *plan; /* of the next one; NULL: there shall be none */
    uint32_t generation;
    pid_t pid; /* 0: none */
    bool leaving;
    int lifeline;            /* writing end, -1: closed */
    int ask_read, ask_write; /* one pipe for all that there will be */
    int64_t started_ms;
    int64_t kill_ms;       /* CLOCK_NEVER: not leaving */
    int64_t not_before_ms; /* no fork earlier */
    int64_t backoff_ms;
    int restarts;
};

bool household_open(struct household *household, struct house *house, housekeeper_function *function);
void household_close(struct household *household);

/* The one there is leaves; the next one works by this plan. NULL: no next one. */
void household_change(struct household *household, const struct plan *plan, uint32_t generation, int64_t now_ms);
/* Forks, or kills. When to look again at the latest. */
int64_t household_look(struct household *household, int64_t now_ms);
void household_kill(struct household *household);
bool household_reaped(struct household *household, pid_t pid, int status, int64_t now_ms); /* was it ours? */
bool household_has_asked(const struct household *household);                               /* forgets it; never waits */

#endif
