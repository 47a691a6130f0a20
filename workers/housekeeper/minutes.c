/* SPDX-License-Identifier: ISC */
#include "common/clock.h"

#include "workers/housekeeper/minutes.h"

/* How long a minute that is over waits for a sum that holds. */
enum { US_PER_MS = 1000, MINUTE_MS = HISTORY_MINUTE_S * 1000, PATIENCE_MS = 5000, AGAIN_MS = 50 };

static int slots_end(const struct scoreboard *board)
{
    return orders_slots_end(board->orders, board->slot_count);
}

/* -- counts */

/* False: one of them could not be read. */
static bool add_living(const struct scoreboard *board, struct totals *sum)
{
    bool all = true;
    struct slot_facts facts;
    int end = slots_end(board);
    for (int slot = 0; slot < end; slot++) {
        if (atomic_load_explicit(&board->tags[slot], memory_order_relaxed) == TAG_NONE)
            continue;
        all &= slot_read(board, slot, &facts);
        totals_add(sum, &facts); /* unreadable: all zero */
    }
    return all;
}

/* One that had to wait for the processor while it wrote is read a little later; one that never stops writing is left
 * out by who is patient no more. */
static bool add_up(const struct scoreboard *board, bool patient, struct totals *sum)
{
    uint32_t sequence;
    for (int i = 0; i < TOTALS_TRIES; i++) {
        if (!totals_read(board->ended, sum, &sequence))
            continue;
        bool all = add_living(board, sum);
        if (!all && patient)
            return false;
        if (totals_holds(board->ended, sequence))
            return true;
    }
    return false;
}

/* Sums wrap; one that shrank is a lie that is not told any more. */
static uint64_t more(uint64_t now, uint64_t before)
{
    uint64_t difference = now - before;
    return difference <= HISTORY_MOST ? difference : 0;
}

static void count(struct history_minute *minute, const struct totals *now, const struct totals *before)
{
    uint64_t *values = minute->values;
    values[HISTORY_SESSIONS] = more(now->sessions, before->sessions);
    values[HISTORY_MESSAGES] = more(now->messages, before->messages);
    values[HISTORY_REFUSED_MESSAGES] = more(now->refused_messages, before->refused_messages);
    values[HISTORY_BYTES_IN] = more(now->bytes_in, before->bytes_in);
    values[HISTORY_HELD_SESSIONS] = more(now->held_sessions, before->held_sessions);
    values[HISTORY_TURNED_AWAY] = more(now->turned_away, before->turned_away);
    values[HISTORY_LIMITED] = more(now->limited, before->limited);
    values[HISTORY_LET_GO] = more(now->let_go, before->let_go);
    values[HISTORY_CRASHED] = more(now->crashed, before->crashed);
}

/* -- the minute under way */

static uint64_t busy_of(const struct tag_count *tags)
{
    return (uint64_t)(tags->alive - tags->idle - tags->starting);
}

static void note_most(struct history *history, const struct tag_count *tags)
{
    if (busy_of(tags) > history->now.busy_most)
        history->now.busy_most = busy_of(tags);
    if ((uint64_t)tags->held > history->now.held_most)
        history->now.held_most = (uint64_t)tags->held;
}

static void write_down(const struct scoreboard *board, const struct tag_count *tags, const struct totals *sum)
{
    struct history *history = board->history;
    struct history_minute minute = {.number = history->now.number};
    if (sum != NULL) {
        count(&minute, sum, &history->now.before);
        history->now.before = *sum;
    }
    minute.values[HISTORY_BUSY] = busy_of(tags);
    minute.values[HISTORY_BUSY_MOST] = history->now.busy_most;
    minute.values[HISTORY_HELD] = (uint64_t)tags->held;
    minute.values[HISTORY_HELD_MOST] = history->now.held_most;
    minute.values[HISTORY_WORKERS] = (uint64_t)tags->alive;
    history_write(history, &minute);
}

static void begin(struct history *history, int64_t number, const struct tag_count *tags)
{
    history->now.number = number;
    history->now.busy_most = history->now.held_most = 0;
    note_most(history, tags);
}

/* The first there ever was counts from here on: a master that took another one's place has its totals, too. False: not
 * now. */
static bool begin_first(const struct scoreboard *board, int64_t number, bool patient, const struct tag_count *tags)
{
    struct totals sum;
    if (!add_up(board, patient, &sum))
        return false;
    board->history->now.before = sum;
    begin(board->history, number, tags);
    return true;
}

/* .. and the next one begins. */
static bool end_minute(const struct scoreboard *board, int64_t next, bool patient, const struct tag_count *tags)
{
    struct totals sum;
    bool added = add_up(board, patient, &sum);
    if (!added && patient)
        return false;
    write_down(board, tags, added ? &sum : NULL);
    begin(board->history, next, tags);
    return true;
}

int64_t minutes_step(const struct scoreboard *board, int64_t now_ms)
{
    struct tag_count tags = scoreboard_count(board, 0, slots_end(board));
    int64_t wall_ms = clock_wall_us() / US_PER_MS, in_ms = wall_ms % MINUTE_MS;
    int64_t number = board->history->now.number, now = wall_ms / MINUTE_MS;
    bool done = true, patient = in_ms < PATIENCE_MS;
    note_most(board->history, &tags);
    if (number <= 0)
        done = begin_first(board, now, patient, &tags);
    else if (number != now)
        done = end_minute(board, now, patient, &tags);
    if (!done)
        return now_ms + AGAIN_MS;
    return now_ms + (MINUTE_MS - in_ms < MINUTES_LOOK_MS ? MINUTE_MS - in_ms : MINUTES_LOOK_MS);
}
