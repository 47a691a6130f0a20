/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "common/scoreboard.h"
#include "common/totals.h"

enum { WORDS = sizeof(struct totals) / sizeof(uint64_t) };

_Static_assert(sizeof(struct totals) % sizeof(uint64_t) == 0, "totals are copied by words");
_Static_assert(offsetof(struct totals_ended, totals) % sizeof(uint64_t) == 0, "totals are copied by words");

void totals_add(struct totals *totals, const struct slot_facts *facts)
{
    totals->sessions += facts->sessions;
    totals->messages += facts->messages;
    totals->refused_messages += facts->refused_messages;
    totals->bytes_in += facts->bytes_in;
    totals->unheard += facts->unheard;
    totals->held_sessions += facts->held_sessions;
    totals->held_ms += facts->held_ms;
    totals->let_go += facts->let_go;
    totals->limited += facts->limited;
    totals->turned_away += facts->turned_away;
    totals->inside_waits += facts->inside_waits;
    totals->inside_wait_ms += facts->inside_wait_ms;
    totals->evictions += facts->tables.evictions;
    totals->damaged += facts->tables.damaged;
    totals->given_up += facts->tables.given_up;
    totals->log_dropped += facts->log_dropped;
}

void totals_begin_change(struct totals_ended *ended)
{
    uint32_t sequence = atomic_load_explicit(&ended->sequence, memory_order_relaxed);
    atomic_store_explicit(&ended->sequence, sequence | 1u, memory_order_relaxed);
    atomic_thread_fence(memory_order_seq_cst);
}

void totals_end_change(struct totals_ended *ended, const struct totals *totals)
{
    uint64_t *to = (uint64_t *)(void *)&ended->totals;
    uint64_t words[WORDS];
    memcpy(words, totals, sizeof(words));
    for (size_t i = 0; i < WORDS; i++)
        __atomic_store_n(&to[i], words[i], __ATOMIC_RELAXED);
    uint32_t sequence = atomic_load_explicit(&ended->sequence, memory_order_relaxed);
    atomic_store_explicit(&ended->sequence, (sequence | 1u) + 1u, memory_order_release);
}

bool totals_read(const struct totals_ended *ended, struct totals *out, uint32_t *sequence_out)
{
    const uint64_t *from = (const uint64_t *)(const void *)&ended->totals;
    uint64_t words[WORDS];
    *sequence_out = atomic_load_explicit(&ended->sequence, memory_order_acquire);
    for (size_t i = 0; i < WORDS; i++)
        words[i] = __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    memcpy(out, words, sizeof(words));
    return *sequence_out % 2 == 0 && totals_holds(ended, *sequence_out);
}

bool totals_holds(const struct totals_ended *ended, uint32_t sequence)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&ended->sequence, memory_order_relaxed) == sequence;
}
