/* SPDX-License-Identifier: ISC
 *
 * pool: arithmetic with a clock that the test owns. A small simulation plays the master: what is asked for is there at
 * the next look. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/pool.h"

static const struct pool_options OPTIONS = {.min_spare = 5, .max_spare = 10, .max_workers = 100};

static struct pool_view view(int alive, int idle, int starting, int64_t now_ms)
{
    return (struct pool_view){.alive = alive, .idle = idle, .starting = starting, .now_ms = now_ms};
}

static struct pool_step decide(struct pool_pace *pace, struct pool_view v)
{
    return pool_decide(&OPTIONS, pace, &v);
}

static void batches_double_while_spares_are_missing(void **state)
{
    (void)state;
    struct pool_options many = {.min_spare = 1000, .max_spare = 1000, .max_workers = 1000};
    struct pool_pace pace = {0};
    static const int expected[] = {1, 2, 4, 8, 16, 32, 32, 32};
    int alive = 0;
    int64_t now = 1000;
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        struct pool_view v = view(alive, 0, alive, now);
        struct pool_step step = pool_decide(&many, &pace, &v);
        assert_int_equal(step.spawn, expected[i]);
        assert_int_equal(step.look_ms, now + POOL_STEP_MS);
        alive += step.spawn;
        now = step.look_ms;
    }
}

static void a_look_too_early_spawns_nothing(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    assert_int_equal(decide(&pace, view(0, 0, 0, 1000)).spawn, 1);
    struct pool_step step = decide(&pace, view(1, 0, 1, 1001));
    assert_int_equal(step.spawn, 0);
    assert_int_equal(step.look_ms, 1000 + POOL_STEP_MS);
}

static void no_more_than_missing_and_then_the_batch_starts_small_again(void **state)
{
    (void)state;
    struct pool_pace pace = {.batch = 32};
    assert_int_equal(decide(&pace, view(10, 2, 0, 1000)).spawn, 3);
    struct pool_step step = decide(&pace, view(13, 5, 0, 1002));
    assert_int_equal(step.spawn, 0);
    assert_int_equal(step.look_ms, 1002 + POOL_TICK_MS);
    assert_int_equal(decide(&pace, view(13, 0, 0, 1010)).spawn, 1);
}

static void starting_ones_count_as_spare(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    assert_int_equal(decide(&pace, view(5, 0, 5, 1000)).spawn, 0);
}

static void never_beyond_the_maximum(void **state)
{
    (void)state;
    struct pool_pace pace = {.batch = 32};
    struct pool_step step = decide(&pace, view(98, 0, 0, 1000));
    assert_int_equal(step.spawn, 2);
    assert_false(step.full);
    step = decide(&pace, view(100, 0, 0, 1010));
    assert_int_equal(step.spawn, 0);
    assert_true(step.full);
    assert_int_equal(step.look_ms, 1010 + POOL_TICK_MS);
}

static void a_quarter_of_the_surplus_leaves_each_second(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    assert_int_equal(decide(&pace, view(30, 30, 0, 1000)).leave, 5);
    assert_int_equal(decide(&pace, view(25, 25, 0, 1500)).leave, 0);
    assert_int_equal(decide(&pace, view(25, 25, 0, 2000)).leave, 4);
    assert_int_equal(decide(&pace, view(11, 11, 0, 4000)).leave, 1);
    assert_int_equal(decide(&pace, view(10, 10, 0, 6000)).leave, 0);
}

static void lies_are_clamped_to_what_is_alive(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    struct pool_step step = decide(&pace, view(3, 60000, 60000, 1000));
    assert_int_equal(step.leave, 0); /* three are alive: no surplus, however many claim to be idle */
    assert_int_equal(step.spawn, 1);
    step = decide(&pace, view(12, 60000, 0, 2000));
    assert_int_equal(step.leave, 1);
}

static void hidden_workers_cost_no_more_than_the_maximum(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    int alive = 0;
    for (int64_t now = 1000; now < 60000; now += POOL_STEP_MS)
        alive += decide(&pace, view(alive, 0, 0, now)).spawn;
    assert_int_equal(alive, OPTIONS.max_workers);
}

static void any_sequence_of_lies_stays_within_bounds(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    int alive = 0;
    int64_t now = 1000;
    srandom(1);
    for (int i = 0; i < 200000; i++) {
        now += random() % 5;
        struct pool_view v = view(alive, (int)(random() % 70000), (int)(random() % 70000), now);
        struct pool_step step = decide(&pace, v);
        assert_in_range(step.spawn, 0, POOL_BATCH_MAX);
        assert_in_range(step.leave, 0, OPTIONS.max_workers);
        assert_true(step.look_ms >= now && step.look_ms <= now + POOL_BACKOFF_MAX_MS);
        alive += step.spawn - step.leave;
        assert_in_range(alive, 0, OPTIONS.max_workers);
        if (alive > 0 && random() % 8 == 0) {
            alive--;
            pool_lost(&pace, (enum pool_loss)(random() % 3), random() % 3000, now);
        }
    }
}

/* Each trial fails after 10 ms; the waits between them, in order. */
static void failures_back_off_to_a_minute(void **state)
{
    (void)state;
    static const int64_t waits[] = {250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct pool_pace pace = {0};
    int64_t now = 1000;
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        assert_int_equal(decide(&pace, view(0, 0, 0, now)).spawn, 1);
        now += 10;
        pool_lost(&pace, POOL_LOSS_REFUSAL, 10, now);
        assert_int_equal(pace.failures, i + 1);
        struct pool_step step = decide(&pace, view(0, 0, 0, now));
        assert_int_equal(step.spawn, 0);
        assert_int_equal(pace.not_before_ms, now + waits[i]);
        assert_int_equal(decide(&pace, view(0, 0, 0, now + waits[i] - 1)).spawn, 0);
        now += waits[i];
    }
}

static void a_batch_that_dies_together_is_one_failure(void **state)
{
    (void)state;
    struct pool_pace pace = {.batch = 32};
    assert_int_equal(decide(&pace, view(0, 0, 0, 1000)).spawn, 5);
    for (int i = 0; i < 5; i++)
        pool_lost(&pace, POOL_LOSS_CRASH, 3, 1003 + i);
    assert_int_equal(pace.backoff_ms, POOL_BACKOFF_MIN_MS);
    assert_int_equal(pace.not_before_ms, 1003 + POOL_BACKOFF_MIN_MS);
}

static void a_trial_that_lives_opens_the_tap(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    decide(&pace, view(0, 0, 0, 1000));
    pool_lost(&pace, POOL_LOSS_REFUSAL, 1, 1001);
    int64_t now = 1001 + POOL_BACKOFF_MIN_MS;
    assert_int_equal(decide(&pace, view(0, 0, 0, now)).spawn, 1);
    struct pool_step waiting = decide(&pace, view(1, 1, 0, now + 10));
    assert_int_equal(waiting.spawn, 0); /* one at a time until it has proved itself */
    assert_int_equal(waiting.look_ms, now + POOL_YOUNG_MS);
    now += POOL_YOUNG_MS;
    assert_int_equal(decide(&pace, view(1, 1, 0, now)).spawn, 1);
    assert_int_equal(decide(&pace, view(2, 2, 0, now + POOL_STEP_MS)).spawn, 2);
    assert_int_equal(pace.failures, 0);
}

static void old_grudges_end(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    decide(&pace, view(0, 0, 0, 1000));
    pool_lost(&pace, POOL_LOSS_REFUSAL, 1, 1001);
    int64_t now = pace.not_before_ms + POOL_BACKOFF_MAX_MS;
    decide(&pace, view(5, 5, 0, now)); /* nobody was needed meanwhile */
    assert_int_equal(pace.backoff_ms, 0);
}

static void a_crash_in_old_age_is_replaced_without_back_off(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    assert_int_equal(decide(&pace, view(4, 4, 0, 1000)).spawn, 1);
    pool_lost(&pace, POOL_LOSS_CRASH, 5000, 2000);
    assert_int_equal(pace.backoff_ms, 0);
    assert_int_equal(decide(&pace, view(4, 4, 0, 2000)).spawn, 1);
    /* the next one follows at a bounded rate */
    pool_lost(&pace, POOL_LOSS_CRASH, 5000, 2001);
    assert_int_equal(decide(&pace, view(4, 4, 0, 2001)).spawn, 0);
    assert_int_equal(decide(&pace, view(4, 4, 0, 2000 + POOL_PAUSE_MS)).spawn, 1);
}

/* Deaths every 10 ms for ten seconds: neither a fork storm nor starvation. */
static void steady_deaths_are_answered_at_a_steady_rate(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    int spawned = 0;
    for (int64_t now = 1000; now < 11000; now += 10) {
        pool_lost(&pace, POOL_LOSS_CRASH, 5000, now);
        spawned += decide(&pace, view(50, 0, 0, now)).spawn;
    }
    assert_in_range(spawned, 10000 / POOL_PAUSE_MS - 1, 10000 / POOL_PAUSE_MS + 1);
}

/* Workers that say "retired" as soon as they are born must not become a fork storm either. */
static void retiring_at_once_is_slowed_down(void **state)
{
    (void)state;
    struct pool_pace pace = {0};
    int spawned = 0;
    for (int64_t now = 1000; now < 11000; now += 2) {
        int made = decide(&pace, view(0, 0, 0, now)).spawn;
        spawned += made;
        for (int i = 0; i < made; i++)
            pool_lost(&pace, POOL_LOSS_NONE, 1, now);
    }
    assert_in_range(spawned, 1, 10000 / POOL_PAUSE_MS + 1);
    assert_int_equal(pace.backoff_ms, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_double_while_spares_are_missing),
        cmocka_unit_test(a_look_too_early_spawns_nothing),
        cmocka_unit_test(no_more_than_missing_and_then_the_batch_starts_small_again),
        cmocka_unit_test(starting_ones_count_as_spare),
        cmocka_unit_test(never_beyond_the_maximum),
        cmocka_unit_test(a_quarter_of_the_surplus_leaves_each_second),
        cmocka_unit_test(lies_are_clamped_to_what_is_alive),
        cmocka_unit_test(hidden_workers_cost_no_more_than_the_maximum),
        cmocka_unit_test(any_sequence_of_lies_stays_within_bounds),
        cmocka_unit_test(failures_back_off_to_a_minute),
        cmocka_unit_test(a_batch_that_dies_together_is_one_failure),
        cmocka_unit_test(a_trial_that_lives_opens_the_tap),
        cmocka_unit_test(old_grudges_end),
        cmocka_unit_test(a_crash_in_old_age_is_replaced_without_back_off),
        cmocka_unit_test(steady_deaths_are_answered_at_a_steady_rate),
        cmocka_unit_test(retiring_at_once_is_slowed_down),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
