/* SPDX-License-Identifier: ISC
 *
 * attempt: each edge of delay, window and lifetime; clocks that were set back; times and counts at their ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "workers/storekeeper/attempt.h"

enum { NOW = 1700000000, DELAY = 300, WINDOW = 3600, LIFETIME = 86400, AFTER = 3, HOUR = ATTEMPT_COUNTS_EVERY_S };

static const struct attempt_terms terms = {DELAY, WINDOW, LIFETIME, AFTER};

/* The record becomes what is remembered from then on. */
static void assert_decides(struct store_record *record, time_t now, enum store_outcome outcome, int64_t seconds)
{
    struct store_record next = {0};
    bool is_changed = false;
    struct store_answer answer =
        attempt_decide(&terms, record->expires_s != 0 || record->count > 0 ? record : NULL, now, &next, &is_changed);
    assert_int_equal(answer.outcome, outcome);
    assert_int_equal(answer.seconds, seconds);
    assert_true(is_changed);
    *record = next;
}

static struct store_record first_at(time_t now)
{
    struct store_record record = {0};
    assert_decides(&record, now, STORE_FIRST, DELAY);
    return record;
}

static void who_is_new_has_to_wait(void **unused)
{
    (void)unused;
    struct store_record record = first_at(NOW);
    assert_int_equal(record.first_s, NOW);
    assert_int_equal(record.last_s, NOW);
    assert_int_equal(record.expires_s, NOW + WINDOW);
    assert_int_equal(record.count, 1);
    assert_int_equal(record.passed, 0);
}

static void too_early_is_told_what_is_left(void **unused)
{
    (void)unused;
    struct store_record record = first_at(NOW);
    assert_decides(&record, NOW, STORE_EARLY, DELAY);
    assert_decides(&record, NOW + 1, STORE_EARLY, DELAY - 1);
    assert_decides(&record, NOW + DELAY - 1, STORE_EARLY, 1);
    assert_int_equal(record.first_s, NOW); /* not begun anew */
    assert_int_equal(record.expires_s, NOW + WINDOW);
    assert_int_equal(record.count, 4);
    assert_decides(&record, NOW + DELAY, STORE_PASS, 0);
}

static void within_the_window_it_passes_and_then_for_a_lifetime(void **unused)
{
    (void)unused;
    struct store_record record = first_at(NOW);
    assert_decides(&record, NOW + WINDOW - 1, STORE_PASS, 0);
    assert_int_equal(record.passed, 1);
    assert_int_equal(record.expires_s, NOW + WINDOW - 1 + LIFETIME);
    assert_int_equal(record.first_s, NOW);
    time_t last = NOW + WINDOW - 1;
    for (int i = 0; i < 3; i++) {
        last += LIFETIME - 1;
        assert_decides(&record, last, STORE_PASS, 0);
    }
    assert_decides(&record, last + LIFETIME, STORE_FIRST, DELAY);
    assert_int_equal(record.passed, 0);
    assert_int_equal(record.count, 1);
}

static void behind_the_window_it_is_new(void **unused)
{
    (void)unused;
    struct store_record record = first_at(NOW);
    assert_decides(&record, NOW + WINDOW, STORE_FIRST, DELAY);
    assert_int_equal(record.first_s, NOW + WINDOW);
    assert_int_equal(record.expires_s, NOW + 2 * WINDOW);
}

static void what_was_put_there_for_ever_stays(void **unused)
{
    (void)unused;
    struct store_record record = {.first_s = 1, .last_s = 1, .count = 1, .passed = 1};
    assert_decides(&record, NOW, STORE_PASS, 0);
    assert_int_equal(record.expires_s, 0);
}

static void a_clock_that_was_set_back_costs_the_delay_at_most(void **unused)
{
    (void)unused;
    struct store_record record = first_at(NOW);
    assert_decides(&record, NOW - 100000, STORE_EARLY, DELAY);
    assert_int_equal(record.first_s, NOW - 100000);
    assert_int_equal(record.expires_s, NOW - 100000 + WINDOW);
    assert_decides(&record, NOW - 100000 + DELAY, STORE_PASS, 0);
    assert_decides(&record, NOW - 200000, STORE_PASS, 0);
    assert_int_equal(record.last_s, NOW - 200000);
    assert_int_equal(record.expires_s, NOW - 200000 + LIFETIME);
}

static void nothing_overflows(void **unused)
{
    (void)unused;
    struct store_record record = first_at(UINT32_MAX - 1);
    assert_int_equal(record.expires_s, UINT32_MAX);
    record = first_at((time_t)UINT32_MAX + 1000);
    assert_int_equal(record.first_s, UINT32_MAX);
    record = first_at(-5);
    assert_int_equal(record.first_s, 0);
    assert_int_equal(record.expires_s, WINDOW);
    record = (struct store_record){1, 1, 0, UINT32_MAX, {.passed = 0}};
    assert_decides(&record, UINT32_MAX, STORE_PASS, 0);
    assert_int_equal(record.count, UINT32_MAX);
    const struct attempt_terms endless = {UINT32_MAX, UINT32_MAX, UINT32_MAX, 1};
    struct store_record next;
    bool is_changed;
    assert_int_equal(attempt_decide(&endless, NULL, NOW, &next, &is_changed).seconds, UINT32_MAX);
    assert_int_equal(next.expires_s, UINT32_MAX);
    assert_int_equal(attempt_decide(&endless, &next, NOW + 1, &record, &is_changed).seconds, UINT32_MAX - 1);
    const struct attempt_terms nothing = {0};
    assert_int_equal(attempt_decide(&nothing, NULL, 0, &next, &is_changed).outcome, STORE_FIRST);
    assert_int_equal(next.expires_s, 1); /* and not never */
}

static void the_same_again_is_nothing_to_write(void **unused)
{
    (void)unused;
    struct store_record known = {1, NOW, 0, UINT32_MAX, {.passed = 1}}, next;
    bool is_changed = true;
    attempt_decide(&terms, &known, NOW, &next, &is_changed);
    assert_false(is_changed);
    assert_memory_equal(&known, &next, sizeof(next));
}

/* -- allowances */

static void an_allowance_is_earned_by_deliveries_an_hour_apart(void **unused)
{
    (void)unused;
    struct store_record record, next;
    time_t now = NOW;
    assert_true(attempt_delivered(&terms, NULL, now, &record));
    assert_int_equal(record.count, 1);
    assert_int_equal(record.expires_s, NOW + LIFETIME);
    assert_false(attempt_delivered(&terms, &record, now + HOUR - 1, &next));
    for (uint32_t count = 2; count <= AFTER; count++) {
        assert_false(attempt_is_allowed(&terms, &record, now));
        now += HOUR;
        assert_true(attempt_delivered(&terms, &record, now, &next));
        record = next;
        assert_int_equal(record.count, count);
    }
    assert_true(attempt_is_allowed(&terms, &record, now));
    assert_int_equal(record.first_s, NOW);
    assert_true(attempt_is_allowed(&terms, &record, now + LIFETIME - 1));
    assert_false(attempt_is_allowed(&terms, &record, now + LIFETIME));
    assert_true(attempt_delivered(&terms, &record, now + LIFETIME, &next));
    assert_int_equal(next.count, 1);
}

static void without_terms_there_is_no_allowance(void **unused)
{
    (void)unused;
    const struct attempt_terms none = {DELAY, WINDOW, LIFETIME, 0};
    struct store_record record = {NOW, NOW, NOW + LIFETIME, 100, {0}}, next;
    assert_false(attempt_is_allowed(&none, &record, NOW));
    assert_false(attempt_is_allowed(&terms, NULL, NOW));
    assert_false(attempt_delivered(&none, &record, NOW + HOUR, &next));
    assert_false(attempt_delivered(&none, NULL, NOW, &next));
    record.count = UINT32_MAX; /* by order */
    assert_true(attempt_is_allowed(&none, &record, NOW));
    assert_true(attempt_is_allowed(&terms, &record, NOW));
}

static void clocks_and_ends_of_allowances(void **unused)
{
    (void)unused;
    struct store_record record = {NOW, NOW, NOW + LIFETIME, 2, {0}}, next;
    assert_true(attempt_delivered(&terms, &record, NOW - 50000, &next));
    assert_int_equal(next.count, 2); /* set back, and not earned */
    assert_int_equal(next.first_s, NOW - 50000);
    assert_int_equal(next.last_s, NOW - 50000);
    assert_int_equal(next.expires_s, NOW - 50000 + LIFETIME);
    record = (struct store_record){1, 1, 0, UINT32_MAX, {0}};
    assert_true(attempt_delivered(&terms, &record, (time_t)1 << 40, &next));
    assert_int_equal(next.count, UINT32_MAX);
    assert_int_equal(next.last_s, UINT32_MAX);
    assert_int_equal(next.expires_s, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_new_has_to_wait),
        cmocka_unit_test(too_early_is_told_what_is_left),
        cmocka_unit_test(within_the_window_it_passes_and_then_for_a_lifetime),
        cmocka_unit_test(behind_the_window_it_is_new),
        cmocka_unit_test(what_was_put_there_for_ever_stays),
        cmocka_unit_test(a_clock_that_was_set_back_costs_the_delay_at_most),
        cmocka_unit_test(nothing_overflows),
        cmocka_unit_test(the_same_again_is_nothing_to_write),
        cmocka_unit_test(an_allowance_is_earned_by_deliveries_an_hour_apart),
        cmocka_unit_test(without_terms_there_is_no_allowance),
        cmocka_unit_test(clocks_and_ends_of_allowances),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
