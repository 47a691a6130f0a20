/* SPDX-License-Identifier: ISC */
#include <sched.h>
#include <string.h>

#include "common/hits.h"
#include "common/slice.h"

enum { READ_TRIES = 16, TAKE_TRIES = 16, ROW_WAYS = 4, TALLY_WAYS = 8 };

#define COUNT_BITS 40
#define COUNT_MASK ((UINT64_C(1) << COUNT_BITS) - 1)

_Static_assert(sizeof(struct hit) % sizeof(uint64_t) == 0, "a hit is copied by words");
_Static_assert(HITS_ROWS % ROW_WAYS == 0 && HITS_TALLIES % TALLY_WAYS == 0, "sets do not overlap");

/* -- what is in memory, made fit to be used: copied once, text that is printable and ends */

static void clean(char *text, size_t size)
{
    size_t used = 0;
    for (; used < size - 1 && text[used] != '\0'; used++)
        if (text[used] < ' ' || text[used] > '~')
            text[used] = '?';
    memset(text + used, 0, size - used);
}

static int64_t no_less_than_0(int64_t number)
{
    return number > 0 ? number : 0;
}

/* Each word once, atomically: what was cleaned is what is used, however workers write meanwhile. */
static void copy(struct hit *to, const struct hit *from)
{
    const uint64_t *source = (const uint64_t *)(const void *)from;
    uint64_t words[sizeof(*to) / sizeof(uint64_t)];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        words[i] = __atomic_load_n(&source[i], __ATOMIC_RELAXED);
    memcpy(to, words, sizeof(words));
    clean(to->limit, sizeof(to->limit));
    clean(to->key, sizeof(to->key));
    to->first_s = no_less_than_0(to->first_s);
    to->last_s = no_less_than_0(to->last_s);
}

static bool is_empty(const struct hit *hit)
{
    return hit->limit[0] == '\0' || hit->key[0] == '\0';
}

static bool is_same(const struct hit *a, const struct hit *b)
{
    return strcmp(a->limit, b->limit) == 0 && strcmp(a->key, b->key) == 0;
}

/* -- rows */

/* FNV-1a, begun with what no client knows (the limit's keyed hash): which rows a key may have. */
static unsigned set_of(uint64_t limit_hash, const struct hit *hit)
{
    uint64_t hash = limit_hash;
    for (const char *c = hit->key; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    return (unsigned)(hash ^ hash >> 32) % (HITS_ROWS / ROW_WAYS) * ROW_WAYS;
}

/* Its own row; or else an empty one, or the one that was hit longest ago. */
static struct hits_row *choose(struct hits *hits, unsigned set, const struct hit *hit, struct hit *present)
{
    struct hits_row *chosen = NULL;
    for (unsigned i = set; i < set + ROW_WAYS; i++) {
        struct hit there;
        copy(&there, &hits->rows[i].hit);
        if (is_same(&there, hit)) {
            *present = there;
            return &hits->rows[i];
        }
        if (is_empty(&there))
            there.last_s = -1;
        if (chosen == NULL || there.last_s < present->last_s) {
            chosen = &hits->rows[i];
            *present = there;
        }
    }
    return chosen;
}

/* The row is ours from here on: the odd number to end it with. One that stays odd for so long was left by somebody who
 * died in the middle. He may only have been slow: then two write at once, and what they leave is cleaned by readers. */
static uint32_t take(struct hits_row *row)
{
    uint32_t seen = atomic_load_explicit(&row->sequence, memory_order_relaxed);
    for (int i = 0; seen % 2 != 0 && i < TAKE_TRIES; i++) {
        sched_yield();
        seen = atomic_load_explicit(&row->sequence, memory_order_relaxed);
    }
    uint32_t taken = (seen | 1u) + (seen % 2 != 0 ? 2 : 0);
    if (!atomic_compare_exchange_strong(&row->sequence, &seen, taken))
        return 0;
    atomic_thread_fence(memory_order_release);
    return taken;
}

/* Not when somebody took it over meanwhile: he ends it. */
static void give_back(struct hits_row *row, uint32_t taken)
{
    atomic_compare_exchange_strong(&row->sequence, &taken, taken + 1);
}

/* A row that somebody else takes at this very moment is his: one hit is not written down, which is what hints are. */
static void write_row(struct hits_row *row, const struct hit *hit)
{
    uint32_t taken = take(row);
    if (taken == 0)
        return;
    row->hit = *hit;
    give_back(row, taken);
}

/* -- tallies */

static uint64_t tag_of(uint64_t limit_hash)
{
    uint64_t tag = limit_hash >> COUNT_BITS;
    return (tag != 0 ? tag : 1) << COUNT_BITS;
}

static unsigned tallies_of(uint64_t limit_hash)
{
    return (unsigned)limit_hash % (HITS_TALLIES / TALLY_WAYS) * TALLY_WAYS;
}

/* The limit's own; or else the least, which an empty one is. */
static _Atomic uint64_t *choose_tally(struct hits *hits, uint64_t limit_hash, uint64_t *seen_out)
{
    _Atomic uint64_t *least = NULL;
    for (unsigned i = tallies_of(limit_hash), end = i + TALLY_WAYS; i < end; i++) {
        uint64_t seen = atomic_load_explicit(&hits->tallies[i], memory_order_relaxed);
        bool own = (seen & ~COUNT_MASK) == tag_of(limit_hash);
        if (own || least == NULL || (seen & COUNT_MASK) < (*seen_out & COUNT_MASK)) {
            least = &hits->tallies[i];
            *seen_out = seen;
        }
        if (own)
            break;
    }
    return least;
}

static void count(struct hits *hits, uint64_t limit_hash)
{
    for (int i = 0; i < TAKE_TRIES; i++) {
        uint64_t seen = 0;
        _Atomic uint64_t *tally = choose_tally(hits, limit_hash, &seen);
        uint64_t so_far = (seen & ~COUNT_MASK) == tag_of(limit_hash) ? seen & COUNT_MASK : 0;
        uint64_t next = tag_of(limit_hash) | (so_far < COUNT_MASK ? so_far + 1 : so_far);
        if (atomic_compare_exchange_strong(tally, &seen, next))
            return;
    }
}

uint64_t hits_tally(const struct hits *hits, uint64_t limit_hash)
{
    for (unsigned i = tallies_of(limit_hash), end = i + TALLY_WAYS; i < end; i++) {
        uint64_t seen = atomic_load_explicit(&hits->tallies[i], memory_order_relaxed);
        if ((seen & ~COUNT_MASK) == tag_of(limit_hash))
            return seen & COUNT_MASK;
    }
    return 0;
}

/* -- workers */

bool hits_add(struct hits *hits, uint64_t limit_hash, const struct hit *hit, int64_t quiet_s)
{
    struct hit present, next = *hit;
    if (hits == NULL)
        return false;
    clean(next.limit, sizeof(next.limit));
    clean(next.key, sizeof(next.key));
    next.first_s = next.last_s;
    next.times = 1;
    count(hits, limit_hash);
    struct hits_row *row = choose(hits, set_of(limit_hash, &next), &next, &present);
    bool known = is_same(&present, &next) && present.last_s <= next.last_s && next.last_s - present.last_s < quiet_s;
    if (known) {
        next.first_s = present.first_s <= next.last_s ? present.first_s : next.last_s;
        next.times = present.times < UINT64_MAX ? present.times + 1 : present.times;
    }
    write_row(row, &next);
    return !known;
}

/* -- readers */

bool hits_read(const struct hits *hits, int row, struct hit *out)
{
    const struct hits_row *from = &hits->rows[row];
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&from->sequence, memory_order_acquire);
        copy(out, &from->hit);
        atomic_thread_fence(memory_order_acquire);
        if (before % 2 == 0 && before == atomic_load_explicit(&from->sequence, memory_order_relaxed))
            return !is_empty(out);
        sched_yield();
    }
    return false;
}

int hits_forget(struct hits *hits, const char *key, uint64_t hashes_out[HITS_ROWS])
{
    static const struct hit none;
    int found = 0;
    for (int i = 0; i < HITS_ROWS; i++) {
        struct hit hit;
        copy(&hit, &hits->rows[i].hit); /* also one that its worker left half-written */
        if (is_empty(&hit) || !slice_equal_nocase(slice_of(hit.key), slice_of(key)))
            continue;
        hashes_out[found++] = hit.hash;
        write_row(&hits->rows[i], &none);
    }
    return found;
}
