/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "common/history.h"

enum { READ_TRIES = 16, WORDS = sizeof(struct history_minute) / sizeof(uint64_t) };

_Static_assert(sizeof(struct history_minute) % sizeof(uint64_t) == 0, "a minute is copied by words");
_Static_assert(offsetof(struct history_row, minute) % sizeof(uint64_t) == 0, "a minute is copied by words");

static const char *const NAMES[HISTORY_VALUES] = {
    [HISTORY_SESSIONS] = "sessions",
    [HISTORY_MESSAGES] = "messages",
    [HISTORY_REFUSED_MESSAGES] = "refused_messages",
    [HISTORY_BYTES_IN] = "bytes_in",
    [HISTORY_HELD_SESSIONS] = "held_sessions",
    [HISTORY_TURNED_AWAY] = "turned_away",
    [HISTORY_LIMITED] = "limited",
    [HISTORY_LET_GO] = "let_go",
    [HISTORY_CRASHED] = "crashed",
    [HISTORY_BUSY] = "busy",
    [HISTORY_BUSY_MOST] = "busy_most",
    [HISTORY_HELD] = "held",
    [HISTORY_HELD_MOST] = "held_most",
    [HISTORY_WORKERS] = "workers",
};

const char *history_value_name(enum history_value value)
{
    return NAMES[value];
}

static size_t place_of(int64_t number)
{
    return (size_t)((uint64_t)number % HISTORY_MINUTES);
}

/* Whoever died in the middle left an odd sequence: it stays odd for as long as this takes, and ends even. */
void history_write(struct history *history, const struct history_minute *minute)
{
    struct history_row *row = &history->rows[place_of(minute->number)];
    uint64_t *to = (uint64_t *)(void *)&row->minute;
    uint64_t words[WORDS];
    uint32_t sequence = atomic_load_explicit(&row->sequence, memory_order_relaxed) | 1u;
    memcpy(words, minute, sizeof(words));
    atomic_store_explicit(&row->sequence, sequence, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < WORDS; i++)
        __atomic_store_n(&to[i], words[i], __ATOMIC_RELAXED);
    atomic_store_explicit(&row->sequence, sequence + 1u, memory_order_release);
}

static bool copy_row(const struct history_row *row, struct history_minute *out)
{
    const uint64_t *from = (const uint64_t *)(const void *)&row->minute;
    uint64_t words[WORDS];
    uint32_t before = atomic_load_explicit(&row->sequence, memory_order_acquire);
    for (size_t i = 0; i < WORDS; i++)
        words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    atomic_thread_fence(memory_order_acquire);
    memcpy(out, words, sizeof(words));
    return before % 2 == 0 && before == atomic_load_explicit(&row->sequence, memory_order_relaxed);
}

bool history_read(const struct history *history, int64_t number, struct history_minute *out)
{
    bool whole = false;
    for (int i = 0; i < READ_TRIES && !whole; i++)
        whole = copy_row(&history->rows[place_of(number)], out);
    for (int i = 0; i < HISTORY_VALUES; i++)
        if (out->values[i] > HISTORY_MOST)
            out->values[i] = HISTORY_MOST;
    return whole && number > 0 && out->number == number;
}
