/* SPDX-License-Identifier: ISC
 *
 * pool - how many workers a listener should have: pure arithmetic over numbers and a clock that the caller reads.
 *
 * While spares are missing it asks for 1, 2, 4 .. workers, milliseconds apart. When forks fail or workers die young it
 * waits, 250 ms at first, twice as long after each failed trial, a minute at most; then one worker is the trial, and
 * only its survival opens the tap again. What is idle or starting is rumour (L7): it is clamped to what is alive, so
 * that a lie costs one wrong step of bounded size.
 */
#ifndef POSTERN_DAEMON_POOL_H
#define POSTERN_DAEMON_POOL_H

#include "common/config.h"

enum {
    POOL_STEP_MS = 2,    /* between two batches while spares are missing */
    POOL_BATCH_MAX = 32, /* forks in one step */
    POOL_TICK_MS =
        1000, /* between two looks at a pool that nobody complains about, and between two batches of tickets */
    POOL_YOUNG_MS = 1000, /* a worker that dies before that died young */
    POOL_PAUSE_MS = 100,  /* between two forks while workers die that nobody asked to */
    POOL_BACKOFF_MIN_MS = 250,
    POOL_BACKOFF_MAX_MS = 60000
};

struct pool_options {
    int64_t min_spare, max_spare, max_workers;
};

extern const struct option pool_option_rows[]; /* fills struct pool_options */

/* The cross check, for the check of a block that has these options in it. */
bool pool_check_options(struct config *config, const void *block, const struct pool_options *options);

int pool_min_spare(const struct pool_options *options); /* a small max_workers bounds the default */

/* What is remembered between two looks; zero is a good beginning. */
struct pool_pace {
    int batch;              /* of the next step: 1, 2, 4 ..; 0 is 1 */
    int64_t spawned_ms;     /* when the last batch was asked for */
    int64_t not_before_ms;  /* no fork earlier */
    int64_t leave_after_ms; /* no ticket earlier */
    int64_t backoff_ms;     /* 0: all is well */
    int64_t trial_ms;       /* while backing off: when the one worker on trial was made; 0: not yet */
    int failures;           /* in a row: failed forks and young deaths */
};

struct pool_view {
    int alive;          /* from the master's own table */
    int idle, starting; /* from the scoreboard */
    int64_t now_ms;
};

struct pool_step {
    int spawn;
    int leave;       /* tickets to write */
    bool missing;    /* spares are, whether or not there is room: tickets not yet taken are void */
    bool full;       /* the next client is turned away: at most one is idle, and max_workers is reached */
    int64_t look_ms; /* look again at the latest then */
};

struct pool_step pool_decide(const struct pool_options *options, struct pool_pace *pace, const struct pool_view *view);

enum pool_loss {
    POOL_LOSS_NONE,   /* it was told to leave, or served its share */
    POOL_LOSS_CRASH,  /* bad when young */
    POOL_LOSS_REFUSAL /* it could not be made or set up: always bad */
};

void pool_lost(struct pool_pace *pace, enum pool_loss loss, int64_t lived_ms, int64_t now_ms);

#endif
