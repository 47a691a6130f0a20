/* SPDX-License-Identifier: ISC
 *
 * merge: what becomes of a record that another host exported, and that nothing changes when it comes again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "workers/teller/merge.h"

enum { NOW = 2000000000, DAY = 86400 };

static struct store_record merged;

/* Whatever it becomes: the same once more changes nothing. */
static bool merge(enum store_kind kind, const struct store_record *there, const struct store_record *other)
{
    struct store_record again;
    bool changed = merge_records(kind, there, other, NOW, &merged);
    struct store_record now = changed ? merged : *there;
    assert_false(merge_records(kind, &now, other, NOW, &again));
    return changed;
}

static struct store_record seen(uint32_t first_s, uint32_t last_s, bool passed)
{
    return (struct store_record){first_s, last_s, NOW + DAY, 3, {.passed = passed}};
}

static uint64_t points(uint32_t good, uint32_t bad, time_t at)
{
    bool damaged;
    return reputation_add(0, &(struct reputation){good, bad}, at, &damaged);
}

static void what_was_seen_later_counts(void **state)
{
    (void)state;
    static const enum store_kind kinds[] = {STORE_GREY, STORE_TRAP};
    const struct store_record older = seen(NOW - 100, NOW - 90, false), newer = seen(NOW - 50, NOW - 40, false);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        assert_true(merge(kinds[i], &older, &newer));
        assert_memory_equal(&merged, &newer, sizeof(newer));
        assert_false(merge(kinds[i], &newer, &older));
        assert_false(merge(kinds[i], &newer, &newer));
    }
}

static void who_has_passed_anywhere_has_passed(void **state)
{
    (void)state;
    const struct store_record passed = seen(NOW - 100, NOW - 90, true), waits = seen(NOW - 50, NOW - 40, false);
    assert_true(merge(STORE_GREY, &waits, &passed));
    assert_true(merged.passed);
    assert_int_equal(merged.last_s, NOW - 40);
    assert_true(merge(STORE_GREY, &passed, &waits));
    assert_true(merged.passed);
    struct store_record over = passed;
    over.expires_s = NOW - 1;
    assert_false(merge(STORE_GREY, &waits, &over));
}

static void an_allowance_by_order_stays_one(void **state)
{
    (void)state;
    const struct store_record ordered = {NOW - 100, NOW - 90, 0, UINT32_MAX, {0}};
    const struct store_record earned = {NOW - 200, NOW - 10, NOW + DAY, 7, {0}};
    assert_true(merge(STORE_ALLOWANCE, &ordered, &earned));
    assert_int_equal(merged.count, UINT32_MAX);
    assert_int_equal(merged.expires_s, 0);
    assert_int_equal(merged.first_s, NOW - 200);
    assert_int_equal(merged.last_s, NOW - 10);
    assert_true(merge(STORE_ALLOWANCE, &earned, &ordered));
    assert_int_equal(merged.expires_s, 0);
}

static void the_larger_points_of_a_reputation_count(void **state)
{
    (void)state;
    static const enum store_kind kinds[] = {STORE_NETWORK, STORE_DOMAIN};
    const struct store_record ours = {NOW - 100, NOW - 90, NOW + DAY, 5, {.reputation = points(64, 8, NOW - 90)}};
    const struct store_record theirs = {
        NOW - 200, NOW - 10, NOW + 2 * DAY, 4, {.reputation = points(32, 80, NOW - 10)}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        bool damaged;
        assert_true(merge(kinds[i], &ours, &theirs));
        struct reputation of = reputation_read(merged.reputation, NOW - 10, &damaged);
        assert_int_equal(of.good, 64);
        assert_int_equal(of.bad, 80);
        assert_int_equal(merged.first_s, NOW - 200);
        assert_int_equal(merged.last_s, NOW - 10);
        assert_int_equal(merged.expires_s, NOW + 2 * DAY);
        assert_int_equal(merged.count, 5);
    }
}

static void what_another_clock_saw_later_than_now_was_seen_now(void **state)
{
    (void)state;
    bool damaged;
    struct store_record other = {
        NOW + DAY, NOW + 2 * DAY, NOW + 9 * DAY, 1, {.reputation = points(48, 16, NOW + 2 * DAY)}};
    merge_by_now(STORE_NETWORK, &other, NOW);
    assert_int_equal(other.first_s, NOW);
    assert_int_equal(other.last_s, NOW);
    struct reputation of = reputation_read(other.reputation, NOW, &damaged);
    assert_false(damaged);
    assert_int_equal(of.good, 48);
    struct store_record before = other = seen(NOW - 10, NOW, true);
    merge_by_now(STORE_GREY, &other, NOW);
    assert_memory_equal(&other, &before, sizeof(other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_seen_later_counts),
        cmocka_unit_test(who_has_passed_anywhere_has_passed),
        cmocka_unit_test(an_allowance_by_order_stays_one),
        cmocka_unit_test(the_larger_points_of_a_reputation_count),
        cmocka_unit_test(what_another_clock_saw_later_than_now_was_seen_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
