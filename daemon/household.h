/* SPDX-License-Identifier: ISC
 *
 * household - the housekeeper, or the storekeeper, as a process of the master's: made, replaced when it dies, changed
 * with the plan.
 *
 * There are never two of a kind: the old one leaves at the end of its lifeline, is killed when it does not, and has
 * been waited for before the next is forked. One that dies is replaced after a while, longer each time, until one has
 * lived for long.
 */
#ifndef POSTERN_DAEMON_HOUSEHOLD_H
#define POSTERN_DAEMON_HOUSEHOLD_H

#include "daemon/house.h"
#include "daemon/plan.h"

enum {
    HOUSEHOLD_LEAVE_MS = 2000,
    HOUSEHOLD_LEAVE_STORE_MS = 10000, /* it writes down what it was told, and disks can be slow */
    HOUSEHOLD_BACKOFF_MIN_MS = 250,
    HOUSEHOLD_BACKOFF_MAX_MS = 60000,
    HOUSEHOLD_OLD_MS = 10000 /* who lived for so long did not die of how it was made */
};

struct household;

/* Which of them it is. */
struct household_kind {
    const char *name; /* for the log: event=NAME-crashed */
    int64_t leave_ms;
    bool asks;                                                       /* has a pipe, by which it asks for a renewal */
    bool (*is_wanted)(const struct household *household);            /* by its plan, which there is */
    pid_t (*spawn)(const struct household *household, int lifeline); /* -1 with errno */
    void (*ended)(struct household *household);                      /* what it left on the scoreboard; NULL: nothing */
};
extern const struct household_kind household_housekeeper, household_storekeeper;

struct household {
    const struct household_kind *kind;
    struct house *house;
    const struct plan *plan; /* of the next one; NULL: there shall be none */
    uint32_t generation;
    pid_t pid; /* 0: none */
    bool leaving;
    int lifeline;            /* writing end, -1: closed */
    int ask_read, ask_write; /* one pipe for all that there will be; -1: it asks nothing */
    int64_t started_ms;
    int64_t kill_ms;       /* CLOCK_NEVER: not leaving */
    int64_t not_before_ms; /* no fork earlier */
    int64_t backoff_ms;
    int restarts;
    int last_status; /* of waitpid, of the last one where that crashed; 0: it did not */
};

bool household_open(struct household *household, struct house *house, const struct household_kind *kind);
void household_close(struct household *household);

/* The one there is leaves; the next one works by this plan. NULL: no next one. */
void household_change(struct household *household, const struct plan *plan, uint32_t generation, int64_t now_ms);
/* Forks, or kills. When to look again at the latest. */
int64_t household_look(struct household *household, int64_t now_ms);
void household_kill(struct household *household);
bool household_reaped(struct household *household, pid_t pid, int status, int64_t now_ms); /* was it ours? */
bool household_has_asked(const struct household *household);                               /* forgets it; never waits */

#endif
