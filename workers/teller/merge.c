/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "workers/teller/merge.h"

static uint32_t earlier(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static bool has_passed(const struct store_record *record, time_t now)
{
    return record->passed != 0 && !store_record_is_over(record, now);
}

/* `chosen` has won, so far as it is not said otherwise. */
static void keep_what_counts(enum store_kind kind, const struct store_record *other, time_t now,
                             struct store_record *chosen)
{
    if (kind == STORE_GREY && has_passed(other, now) && !has_passed(chosen, now)) {
        uint32_t last_s = larger(chosen->last_s, other->last_s);
        *chosen = *other;
        chosen->last_s = last_s;
    }
    if (kind == STORE_ALLOWANCE && !store_record_is_over(other, now)) {
        chosen->first_s = earlier(chosen->first_s, other->first_s);
        chosen->count = larger(chosen->count, other->count);
        chosen->expires_s = store_later_end(chosen->expires_s, other->expires_s);
    }
}

static struct reputation points_of(const struct store_record *record, uint32_t at_s)
{
    bool damaged;
    struct reputation points = reputation_read(record->reputation, (time_t)at_s, &damaged);
    return damaged ? (struct reputation){0} : points;
}

static uint64_t value_of(struct reputation points, uint32_t at_s)
{
    bool damaged;
    return reputation_add(0, &points, (time_t)at_s, &damaged);
}

/* Where one has both, it is taken as it stands: nothing is rounded again and again. */
static uint64_t larger_points(const struct store_record *a, const struct store_record *b, uint32_t at_s)
{
    struct reputation of_a = points_of(a, at_s), of_b = points_of(b, at_s);
    if (of_b.good <= of_a.good && of_b.bad <= of_a.bad)
        return a->reputation;
    if (of_a.good <= of_b.good && of_a.bad <= of_b.bad)
        return b->reputation;
    return value_of((struct reputation){larger(of_a.good, of_b.good), larger(of_a.bad, of_b.bad)}, at_s);
}

static struct store_record merge_reputations(const struct store_record *there, const struct store_record *other)
{
    uint32_t last_s = larger(there->last_s, other->last_s);
    return (struct store_record){.first_s = earlier(there->first_s, other->first_s),
                                 .last_s = last_s,
                                 .expires_s = store_later_end(there->expires_s, other->expires_s),
                                 .count = larger(there->count, other->count),
                                 .reputation = larger_points(there, other, last_s)};
}

void merge_by_now(enum store_kind kind, struct store_record *other, time_t now)
{
    uint32_t now_s = store_seconds(now);
    if (other->last_s <= now_s)
        return;
    if (store_kind_is_reputation(kind))
        other->reputation = value_of(points_of(other, other->last_s), now_s);
    other->last_s = now_s;
    other->first_s = earlier(other->first_s, now_s);
}

bool merge_records(enum store_kind kind, const struct store_record *there, const struct store_record *other, time_t now,
                   struct store_record *merged_out)
{
    if (store_kind_is_reputation(kind)) {
        *merged_out = merge_reputations(there, other);
    } else {
        bool is_newer = other->last_s > there->last_s;
        *merged_out = is_newer ? *other : *there;
        keep_what_counts(kind, is_newer ? there : other, now, merged_out);
    }
    return memcmp(there, merged_out, sizeof(*there)) != 0;
}
