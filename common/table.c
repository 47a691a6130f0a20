/* SPDX-License-Identifier: ISC */
#include "common/must.h"
#include "common/region.h"
#include "common/table.h"

enum { TRIES = 32, LINE_BYTES = 64, NO_WAY = -1 };

_Static_assert(TABLE_WAYS * sizeof(_Atomic uint64_t) == LINE_BYTES, "a line is a cache line");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "no lock that a dying worker could hold");

static uint64_t value_of(uint64_t word)
{
    return word & TABLE_VALUE_MASK;
}

/* The upper bits of a hash, in the place that they have in a word; the lower ones say which line. */
static uint64_t tag_of(uint64_t word)
{
    return word & ~TABLE_VALUE_MASK;
}

static _Atomic uint64_t *line_of(const struct table *table, uint64_t hash)
{
    return table->words + (hash & (table->line_count - 1)) * TABLE_WAYS;
}

size_t table_bytes(uint64_t entries)
{
    must(entries > 0 && entries <= TABLE_ENTRIES_MAX);
    size_t bytes = LINE_BYTES;
    while (bytes / LINE_BYTES * TABLE_WAYS < entries)
        bytes *= 2;
    return bytes;
}

struct table table_at(void *memory, size_t bytes)
{
    uint64_t lines = bytes / LINE_BYTES;
    must(memory != NULL && (uintptr_t)memory % LINE_BYTES == 0);
    must(lines > 0 && bytes % LINE_BYTES == 0 && (lines & (lines - 1)) == 0);
    return (struct table){.words = memory, .line_count = lines};
}

/* Each word once: what is judged is what is used, however others write meanwhile. The words need not be of one moment,
 * since no entry depends on another. */
static void read_line(const _Atomic uint64_t *line, uint64_t words[TABLE_WAYS])
{
    for (int way = 0; way < TABLE_WAYS; way++)
        words[way] = atomic_load_explicit(&line[way], memory_order_relaxed);
}

static bool is_of(uint64_t word, uint64_t hash)
{
    return tag_of(word) == tag_of(hash) && value_of(word) != 0;
}

/* The first one counts, for everybody. Two workers who make an entry for the same key at once mostly want the same
 * place, and one of them loses the race and finds the other's. When they do not (a place became free in between), the
 * second entry is a shadow: nobody sees it until the first one goes, it fades as any other, and what it says was true
 * of this key. What was charged there is missing meanwhile: one change, in the favour of the client. */
static int find_way(const uint64_t words[TABLE_WAYS], uint64_t hash)
{
    for (int way = 0; way < TABLE_WAYS; way++)
        if (is_of(words[way], hash))
            return way;
    return NO_WAY;
}

static uint64_t rank_of(const struct table_kind *kind, uint64_t word, const void *context)
{
    return value_of(word) != 0 ? kind->rank(value_of(word), context) : 0;
}

static int lowest_way(const uint64_t words[TABLE_WAYS], const struct table_kind *kind, const void *context,
                      uint64_t *rank_out)
{
    int lowest = 0;
    uint64_t least = rank_of(kind, words[0], context);
    for (int way = 1; way < TABLE_WAYS && least != 0; way++) {
        uint64_t rank = rank_of(kind, words[way], context);
        if (rank < least) {
            lowest = way;
            least = rank;
        }
    }
    *rank_out = least;
    return lowest;
}

static bool replace(_Atomic uint64_t *word, uint64_t before, uint64_t after)
{
    return atomic_compare_exchange_strong_explicit(word, &before, after, memory_order_relaxed, memory_order_relaxed);
}

bool table_update(const struct table *table, uint64_t hash, const struct table_kind *kind, void *context,
                  struct table_counts *counts)
{
    _Atomic uint64_t *line = line_of(table, hash);
    for (int i = 0; i < TRIES; i++) {
        uint64_t words[TABLE_WAYS], evicted_rank = 0;
        read_line(line, words);
        int way = find_way(words, hash);
        uint64_t before = way != NO_WAY ? value_of(words[way]) : 0;
        uint64_t after = value_of(kind->change(before, context));
        if (after == before)
            return true;
        if (way == NO_WAY)
            way = lowest_way(words, kind, context, &evicted_rank);
        if (replace(&line[way], words[way], after != 0 ? tag_of(hash) | after : 0)) {
            counts->evictions += evicted_rank > 0;
            return true;
        }
    }
    counts->given_up++;
    return false;
}

uint64_t table_find(const struct table *table, uint64_t hash)
{
    uint64_t words[TABLE_WAYS];
    read_line(line_of(table, hash), words);
    int way = find_way(words, hash);
    return way != NO_WAY ? value_of(words[way]) : 0;
}

/* Shadows as well. */
bool table_forget(const struct table *table, uint64_t hash)
{
    _Atomic uint64_t *line = line_of(table, hash);
    bool found = false;
    for (int way = 0; way < TABLE_WAYS; way++) {
        uint64_t word = atomic_load_explicit(&line[way], memory_order_relaxed);
        for (int i = 0; i < TRIES && is_of(word, hash); i++) {
            found = true;
            if (atomic_compare_exchange_strong(&line[way], &word, 0))
                break;
        }
    }
    return found;
}

enum { WORDS_A_PAGE = REGION_PAGE_BYTES / sizeof(uint64_t) };

/* From this entry to the end of its page. */
static uint64_t used_in_page(const struct table *table, uint64_t first)
{
    uint64_t used = 0, end = first + WORDS_A_PAGE, all = table->line_count * TABLE_WAYS;
    for (uint64_t i = first; i < end && i < all; i++)
        used += value_of(atomic_load_explicit(&table->words[i], memory_order_relaxed)) != 0;
    return used;
}

uint64_t table_used(const struct table *table)
{
    uint64_t used = 0, pages = (table->line_count * TABLE_WAYS + WORDS_A_PAGE - 1) / WORDS_A_PAGE;
    for (uint64_t page = 0; page < pages; page += REGION_LOOK_MAX) {
        unsigned char there[REGION_LOOK_MAX];
        uint64_t count = pages - page < REGION_LOOK_MAX ? pages - page : REGION_LOOK_MAX;
        region_look(&table->words[page * WORDS_A_PAGE], count, there);
        for (uint64_t i = 0; i < count; i++)
            used += there[i] != 0 ? used_in_page(table, (page + i) * WORDS_A_PAGE) : 0;
    }
    return used;
}

uint64_t table_tidy(const struct table *table, const struct table_kind *kind, const void *context)
{
    uint64_t left = 0;
    for (uint64_t i = 0; i < table->line_count * TABLE_WAYS; i++) {
        uint64_t word = atomic_load_explicit(&table->words[i], memory_order_relaxed);
        if (rank_of(kind, word, context) > 0)
            left++;
        else if (word != 0)
            replace(&table->words[i], word, 0);
    }
    return left;
}
