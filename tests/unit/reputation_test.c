/* SPDX-License-Identifier: ISC
 *
 * reputation: points that fade, against the same reckoned in floating point, with a clock that the test owns. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/reputation.h"

enum { HOUR = 3600, DAY = 24 * HOUR, HOURS_ROUND = 4096, ONE = REPUTATION_ONE, TABLE_ENTRIES = 64 };

static const time_t START = 1800000000 / HOUR * HOUR;
/* .. and shortly before the hours go round. */
static const time_t BEFORE_ROUND = (time_t)(122 * HOURS_ROUND - 30) * HOUR;

/* What is left of one after so many hours. */
static double left_after(int hours)
{
    double left = 1;
    while (hours-- > 0)
        left *= 0.97153194115360587; /* 24 times this is a half */
    return left;
}

static uint64_t learn(uint64_t value, uint32_t good, uint32_t bad, time_t now)
{
    bool damaged = true;
    value = reputation_add(value, &(struct reputation){good, bad}, now, &damaged);
    assert_false(damaged);
    return value;
}

static struct reputation look(uint64_t value, time_t now)
{
    bool damaged = true;
    struct reputation found = reputation_read(value, now, &damaged);
    assert_false(damaged);
    return found;
}

static void nothing_is_nothing(void **state)
{
    (void)state;
    assert_int_equal(learn(0, 0, 0, START), 0);
    struct reputation none = look(0, START);
    assert_int_equal(none.good + none.bad, 0);
    none = look(UINT64_C(3000) << 28, START); /* a time and no points, whatever time it is */
    assert_int_equal(none.good + none.bad, 0);
}

static void halved_each_day(void **state)
{
    (void)state;
    uint64_t value = learn(0, 1024, 512, START);
    for (int day = 0; day <= 14; day++) {
        struct reputation left = look(value, START + day * DAY);
        assert_int_equal(left.good, 1024 >> day);
        assert_int_equal(left.bad, 512 >> day);
    }
    assert_int_equal(look(value, START + 12 * HOUR).good, 724); /* 1024 / sqrt(2) */
    for (int day = 15; day < HOURS_ROUND / 2 / 24; day++)
        assert_int_equal(look(value, START + day * DAY).good, 0);
}

static void what_was_just_learnt_is_read_as_it_was(void **state)
{
    (void)state;
    uint64_t value = learn(0, 0, 1600, START);
    for (int hour = 0; hour < 100; hour++)
        for (uint32_t points = 0; points < 1000; points++)
            assert_int_equal(look(learn(value, points, 0, START + hour * HOUR), START + hour * HOUR).good, points);
}

/* Seen each hour; the same whether it is written down again each hour or not. It never grows, and it ends. */
static void it_fades_to_nothing_however_often_it_is_touched(void **state)
{
    (void)state;
    static const uint32_t begins[] = {1, 2, 3, 15, 16, 17, 100, 1000, 8191, REPUTATION_MAX};
    for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++) {
        uint64_t left_alone = learn(0, begins[i], begins[i], BEFORE_ROUND), touched = left_alone;
        uint32_t before = begins[i];
        for (int hour = 0; hour < 15 * 24; hour++) {
            time_t now = BEFORE_ROUND + hour * HOUR;
            struct reputation left = look(left_alone, now);
            touched = learn(touched, 0, 0, now);
            assert_int_equal(look(touched, now).good, left.good);
            assert_true(left.good <= before && left.bad == left.good);
            before = left.good;
        }
        assert_int_equal(before, 0);
        assert_int_equal(touched, 0);
    }
}

/* A point each hour for sixty days does not drift off. */
static void what_comes_steadily_stays_steady(void **state)
{
    (void)state;
    double expected = 0;
    uint64_t value = 0;
    for (int hour = 0; hour < 60 * 24; hour++) {
        time_t now = BEFORE_ROUND + hour * HOUR;
        expected = expected * left_after(1) + ONE;
        value = learn(value, ONE, 0, now);
        assert_true(fabs(look(value, now).good - expected) <= 1 + expected / 100);
    }
    assert_true(fabs(expected - 562) < 1);
}

static void any_history_is_what_floating_point_says(void **state)
{
    (void)state;
    srandom(1);
    for (int history = 0; history < 300; history++) {
        double good = 0, bad = 0, roundings = 0;
        uint64_t value = 0;
        time_t now = BEFORE_ROUND;
        for (int i = 0; i < 200; i++) {
            int hours = (int)(random() % 3 == 0 ? random() % 60 : random() % 3);
            uint32_t more_good = (uint32_t)random() % 100, more_bad = (uint32_t)random() % 100;
            double left = left_after(hours);
            now += hours * HOUR;
            good = good * left + more_good;
            bad = bad * left + more_bad;
            roundings = roundings * left + 0.5 + hours / 24.0; /* of each that was learnt, and of each day */
            value = learn(value, more_good, more_bad, now);
            struct reputation found = look(value, now);
            assert_true(fabs(found.good - good) <= roundings + 1);
            assert_true(fabs(found.bad - bad) <= roundings + 1);
        }
    }
}

static void more_than_the_most_stays_the_most(void **state)
{
    (void)state;
    uint64_t value = learn(0, UINT32_MAX, 5, START);
    assert_int_equal(look(value, START).good, REPUTATION_MAX);
    value = learn(value, UINT32_MAX, 5, START);
    assert_int_equal(look(value, START).good, REPUTATION_MAX);
    assert_int_equal(look(value, START).bad, 10);
    value = learn(value, UINT32_MAX, 0, START + 23 * HOUR);
    assert_in_range(look(value, START + 23 * HOUR).good, REPUTATION_MAX / 2, REPUTATION_MAX);
    value = learn(value, UINT32_MAX, 0, START + DAY);
    assert_int_equal(look(value, START + DAY).good, REPUTATION_MAX);
}

static void the_future_is_damage(void **state)
{
    (void)state;
    uint64_t value = learn(0, 100, 200, START);
    assert_int_equal(look(value, START - 1).bad, 200); /* another worker's hour has not begun yet */
    assert_int_equal(look(value, START - HOUR).bad, 200);
    bool damaged = false;
    struct reputation found = reputation_read(value, START - 2 * HOUR, &damaged);
    assert_true(damaged);
    assert_int_equal(found.good + found.bad, 0);
    damaged = false;
    value = reputation_add(value, &(struct reputation){16, 0}, START - 2 * HOUR, &damaged);
    assert_true(damaged);
    assert_int_equal(look(value, START - 2 * HOUR).good, 16);
    assert_int_equal(look(value, START - 2 * HOUR).bad, 0);
}

/* Whatever stands there: in range, and no more than it can be. */
static void any_word_is_read(void **state)
{
    (void)state;
    srandom(2);
    for (int i = 0; i < 100000; i++) {
        uint64_t value = ((uint64_t)random() << 31 ^ (uint64_t)random()) & TABLE_VALUE_MASK;
        bool damaged;
        struct reputation found = reputation_read(value, START, &damaged);
        assert_true(found.good <= REPUTATION_MAX && found.bad <= REPUTATION_MAX);
        assert_true(!damaged || found.good + found.bad == 0);
        value = reputation_add(value, &(struct reputation){ONE, ONE}, START, &damaged);
        assert_true(value <= TABLE_VALUE_MASK);
        assert_true(look(value, START).good >= ONE);
    }
}

static enum standing standing(uint32_t good, uint32_t bad)
{
    return reputation_standing(&(struct reputation){good, bad});
}

static void what_good_and_bad_mean(void **state)
{
    (void)state;
    assert_int_equal(standing(0, 0), STANDING_UNKNOWN);
    assert_int_equal(standing(2 * ONE - 1, 0), STANDING_UNKNOWN);
    assert_int_equal(standing(2 * ONE, 0), STANDING_GOOD);
    assert_int_equal(standing(3 * ONE, ONE), STANDING_GOOD);
    assert_int_equal(standing(3 * ONE, ONE + 1), STANDING_UNKNOWN);
    assert_int_equal(standing(0, 4 * ONE - 1), STANDING_UNKNOWN);
    assert_int_equal(standing(0, 4 * ONE), STANDING_BAD);
    assert_int_equal(standing(4 * ONE, 4 * ONE), STANDING_UNKNOWN);
    assert_int_equal(standing(4 * ONE, 4 * ONE + 1), STANDING_BAD);
    assert_int_equal(standing(REPUTATION_MAX, REPUTATION_MAX / 3), STANDING_GOOD);
    assert_string_equal(standing_name(STANDING_UNKNOWN), "unknown");
    assert_string_equal(standing_name(STANDING_GOOD), "good");
    assert_string_equal(standing_name(STANDING_BAD), "bad");
}

/* -- in a table */

static _Alignas(64) unsigned char memory[TABLE_ENTRIES * sizeof(uint64_t)];

static struct table fresh_table(void)
{
    memset(memory, 0, sizeof(memory));
    return table_at(memory, table_bytes(TABLE_ENTRIES));
}

static void a_table_remembers_and_forgets(void **state)
{
    (void)state;
    struct table table = fresh_table();
    struct table_counts counts = {0};
    reputation_learn(&table, 1, &(struct reputation){ONE, 0}, START, &counts);
    reputation_learn(&table, 1, &(struct reputation){ONE, ONE}, START, &counts);
    reputation_learn(&table, 2, &(struct reputation){0, 400}, START, &counts);
    struct reputation found = reputation_find(&table, 1, START);
    assert_true(found.good == 2 * ONE && found.bad == ONE);
    assert_int_equal(reputation_find(&table, 2, START + DAY).bad, 200);
    assert_int_equal(reputation_find(&table, 3, START).bad, 0);
    assert_int_equal(reputation_tidy(&table, START), 2);
    assert_int_equal(reputation_tidy(&table, START + 7 * DAY), 1); /* 32 halved seven times is nothing */
    assert_int_equal(reputation_tidy(&table, START + 15 * DAY), 0);
    assert_int_equal(table_used(&table), 0);
    assert_int_equal(counts.damaged + counts.evictions, 0);
}

/* Of what is on disk and what the table learnt meanwhile the larger counts, of either kind, however often. */
static void what_was_kept_comes_back_once(void **state)
{
    (void)state;
    struct table table = fresh_table();
    struct table_counts counts = {0};
    bool damaged;
    uint64_t kept = reputation_add(0, &(struct reputation){8 * ONE, 4 * ONE}, START, &damaged);
    reputation_restore(&table, 1, kept, START + DAY, &counts);
    struct reputation found = reputation_find(&table, 1, START + DAY);
    assert_true(found.good == 4 * ONE && found.bad == 2 * ONE);
    reputation_learn(&table, 2, &(struct reputation){ONE, 3 * ONE}, START + DAY, &counts);
    for (int i = 0; i < 3; i++)
        reputation_restore(&table, 2, kept, START + DAY, &counts);
    found = reputation_find(&table, 2, START + DAY);
    assert_true(found.good == 4 * ONE && found.bad == 3 * ONE);
    reputation_restore(&table, 3, reputation_add(0, &(struct reputation){ONE, 0}, START + 9 * DAY, &damaged), START,
                       &counts);
    reputation_restore(&table, 3, kept, START + 30 * DAY, &counts);
    assert_int_equal(table_used(&table), 2); /* what is not true, and what has faded, is not there */
}

static void damage_in_a_table_is_counted_and_heals(void **state)
{
    (void)state;
    struct table table = fresh_table();
    struct table_counts counts = {0};
    reputation_learn(&table, 1, &(struct reputation){0, REPUTATION_MAX}, START + 30 * DAY, &counts);
    assert_int_equal(reputation_find(&table, 1, START).bad, 0);
    assert_int_equal(counts.damaged, 0);
    reputation_learn(&table, 1, &(struct reputation){ONE, 0}, START, &counts);
    assert_int_equal(counts.damaged, 1);
    reputation_learn(&table, 1, &(struct reputation){ONE, 0}, START, &counts);
    assert_int_equal(counts.damaged, 1);
    assert_int_equal(reputation_find(&table, 1, START).good, 2 * ONE);
}

/* The one of whom the least is remembered today, not the one who was written down with the least. */
static void who_has_faded_most_goes_first(void **state)
{
    (void)state;
    struct table table = fresh_table();
    struct table_counts counts = {0};
    reputation_learn(&table, UINT64_C(99) << 40, &(struct reputation){0, 100}, START, &counts);
    for (uint64_t i = 1; i < TABLE_WAYS; i++)
        reputation_learn(&table, i << 40, &(struct reputation){0, 50}, START + 2 * DAY, &counts);
    assert_int_equal(counts.evictions, 0);
    reputation_learn(&table, UINT64_C(50) << 40, &(struct reputation){0, 1}, START + 2 * DAY, &counts);
    assert_int_equal(counts.evictions, 1);
    assert_int_equal(reputation_find(&table, UINT64_C(99) << 40, START + 2 * DAY).bad, 0);
    assert_int_equal(reputation_find(&table, UINT64_C(50) << 40, START + 2 * DAY).bad, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_nothing),
        cmocka_unit_test(halved_each_day),
        cmocka_unit_test(what_was_just_learnt_is_read_as_it_was),
        cmocka_unit_test(it_fades_to_nothing_however_often_it_is_touched),
        cmocka_unit_test(what_comes_steadily_stays_steady),
        cmocka_unit_test(any_history_is_what_floating_point_says),
        cmocka_unit_test(more_than_the_most_stays_the_most),
        cmocka_unit_test(the_future_is_damage),
        cmocka_unit_test(any_word_is_read),
        cmocka_unit_test(what_good_and_bad_mean),
        cmocka_unit_test(a_table_remembers_and_forgets),
        cmocka_unit_test(what_was_kept_comes_back_once),
        cmocka_unit_test(damage_in_a_table_is_counted_and_heals),
        cmocka_unit_test(who_has_faded_most_goes_first),
    };
    return cmocka_run_group_tests_name("reputation", tests, NULL, NULL);
}
