/* SPDX-License-Identifier: ISC
 *
 * rate: any rate and any history, against a token bucket in floating point that owes ticks. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/rate.h"

static const int64_t ROUND_MS = (INT64_C(1) << 40) / RATE_TICKS_PER_MS; /* when stamps begin anew */

/* One key's stamp, and the last answer. */
static uint64_t stamp;
static struct rate_answer answer;

static bool ask(const struct rate *rate, int64_t now_ms, enum rate_way way, uint64_t amount)
{
    answer = rate_reckon(rate, stamp, now_ms, way, amount);
    stamp = answer.stamp;
    assert_true(stamp <= TABLE_VALUE_MASK);
    assert_true(answer.allowed ? answer.wait_ms == 0 : answer.wait_ms > 0);
    return answer.allowed;
}

struct bucket {
    double debt, tick_cost, most;
    double roundings; /* charges since the debt was nothing: as many ticks may be missing */
    double burst;
};

static double cost_in(const struct bucket *b, double amount)
{
    return fmin(fmax(1, amount * b->tick_cost), b->most);
}

static void pass_time(struct bucket *b, double ticks)
{
    b->debt = fmax(0, b->debt - ticks);
    if (b->debt == 0)
        b->roundings = 0;
}

/* What it says; only where it is nearer to the edge than the roundings, the answer that was given is right as well. */
static void compare(struct bucket *b, enum rate_way way, uint64_t amount)
{
    double cost = cost_in(b, (double)amount), over = b->debt == 0 ? 0 : b->debt + cost - fmax(b->burst, cost);
    bool allowed = way == RATE_RETURN || over <= 0;
    if (fabs(over) > b->roundings + 1)
        assert_true(answer.allowed == allowed);
    if (!answer.allowed)
        assert_true(fabs((double)answer.wait_ms - over / RATE_TICKS_PER_MS) <= b->roundings / RATE_TICKS_PER_MS + 1);
    if (way == RATE_ADD || (way == RATE_TAKE && answer.allowed))
        b->debt = fmax(b->debt, fmin(b->debt + cost, b->most));
    if (way == RATE_RETURN)
        b->debt = fmax(0, b->debt - cost);
    b->roundings += way != RATE_LOOK;
}

static double debt_in_stamp(int64_t now_ms)
{
    return stamp == 0 ? 0 : (double)((stamp - (uint64_t)now_ms * RATE_TICKS_PER_MS) & TABLE_VALUE_MASK);
}

static int64_t up_to(int64_t most)
{
    return ((int64_t)random() << 31 | random()) % most + 1;
}

/* Of any size, small ones as often as large ones. */
static int64_t any_up_to(int64_t most)
{
    int64_t bound = most >> random() % 40;
    return up_to(bound < 1 ? 1 : bound);
}

static struct rate any_rate(void)
{
    struct rate rate;
    do {
        rate = (struct rate){any_up_to(RATE_COUNT_MAX), any_up_to(RATE_WINDOW_MAX_MS), any_up_to(RATE_COUNT_MAX)};
    } while (!rate_is_sane(&rate));
    return rate;
}

static void the_wait_is_right_to_the_millisecond(const struct rate *rate, int64_t now_ms, uint64_t amount)
{
    int64_t wait_ms = rate_reckon(rate, stamp, now_ms, RATE_LOOK, amount).wait_ms;
    if (wait_ms == 0)
        return;
    assert_true(rate_reckon(rate, stamp, now_ms + wait_ms, RATE_LOOK, amount).allowed);
    assert_false(rate_reckon(rate, stamp, now_ms + wait_ms - 1, RATE_LOOK, amount).allowed);
}

static void any_history_is_what_a_bucket_says(void **state)
{
    (void)state;
    srandom(1);
    for (int history = 0; history < 2000; history++) {
        struct rate rate = any_rate();
        double tick_cost = (double)rate.window_ms * RATE_TICKS_PER_MS / (double)rate.count;
        double burst = fmax(1, floor((double)rate.burst * tick_cost));
        struct bucket bucket = {.tick_cost = tick_cost, .burst = burst, .most = 2 * burst};
        int64_t now = ROUND_MS - up_to(rate.window_ms * 10);
        stamp = 0;
        for (int i = 0; i < 300; i++) {
            enum rate_way way = (enum rate_way)(random() % 4);
            uint64_t amount = (uint64_t)up_to(random() % 4 == 0 ? 3 * rate.burst : rate.burst / 5 + 1);
            int64_t passed = random() % 2 == 0 ? 0 : up_to((int64_t)(burst / 16 / 3) + 2) - 1;
            now += passed;
            pass_time(&bucket, (double)passed * RATE_TICKS_PER_MS);
            the_wait_is_right_to_the_millisecond(&rate, now, amount);
            ask(&rate, now, way, amount);
            compare(&bucket, way, amount);
            assert_true(fabs(debt_in_stamp(now) - bucket.debt) <= bucket.roundings + 1);
            assert_false(answer.damaged);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_history_is_what_a_bucket_says),
    };
    return cmocka_run_group_tests_name("rate_bucket", tests, NULL, NULL);
}
