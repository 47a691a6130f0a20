/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "common/dnslists.h"
#include "common/slice.h"

_Static_assert(sizeof(struct dnslist_count) == 64, "a cache line: two lists do not slow each other down");

/* FNV-1a: names of the configuration, which no client thought of. */
uint64_t dnslist_hash(const char *name, unsigned kind)
{
    uint64_t hash = (UINT64_C(14695981039346656037) ^ kind) * UINT64_C(1099511628211);
    for (; *name != '\0'; name++)
        hash = (hash ^ (unsigned char)ascii_lower(*name)) * UINT64_C(1099511628211);
    return hash != 0 ? hash : 1;
}

static size_t place(uint64_t whose, size_t i)
{
    return (size_t)((whose + i) % DNSLISTS_MAX);
}

/* -- tests -- */

struct dnslist_facts dnslist_read(const struct dnslist_tests *tests, uint64_t whose)
{
    for (size_t i = 0; tests != NULL && i < DNSLISTS_MAX; i++) {
        const struct dnslist_test *test = &tests->items[place(whose, i)];
        if (atomic_load(&test->whose) != whose)
            continue;
        uint32_t state = atomic_load(&test->state), trouble = atomic_load(&test->trouble);
        return (struct dnslist_facts){
            .state = state < DNSLIST_STATES ? (enum dnslist_state)state : DNSLIST_UNKNOWN,
            .trouble = trouble < DNSLIST_TROUBLES ? (enum dnslist_trouble)trouble : DNSLIST_FINE,
            .answer = atomic_load(&test->answer),
            .failures = atomic_load(&test->failures),
            .since_ms = atomic_load(&test->since_ms),
            .tested_ms = atomic_load(&test->tested_ms),
        };
    }
    return (struct dnslist_facts){0};
}

bool dnslist_is_silent(const struct dnslist_facts *facts)
{
    return facts->trouble == DNSLIST_SILENT && facts->failures >= DNSLIST_SILENT_MANY;
}

const char *dnslist_state_name(enum dnslist_state state)
{
    static const char *const names[DNSLIST_STATES] = {
        [DNSLIST_UNKNOWN] = "unknown", [DNSLIST_GOOD] = "good", [DNSLIST_BROKEN] = "broken"};
    return names[state];
}

void dnslist_trouble_words(const struct dnslist_facts *facts, char text[DNSLIST_WORDS_MAX])
{
    static const char *const words[DNSLIST_TROUBLES] = {
        [DNSLIST_FINE] = "",
        [DNSLIST_SILENT] = "does not answer",
        [DNSLIST_LISTS_NOTHING] = "lists nothing, not even its test entry",
        [DNSLIST_LISTS_ALL] = "lists everything",
        [DNSLIST_ERRS] = "answers",
    };
    uint32_t a = facts->answer;
    if (facts->trouble == DNSLIST_ERRS)
        snprintf(text, DNSLIST_WORDS_MAX, "answers %u.%u.%u.%u", a >> 24, a >> 16 & 255, a >> 8 & 255, a & 255);
    else
        snprintf(text, DNSLIST_WORDS_MAX, "%s", words[facts->trouble]);
}

static void clear_test(struct dnslist_test *test)
{
    atomic_store(&test->whose, 0);
    atomic_store(&test->state, DNSLIST_UNKNOWN);
    atomic_store(&test->trouble, DNSLIST_FINE);
    atomic_store(&test->answer, 0);
    atomic_store(&test->failures, 0);
    atomic_store(&test->since_ms, 0);
    atomic_store(&test->tested_ms, 0);
}

struct dnslist_test *dnslist_test_of(struct dnslist_tests *tests, uint64_t whose)
{
    struct dnslist_test *empty = NULL;
    for (size_t i = 0; i < DNSLISTS_MAX; i++) {
        struct dnslist_test *test = &tests->items[place(whose, i)];
        uint64_t there = atomic_load(&test->whose);
        if (there == whose)
            return test;
        if (there == 0 && empty == NULL)
            empty = test;
    }
    if (empty == NULL)
        return NULL;
    clear_test(empty);
    atomic_store(&empty->whose, whose);
    return empty;
}

/* -- counts -- */

/* Its own; or else an empty one, which is its own from now on. */
static struct dnslist_count *count_of(struct dnslist_counts *counts, uint64_t whose)
{
    for (size_t i = 0; i < DNSLISTS_MAX; i++)
        if (atomic_load_explicit(&counts->items[place(whose, i)].whose, memory_order_relaxed) == whose)
            return &counts->items[place(whose, i)];
    for (size_t i = 0; i < DNSLISTS_MAX; i++) {
        struct dnslist_count *count = &counts->items[place(whose, i)];
        uint64_t nobody = 0;
        if (atomic_compare_exchange_strong(&count->whose, &nobody, whose) || nobody == whose)
            return count;
    }
    return NULL;
}

static void add(_Atomic uint64_t *to, uint64_t number)
{
    if (number != 0)
        atomic_fetch_add_explicit(to, number, memory_order_relaxed);
}

static void raise_to(_Atomic uint64_t *to, uint64_t number)
{
    uint64_t seen = atomic_load_explicit(to, memory_order_relaxed);
    while (seen < number && !atomic_compare_exchange_weak(to, &seen, number))
        continue;
}

void dnslist_add(struct dnslist_counts *counts, uint64_t whose, const struct dnslist_tally *tally)
{
    struct dnslist_count *count = counts != NULL ? count_of(counts, whose) : NULL;
    if (count == NULL)
        return;
    add(&count->asked, tally->asked);
    add(&count->hits, tally->hits);
    add(&count->errors, tally->errors);
    add(&count->failures, tally->failures);
    add(&count->took_ms, tally->took_ms);
    raise_to(&count->took_most_ms, tally->took_most_ms);
}

/* A time that is still to come is damage, or a clock that was set back. */
bool dnslist_may_tell(struct dnslist_counts *counts, uint64_t whose, int64_t now_s, int64_t quiet_s)
{
    struct dnslist_count *count = counts != NULL ? count_of(counts, whose) : NULL;
    if (count == NULL)
        return true;
    int64_t told_s = atomic_load(&count->told_s);
    if (told_s > 0 && told_s <= now_s && now_s - told_s < quiet_s)
        return false;
    return atomic_compare_exchange_strong(&count->told_s, &told_s, now_s);
}

struct dnslist_tally dnslist_tally_of(const struct dnslist_counts *counts, uint64_t whose)
{
    for (size_t i = 0; counts != NULL && i < DNSLISTS_MAX; i++) {
        const struct dnslist_count *count = &counts->items[place(whose, i)];
        if (atomic_load(&count->whose) == whose)
            return (struct dnslist_tally){atomic_load(&count->asked),   atomic_load(&count->hits),
                                          atomic_load(&count->errors),  atomic_load(&count->failures),
                                          atomic_load(&count->took_ms), atomic_load(&count->took_most_ms)};
    }
    return (struct dnslist_tally){0};
}

static void clear_count(struct dnslist_count *count)
{
    _Atomic uint64_t *const words[] = {&count->asked,    &count->hits,    &count->errors,
                                       &count->failures, &count->took_ms, &count->took_most_ms};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        atomic_store(words[i], 0);
    atomic_store(&count->told_s, 0);
    atomic_store(&count->whose, 0);
}

/* -- both -- */

static bool is_among(uint64_t whose, const uint64_t *all, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (all[i] == whose)
            return true;
    return false;
}

void dnslists_keep(struct dnslist_tests *tests, const uint64_t *zones, struct dnslist_counts *counts,
                   const uint64_t *names, size_t count)
{
    for (size_t i = 0; i < DNSLISTS_MAX; i++) {
        if (!is_among(atomic_load(&tests->items[i].whose), zones, count))
            clear_test(&tests->items[i]);
        if (!is_among(atomic_load(&counts->items[i].whose), names, count))
            clear_count(&counts->items[i]);
    }
}
