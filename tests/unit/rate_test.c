/* SPDX-License-Identifier: ISC
 *
 * rate: rates, bursts and waits to the millisecond, against a token bucket in floating point, with a clock that the
 * test owns; stamps at the end of their clock; and a table that somebody scribbles over. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/rate.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static const int64_t START = 1000 * (int64_t)HOUR;
static const int64_t ROUND_MS = (INT64_C(1) << 40) / RATE_TICKS_PER_MS; /* when stamps begin anew */
static const struct rate THIRTY = {.count = 30, .window_ms = MINUTE, .burst = 10};

/* One key's stamp, and the last answer. */
static uint64_t stamp;
static struct rate_answer answer;

static int fresh(void **state)
{
    (void)state;
    stamp = 0;
    return 0;
}

static bool ask(const struct rate *rate, int64_t now_ms, enum rate_way way, uint64_t amount)
{
    answer = rate_reckon(rate, stamp, now_ms, way, amount);
    stamp = answer.stamp;
    assert_true(stamp <= TABLE_VALUE_MASK);
    assert_true(answer.allowed ? answer.wait_ms == 0 : answer.wait_ms > 0);
    return answer.allowed;
}

static int take_all(const struct rate *rate, int64_t now_ms)
{
    int taken = 0;
    while (ask(rate, now_ms, RATE_TAKE, 1))
        taken++;
    return taken;
}

static void a_burst_at_once_then_the_rate(void **state)
{
    (void)state;
    assert_int_equal(take_all(&THIRTY, START), 10);
    assert_int_equal(answer.wait_ms, 2000);
    assert_int_equal(take_all(&THIRTY, START + 1999), 0);
    assert_int_equal(answer.wait_ms, 1);
    assert_int_equal(take_all(&THIRTY, START + 2000), 1);
    assert_int_equal(take_all(&THIRTY, START + MINUTE), 10);
    assert_int_equal(take_all(&THIRTY, START + HOUR), 10);
}

/* Tried each millisecond for ten minutes. Counts that do not go into the window are rounded by less than a tick each.
 */
static void in_the_long_run_the_rate_is_right(void **state)
{
    (void)state;
    static const struct rate rates[] = {{30, MINUTE, 10}, {7, MINUTE, 7},     {1, HOUR, 1},   {1000, SECOND, 50},
                                        {13, 1001, 1},    {999, MINUTE, 100}, {3, SECOND, 30}};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        const struct rate *r = &rates[i];
        int64_t taken = 0, over = 10 * MINUTE;
        stamp = 0;
        for (int64_t now = START; now < START + over; now++)
            taken += take_all(r, now);
        double ticks = (double)r->window_ms * RATE_TICKS_PER_MS / (double)r->count;
        double expected = (double)r->burst + (double)over * (double)r->count / (double)r->window_ms;
        assert_true((double)taken >= floor(expected) - 1);
        assert_true((double)taken <= expected * (1 + 1 / ticks) + 1);
    }
}

static void a_burst_of_single_ones_always_fits(void **state)
{
    (void)state;
    for (int64_t count = 1; count < 2000; count++)
        for (int64_t burst = 1; burst <= 100; burst = burst * 3 + 1) {
            struct rate rate = {.count = count, .window_ms = MINUTE, .burst = burst};
            stamp = 0;
            assert_int_equal(take_all(&rate, START), burst);
        }
}

static void what_is_refused_costs_nothing(void **state)
{
    (void)state;
    assert_true(ask(&THIRTY, START, RATE_TAKE, 8));
    uint64_t before = stamp;
    assert_false(ask(&THIRTY, START, RATE_TAKE, 3));
    assert_int_equal(answer.wait_ms, 2000);
    assert_true(stamp == before);
    assert_true(ask(&THIRTY, START, RATE_TAKE, 2));
}

static void a_look_charges_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++)
        assert_true(ask(&THIRTY, START, RATE_LOOK, 10));
    assert_true(stamp == 0);
    assert_true(ask(&THIRTY, START, RATE_TAKE, 4));
    uint64_t before = stamp;
    assert_true(ask(&THIRTY, START, RATE_LOOK, 6));
    assert_false(ask(&THIRTY, START, RATE_LOOK, 7));
    assert_int_equal(answer.wait_ms, 2000);
    assert_true(stamp == before);
}

static void an_amount_of_nothing_asks_for_any(void **state)
{
    (void)state;
    assert_true(ask(&THIRTY, START, RATE_TAKE, 0));
    assert_true(stamp == 0);
    assert_true(ask(&THIRTY, START, RATE_TAKE, 9));
    assert_true(ask(&THIRTY, START, RATE_TAKE, 0));
    assert_true(ask(&THIRTY, START, RATE_ADD, 0));
    assert_true(ask(&THIRTY, START, RATE_RETURN, 0));
    assert_true(ask(&THIRTY, START, RATE_TAKE, 1));
    assert_false(ask(&THIRTY, START, RATE_LOOK, 0));
    assert_int_equal(answer.wait_ms, 2000);
}

static void more_than_the_burst_passes_when_all_is_paid(void **state)
{
    (void)state;
    assert_true(ask(&THIRTY, START, RATE_TAKE, 15));
    assert_false(ask(&THIRTY, START, RATE_TAKE, 15));
    assert_int_equal(answer.wait_ms, 30 * SECOND);
    assert_false(ask(&THIRTY, START + 30 * SECOND - 1, RATE_TAKE, 15));
    assert_int_equal(answer.wait_ms, 1);
    assert_true(ask(&THIRTY, START + 30 * SECOND, RATE_TAKE, UINT64_MAX));
    assert_false(ask(&THIRTY, START + 30 * SECOND, RATE_LOOK, 1)); /* charged for 20, not for ever */
    assert_int_equal(answer.wait_ms, 22 * SECOND);
    assert_false(answer.damaged);
}

static void what_has_happened_is_charged_up_to_two_bursts(void **state)
{
    (void)state;
    assert_true(ask(&THIRTY, START, RATE_ADD, 10));
    assert_false(ask(&THIRTY, START, RATE_ADD, 1));
    assert_int_equal(answer.wait_ms, 2 * SECOND); /* as it would have been */
    for (int i = 0; i < 50; i++)
        assert_false(ask(&THIRTY, START, RATE_ADD, 1));
    assert_false(ask(&THIRTY, START, RATE_LOOK, 1));
    assert_int_equal(answer.wait_ms, 22 * SECOND);
    assert_false(answer.damaged);
}

static void what_is_given_back_can_be_taken_again(void **state)
{
    (void)state;
    assert_int_equal(take_all(&THIRTY, START), 10);
    assert_true(ask(&THIRTY, START, RATE_RETURN, 3));
    assert_int_equal(take_all(&THIRTY, START), 3);
    assert_true(ask(&THIRTY, START, RATE_RETURN, 10));
    assert_true(stamp == 0);
    assert_int_equal(take_all(&THIRTY, START), 10);
    assert_true(ask(&THIRTY, START + 19 * SECOND, RATE_RETURN, 5)); /* most of it is paid for by now */
    assert_true(stamp == 0);
    assert_true(ask(&THIRTY, START, RATE_RETURN, UINT64_MAX)); /* there was nothing */
    assert_true(stamp == 0);
    assert_int_equal(take_all(&THIRTY, START), 10);
}

static void paid_stamps_go(void **state)
{
    (void)state;
    assert_true(ask(&THIRTY, START, RATE_TAKE, 1));
    assert_true(stamp != 0);
    assert_true(ask(&THIRTY, START + 1999, RATE_LOOK, 1));
    assert_true(stamp != 0);
    assert_true(ask(&THIRTY, START + 2000, RATE_LOOK, 1));
    assert_true(stamp == 0);
}

/* -- clocks */

static void the_end_of_the_clock_is_not_noticed(void **state)
{
    (void)state;
    for (int64_t begin = ROUND_MS - 25 * SECOND; begin <= ROUND_MS + SECOND; begin += 500) {
        stamp = 0;
        assert_int_equal(take_all(&THIRTY, begin), 10);
        assert_int_equal(answer.wait_ms, 2000);
        for (int64_t now = begin + 1; now < begin + 60 * SECOND; now++) {
            assert_int_equal(take_all(&THIRTY, now), (now - begin) % 2000 == 0);
            assert_false(answer.damaged);
            assert_true(stamp != 0);
        }
    }
}

/* Now and the charge add up to 2^40, which would be no stamp. */
static void a_stamp_is_never_none(void **state)
{
    (void)state;
    assert_true(ask(&THIRTY, ROUND_MS - 20 * SECOND, RATE_TAKE, 10));
    assert_true(stamp == TABLE_VALUE_MASK);
    assert_false(ask(&THIRTY, ROUND_MS - 20 * SECOND, RATE_TAKE, 1));
    assert_true(ask(&THIRTY, ROUND_MS - 18 * SECOND, RATE_TAKE, 1));
}

static void a_clock_that_is_behind_takes_nothing_for_damage(void **state)
{
    (void)state;
    assert_int_equal(take_all(&THIRTY, START), 10);
    for (int i = 0; i < 50; i++)
        ask(&THIRTY, START, RATE_ADD, 1);
    assert_false(ask(&THIRTY, START - 900, RATE_TAKE, 1));
    assert_false(answer.damaged);
    assert_int_equal(answer.wait_ms, 22900);
    uint64_t before = stamp;
    assert_false(ask(&THIRTY, START - 900, RATE_ADD, 1)); /* nor does it take back what another one charged */
    assert_true(stamp == before);
}

static void clocks_that_differ_share_one_rate(void **state)
{
    (void)state;
    int taken = 0;
    for (int64_t now = START; now < START + 10 * MINUTE; now += 7)
        taken += take_all(&THIRTY, now - (now % 3) * 300);
    assert_in_range(taken, 10 + 299, 10 + 300);
}

static void farther_ahead_than_can_be_is_damage_and_heals(void **state)
{
    (void)state;
    const uint64_t most = (2 * 20 * SECOND + SECOND) * RATE_TICKS_PER_MS, now = (uint64_t)START * RATE_TICKS_PER_MS;
    stamp = now + most;
    assert_false(ask(&THIRTY, START, RATE_LOOK, 1));
    assert_false(answer.damaged);
    stamp = now + most + 1;
    assert_true(ask(&THIRTY, START, RATE_TAKE, 1));
    assert_true(answer.damaged);
    assert_int_equal(take_all(&THIRTY, START), 9);
    assert_false(answer.damaged);
    stamp = now + most + 1;
    assert_true(ask(&THIRTY, START, RATE_LOOK, 1)); /* a look clears it away */
    assert_true(answer.damaged && stamp == 0);
    stamp = now + most + 1;
    assert_true(ask(&THIRTY, START, RATE_RETURN, 1));
    assert_true(answer.damaged && stamp == 0);
}

/* -- bounds */

static void what_is_sane(void **state)
{
    (void)state;
    static const struct rate sane[] = {{1, 1, 1},
                                       {RATE_COUNT_MAX, RATE_WINDOW_MAX_MS, RATE_COUNT_MAX},
                                       {RATE_COUNT_MAX, 1, RATE_COUNT_MAX},
                                       {1, RATE_WINDOW_MAX_MS, 2},
                                       {500, RATE_WINDOW_MAX_MS, 1000}};
    static const struct rate insane[] = {{0, 1, 1},
                                         {1, 0, 1},
                                         {1, 1, 0},
                                         {-1, 1, 1},
                                         {1, -1, 1},
                                         {1, 1, -1},
                                         {RATE_COUNT_MAX + 1, 1, 1},
                                         {1, RATE_WINDOW_MAX_MS + 1, 1},
                                         {RATE_COUNT_MAX, 1, RATE_COUNT_MAX + 1},
                                         {1, RATE_WINDOW_MAX_MS, 3},
                                         {500, RATE_WINDOW_MAX_MS, 1001},
                                         {1, RATE_WINDOW_MAX_MS, RATE_COUNT_MAX},
                                         {INT64_MAX, INT64_MAX, INT64_MAX},
                                         {INT64_MIN, INT64_MIN, INT64_MIN}};
    for (size_t i = 0; i < sizeof(sane) / sizeof(sane[0]); i++)
        assert_true(rate_is_sane(&sane[i]));
    for (size_t i = 0; i < sizeof(insane) / sizeof(insane[0]); i++)
        assert_false(rate_is_sane(&insane[i]));
}

static void the_largest_numbers_do_not_overflow(void **state)
{
    (void)state;
    struct rate rate = {RATE_COUNT_MAX, RATE_WINDOW_MAX_MS, 2 * RATE_COUNT_MAX / 2};
    assert_true(ask(&rate, START, RATE_TAKE, (uint64_t)RATE_COUNT_MAX));
    assert_false(ask(&rate, START, RATE_TAKE, (uint64_t)RATE_COUNT_MAX / 2));
    assert_int_equal(answer.wait_ms, RATE_WINDOW_MAX_MS / 2);
    assert_false(ask(&rate, START, RATE_ADD, UINT64_MAX));
    assert_false(ask(&rate, START, RATE_LOOK, UINT64_MAX));
    assert_int_equal(answer.wait_ms, 2 * RATE_WINDOW_MAX_MS);
    struct rate slowest = {1, RATE_WINDOW_MAX_MS, 2};
    stamp = 0;
    assert_int_equal(take_all(&slowest, ROUND_MS - 1), 2);
    ask(&slowest, ROUND_MS - 1, RATE_ADD, UINT64_MAX);
    ask(&slowest, ROUND_MS - 1, RATE_LOOK, 1);
    assert_int_equal(answer.wait_ms, 3 * RATE_WINDOW_MAX_MS);
    assert_false(answer.damaged);
}

/* Octets: far more than one in a tick. What comes in pieces is charged as the whole, but for a tick each. */
static void many_in_a_tick_are_charged_by_their_time(void **state)
{
    (void)state;
    struct rate rate = {INT64_C(1000000000), MINUTE, 100000000}; /* 1 GB a minute, 6 s of it at once */
    for (int i = 0; i < 100; i++)
        assert_true(ask(&rate, START, RATE_TAKE, 1000000));
    assert_false(ask(&rate, START, RATE_TAKE, 1000000));
    assert_int_equal(answer.wait_ms, 60);
    for (int i = 0; i < 1000; i++)
        assert_false(ask(&rate, START, RATE_ADD, 1)); /* not for nothing */
    assert_false(ask(&rate, START, RATE_TAKE, 1000000));
    assert_in_range(answer.wait_ms, 61, 60 + 1000 / RATE_TICKS_PER_MS + 1);
}

/* Many who wait for their turn at once stand one behind the other, and not all behind the second one. */
static void excess_keeps_a_queue_in_order(void **state)
{
    (void)state;
    struct rate rate = {.count = 1, .window_ms = SECOND, .burst = 1, .excess_ms = MINUTE};
    assert_true(rate_is_sane(&rate));
    for (int i = 0; i <= 60; i++) {
        assert_int_equal(ask(&rate, START, RATE_ADD, 1), i == 0);
        assert_int_equal(answer.wait_ms, i * SECOND);
    }
    for (int i = 0; i < 3; i++) {
        assert_false(ask(&rate, START, RATE_ADD, 1000));
        assert_int_equal(answer.wait_ms, 61 * SECOND); /* it goes no farther */
    }
    assert_false(answer.damaged);
    rate.excess_ms = SECOND / 2; /* less than the burst's time again, which it is in any case */
    assert_false(ask(&rate, START + 60 * SECOND, RATE_ADD, 1));
    assert_int_equal(answer.wait_ms, SECOND);
    assert_false(ask(&rate, START + 60 * SECOND, RATE_ADD, 1));
    assert_int_equal(answer.wait_ms, 2 * SECOND);
    rate.excess_ms = -1;
    assert_false(rate_is_sane(&rate));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_burst_at_once_then_the_rate, fresh),
        cmocka_unit_test_setup(excess_keeps_a_queue_in_order, fresh),
        cmocka_unit_test_setup(in_the_long_run_the_rate_is_right, fresh),
        cmocka_unit_test_setup(a_burst_of_single_ones_always_fits, fresh),
        cmocka_unit_test_setup(what_is_refused_costs_nothing, fresh),
        cmocka_unit_test_setup(a_look_charges_nothing, fresh),
        cmocka_unit_test_setup(an_amount_of_nothing_asks_for_any, fresh),
        cmocka_unit_test_setup(more_than_the_burst_passes_when_all_is_paid, fresh),
        cmocka_unit_test_setup(what_has_happened_is_charged_up_to_two_bursts, fresh),
        cmocka_unit_test_setup(what_is_given_back_can_be_taken_again, fresh),
        cmocka_unit_test_setup(paid_stamps_go, fresh),
        cmocka_unit_test_setup(the_end_of_the_clock_is_not_noticed, fresh),
        cmocka_unit_test_setup(a_stamp_is_never_none, fresh),
        cmocka_unit_test_setup(a_clock_that_is_behind_takes_nothing_for_damage, fresh),
        cmocka_unit_test_setup(clocks_that_differ_share_one_rate, fresh),
        cmocka_unit_test_setup(farther_ahead_than_can_be_is_damage_and_heals, fresh),
        cmocka_unit_test(what_is_sane),
        cmocka_unit_test_setup(the_largest_numbers_do_not_overflow, fresh),
        cmocka_unit_test_setup(many_in_a_tick_are_charged_by_their_time, fresh),
    };
    return cmocka_run_group_tests_name("rate", tests, NULL, NULL);
}
