/* SPDX-License-Identifier: ISC
 *
 * rate - so many in so long, as the generic cell rate algorithm counts it: one time stamp for each key.
 *
 * The stamp says until when all that was charged is paid for: each unit moves it on by window / count. It may lie ahead
 * of now by burst units; what would move it farther is refused, and costs nothing. So `30/1m, burst 10` allows ten at
 * once and thirty a minute. The first half is pure arithmetic on stamps, the second keeps them in a table.
 *
 * A stamp is in ticks of 1/16 ms of clock_ms(), modulo 2^40 (two years), never 0. One that lies ahead by more than
 * twice the burst's time (or the burst's and excess_ms, where that is more; and a second, since clocks are not read at
 * the same moment) is damage, or of a limit that was larger once: it is taken for none, and counted. A charge is in
 * whole ticks, rounded down, one at least: right to one part in window / count ticks.
 */
#ifndef POSTERN_COMMON_RATE_H
#define POSTERN_COMMON_RATE_H

#include "common/table.h"

enum { RATE_TICKS_PER_MS = 16 };
#define RATE_COUNT_MAX     INT64_C(1000000000000)
#define RATE_WINDOW_MAX_MS (INT64_C(31) * 24 * 60 * 60 * 1000)

struct rate {
    int64_t count;     /* 1.. so many */
    int64_t window_ms; /* 1.. in so long */
    int64_t burst;     /* 1.. as count; the time of it (burst * window / count) is at most 62 days */
    int64_t excess_ms; /* 0.. so far beyond the burst's time a charge may reach, where it is more than that time again:
                          where many wait for their turn at once it has to be as long as the longest of them waits */
};

bool rate_is_sane(const struct rate *rate); /* within the bounds above */

enum rate_way {
    RATE_LOOK,  /* would it be allowed? Nothing is charged */
    RATE_TAKE,  /* charged when it is allowed */
    RATE_ADD,   /* charged in any case (it has happened), up to twice the burst's time ahead, or to excess_ms */
    RATE_RETURN /* what was charged is given back; always allowed */
};

struct rate_answer {
    bool allowed;
    int64_t wait_ms; /* until it would be allowed; 0 when it is. When more is asked for than the burst: until the stamp
                        is now, since then it is let pass */
    uint64_t stamp;  /* the new one; 0: none is needed, all is paid for */
    bool damaged;
};

/* `stamp` 0: none. `amount` 0 asks whether anything at all would be allowed. */
struct rate_answer rate_reckon(const struct rate *rate, uint64_t stamp, int64_t now_ms, enum rate_way way,
                               uint64_t amount);

/* The same on the entry with this hash. A change that was given up (table.h) is answered as if it had been made. */
struct rate_answer rate_ask(const struct table *table, uint64_t hash, const struct rate *rate, int64_t now_ms,
                            enum rate_way way, uint64_t amount, struct table_counts *counts);

/* RATE_LOOK by who may not write there: nothing that has gone stale is tidied up either. */
struct rate_answer rate_look(const struct table *table, uint64_t hash, const struct rate *rate, int64_t now_ms,
                             uint64_t amount);
/* How many of what was charged to this entry are not paid for yet, rounded up; perhaps more than its burst. */
int64_t rate_charged(const struct table *table, uint64_t hash, const struct rate *rate, int64_t now_ms);

/* For listings: how long until all that was charged to this entry is paid for; 0: nothing is. */
int64_t rate_paid_after_ms(const struct table *table, uint64_t hash, int64_t now_ms);

/* table_tidy: how many stamps lie ahead. */
uint64_t rate_tidy(const struct table *table, int64_t now_ms);

#endif
