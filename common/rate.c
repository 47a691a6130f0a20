/* SPDX-License-Identifier: ISC */
#include "common/rate.h"

/* Workers do not read the clock in the moment in which they use it. */
enum { SLACK_MS = 1000 };
#define BURST_MAX_MS (2 * RATE_WINDOW_MAX_MS)
#define HALF_WAY     (UINT64_C(1) << (TABLE_VALUE_BITS - 1))

_Static_assert((2 * BURST_MAX_MS + SLACK_MS) * RATE_TICKS_PER_MS < (int64_t)HALF_WAY, "ahead and behind stay apart");

static uint64_t ticks(int64_t ms)
{
    return (uint64_t)ms * RATE_TICKS_PER_MS;
}

static unsigned __int128 product(int64_t a, int64_t b)
{
    return (unsigned __int128)a * (uint64_t)b;
}

bool rate_is_sane(const struct rate *rate)
{
    return rate->count >= 1 && rate->count <= RATE_COUNT_MAX && rate->window_ms >= 1 &&
           rate->window_ms <= RATE_WINDOW_MAX_MS && rate->burst >= 1 && rate->burst <= RATE_COUNT_MAX &&
           product(rate->burst, rate->window_ms) <= product(BURST_MAX_MS, rate->count) && rate->excess_ms >= 0 &&
           rate->excess_ms <= BURST_MAX_MS;
}

/* How long so many take; never nothing, or what comes in very small pieces would be free. Otherwise rounded down: ten
 * single ones must not cost more than a burst of ten. */
static uint64_t time_of(const struct rate *rate, uint64_t amount, uint64_t most)
{
    unsigned __int128 time = (unsigned __int128)amount * (uint64_t)rate->window_ms * RATE_TICKS_PER_MS;
    time /= (uint64_t)rate->count;
    return time > most ? most : time > 0 ? (uint64_t)time : 1;
}

/* How far ahead a stamp may lie. */
static uint64_t most_ahead(const struct rate *rate, uint64_t burst)
{
    uint64_t excess = ticks(rate->excess_ms);
    return burst + (excess > burst ? excess : burst);
}

/* 0: not at all. Of 2^40 ticks one half is ahead, the other one behind. */
static uint64_t ahead_of(int64_t now_ms, uint64_t stamp)
{
    uint64_t ahead = (stamp - ticks(now_ms)) & TABLE_VALUE_MASK;
    return stamp != 0 && ahead < HALF_WAY ? ahead : 0;
}

/* Where it would be 0, which says that there is none, it is a tick less. */
static uint64_t stamp_at(int64_t now_ms, uint64_t ahead)
{
    uint64_t stamp = (ticks(now_ms) + ahead) & TABLE_VALUE_MASK;
    return ahead == 0 ? 0 : stamp != 0 ? stamp : TABLE_VALUE_MASK;
}

static uint64_t charge(uint64_t ahead, uint64_t cost, uint64_t most)
{
    uint64_t after = ahead + cost < most ? ahead + cost : most;
    return after > ahead ? after : ahead;
}

static int64_t ms_rounded_up(uint64_t in_ticks)
{
    return (int64_t)((in_ticks + RATE_TICKS_PER_MS - 1) / RATE_TICKS_PER_MS);
}

struct rate_answer rate_reckon(const struct rate *rate, uint64_t stamp, int64_t now_ms, enum rate_way way,
                               uint64_t amount)
{
    uint64_t burst = time_of(rate, (uint64_t)rate->burst, ticks(BURST_MAX_MS)), most = most_ahead(rate, burst);
    uint64_t ahead = ahead_of(now_ms, stamp), cost = time_of(rate, amount > 0 ? amount : 1, most),
             room = cost < burst ? burst - cost : 0;
    struct rate_answer answer = {.damaged = ahead > most + ticks(SLACK_MS)};
    if (answer.damaged)
        ahead = 0;
    answer.allowed = ahead <= room || way == RATE_RETURN;
    answer.wait_ms = answer.allowed ? 0 : ms_rounded_up(ahead - room);
    if (amount > 0 && (way == RATE_ADD || (way == RATE_TAKE && answer.allowed)))
        ahead = charge(ahead, cost, most);
    else if (amount > 0 && way == RATE_RETURN)
        ahead = ahead > cost ? ahead - cost : 0;
    answer.stamp = stamp_at(now_ms, ahead);
    return answer;
}

/* -- in a table */

struct question {
    const struct rate *rate;
    int64_t now_ms;
    enum rate_way way;
    uint64_t amount;
    struct rate_answer answer;
};

/* Whose limit it is does not stand there: what no limit could say is nothing. */
static uint64_t rank(uint64_t stamp, const void *context)
{
    const struct question *question = context;
    uint64_t ahead = ahead_of(question->now_ms, stamp);
    return ahead <= ticks(2 * BURST_MAX_MS + SLACK_MS) ? ahead : 0;
}

static uint64_t change(uint64_t stamp, void *context)
{
    struct question *q = context;
    q->answer = rate_reckon(q->rate, stamp, q->now_ms, q->way, q->amount);
    return q->answer.stamp;
}

static const struct table_kind STAMPS = {rank, change};

struct rate_answer rate_ask(const struct table *table, uint64_t hash, const struct rate *rate, int64_t now_ms,
                            enum rate_way way, uint64_t amount, struct table_counts *counts)
{
    struct question question = {.rate = rate, .now_ms = now_ms, .way = way, .amount = amount};
    table_update(table, hash, &STAMPS, &question, counts);
    counts->damaged += question.answer.damaged;
    return question.answer;
}

struct rate_answer rate_look(const struct table *table, uint64_t hash, const struct rate *rate, int64_t now_ms,
                             uint64_t amount)
{
    return rate_reckon(rate, table_find(table, hash), now_ms, RATE_LOOK, amount);
}

int64_t rate_charged(const struct table *table, uint64_t hash, const struct rate *rate, int64_t now_ms)
{
    uint64_t most = ticks(BURST_MAX_MS), burst = time_of(rate, (uint64_t)rate->burst, most);
    uint64_t ahead = rank(table_find(table, hash), &(struct question){.now_ms = now_ms});
    if (ahead > most_ahead(rate, burst) + ticks(SLACK_MS))
        return 0; /* damage, as in rate_reckon */
    return (int64_t)(((unsigned __int128)ahead * (uint64_t)rate->count + ticks(rate->window_ms) - 1) /
                     ticks(rate->window_ms));
}

int64_t rate_paid_after_ms(const struct table *table, uint64_t hash, int64_t now_ms)
{
    return ms_rounded_up(rank(table_find(table, hash), &(struct question){.now_ms = now_ms}));
}

uint64_t rate_tidy(const struct table *table, int64_t now_ms)
{
    return table_tidy(table, &STAMPS, &(struct question){.now_ms = now_ms});
}
