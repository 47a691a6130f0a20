/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/must.h"
#include "common/phase.h"
#include "common/scoreboard.h"

enum { READ_TRIES = 64 };

_Static_assert(sizeof(struct slot_facts) % sizeof(uint64_t) == 0, "facts are copied by words");
_Static_assert(offsetof(struct slot, facts) % sizeof(uint64_t) == 0, "facts are copied by words");

/* -- the sequence lock: odd while facts change */

struct slot_facts *slot_begin(struct scoreboard *board)
{
    must(board->own != NULL);
    uint32_t sequence = atomic_load_explicit(&board->own->sequence, memory_order_relaxed);
    atomic_store_explicit(&board->own->sequence, sequence | 1u, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    return &board->own->facts;
}

void slot_end(struct scoreboard *board)
{
    must(board->own != NULL);
    uint32_t sequence = atomic_load_explicit(&board->own->sequence, memory_order_relaxed);
    atomic_store_explicit(&board->own->sequence, (sequence | 1u) + 1u, memory_order_release);
}

void slot_add_counts(struct scoreboard *board, const struct table_counts *counts)
{
    if ((counts->evictions | counts->damaged | counts->given_up) == 0)
        return;
    struct table_counts *all = &slot_begin(board)->tables;
    all->evictions += counts->evictions;
    all->damaged += counts->damaged;
    all->given_up += counts->given_up;
    slot_end(board);
}

/* Each word once, atomically: what was checked is what is used, however the worker writes meanwhile. */
static void copy_words(struct slot_facts *to, const struct slot_facts *from)
{
    const uint64_t *source = (const uint64_t *)(const void *)from;
    uint64_t words[sizeof(*to) / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        words[i] = __atomic_load_n(&source[i], __ATOMIC_RELAXED);
    memcpy(to, words, sizeof(words));
}

/* A rumour becomes something that can be shown: numbers in their range, text that is printable and ends. */
static void clamp_facts(struct slot_facts *facts)
{
    if (facts->state >= SLOT_STATES)
        facts->state = SLOT_EMPTY;
    if (facts->phase >= PHASES)
        facts->phase = PHASE_GREETING;
    facts->tls = facts->tls != 0;
    facts->held = facts->held != 0;
    if (facts->standing >= STANDINGS)
        facts->standing = STANDING_UNKNOWN;
    if (facts->client.family != 4 && facts->client.family != 6)
        facts->client = (struct ipaddr){0};
    facts->session_id[SLOT_SESSION_ID_MAX - 1] = '\0';
    for (char *c = facts->session_id; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~')
            *c = '?';
}

bool slot_read(const struct scoreboard *board, int slot, struct slot_facts *out)
{
    must(slot >= 0 && slot < board->slot_count && board->slots != NULL);
    const struct slot *from = (const struct slot *)(const void *)(board->slots + (size_t)slot * SLOT_BYTES);
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&from->sequence, memory_order_acquire);
        copy_words(out, &from->facts);
        atomic_thread_fence(memory_order_acquire);
        uint32_t after = atomic_load_explicit(&from->sequence, memory_order_relaxed);
        if (before == after && before % 2 == 0) {
            clamp_facts(out);
            return true;
        }
    }
    *out = (struct slot_facts){0};
    return false;
}
