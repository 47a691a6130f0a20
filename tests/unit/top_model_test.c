/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/ctl/top_model.h"

#include "tests/unit/top_rig.h"

enum { MINUTE = 29866420 }; /* 2026-10-14T13:40Z */

static struct top_model model;

static int clear(void **state)
{
    (void)state;
    top_model_clear(&model);
    return 0;
}

static void hear(const char *text, int64_t now_ms, int64_t minute)
{
    struct answer answer = answer_of(text);
    top_model_take_status(&model, &answer, now_ms, minute);
    assert_null(answer.records);
}

static void hear_history(const char *text)
{
    struct answer answer = answer_of(text);
    top_model_take_history(&model, &answer);
}

static void assert_series(enum top_series series, int64_t minute, int count, const int64_t *expected)
{
    int64_t values[TOP_MINUTES];
    top_model_series(&model, series, minute, count, values);
    for (int i = 0; i < count; i++)
        assert_int_equal(values[i], expected[i]);
}

/* -- rates */

static void test_rates_are_what_changed(void **state)
{
    (void)state;
    hear("totals sessions=100 messages=50 bytes_in=1000\nok\n", 10000, MINUTE);
    assert_false(model.rates_known);
    hear("totals sessions=110 messages=50 bytes_in=5096 held_sessions=1\nok\n", 12000, MINUTE);
    assert_true(model.rates_known);
    assert_true(model.per_s[TOP_RATE_SESSIONS] == 5 && model.per_s[TOP_RATE_MESSAGES] == 0);
    assert_true(model.per_s[TOP_RATE_BYTES] == 2048 && model.per_s[TOP_RATE_HELD] == 0.5);
}

static void test_no_rates_over_a_restart(void **state)
{
    (void)state;
    hear("totals sessions=100 messages=50\nok\n", 10000, MINUTE);
    hear("totals sessions=3 messages=60\nok\n", 11000, MINUTE);
    assert_false(model.rates_known);
    hear("totals sessions=4 messages=60\nok\n", 12000, MINUTE);
    assert_true(model.rates_known && model.per_s[TOP_RATE_SESSIONS] == 1);
    top_model_lost(&model);
    hear("totals sessions=40 messages=60\nok\n", 13000, MINUTE);
    assert_false(model.rates_known);
    hear("totals sessions=41 messages=60\nok\n", 13000, MINUTE); /* at the same moment */
    assert_false(model.rates_known);
}

/* Nobody could be forked, say: the next answer is no leap from nothing. */
static void test_no_rates_over_a_refusal(void **state)
{
    (void)state;
    hear("totals sessions=1000000\nok\n", 10000, MINUTE);
    hear("error why=\"Cannot allocate memory\" try=\"\"\n", 11000, MINUTE);
    assert_false(model.rates_known);
    hear("totals sessions=1000004\nok\n", 12000, MINUTE);
    assert_false(model.rates_known);
    assert_series(TOP_SESSIONS_SERIES, MINUTE, 1, (int64_t[]){0});
    hear("totals sessions=1000005\nok\n", 13000, MINUTE);
    assert_true(model.rates_known && model.per_s[TOP_RATE_SESSIONS] == 1);
}

static void test_numbers_that_cannot_be(void **state)
{
    (void)state;
    hear("totals sessions=-9223372036854775808 messages=true\nlistener busy=-1\nok\n", 1, MINUTE);
    hear("totals sessions=9223372036854775807 messages=\"x\"\nok\n", 2, MINUTE);
    hear("totals\nok\n", 3, MINUTE);
    hear("totals sessions=9223372036854775807\nlistener busy=9223372036854775807\nok\n", 4, MINUTE);
    hear("error why=\"no\" try=\"\"\n", 5, MINUTE);
    assert_series(TOP_SESSIONS_SERIES, MINUTE, 1, (int64_t[]){INT64_C(1) << 53});
    assert_series(TOP_BUSY_SERIES, MINUTE, 1, (int64_t[]){INT64_C(1) << 53});
}

/* -- the hour */

static void test_minutes_that_were_seen(void **state)
{
    (void)state;
    hear("totals messages=100\nlistener busy=1 held=1\nlistener busy=1\ndraining busy=1 held=0\nok\n", 1000, MINUTE);
    hear("totals messages=110\nlistener busy=9 held=0\nok\n", 2000, MINUTE);
    hear("totals messages=115\nlistener busy=5 held=2\nok\n", 3000, MINUTE);
    hear("totals messages=116\nlistener busy=1 held=0\nok\n", 4000, MINUTE + 2);
    assert_series(TOP_MESSAGES_SERIES, MINUTE + 2, 4, (int64_t[]){-1, 15, -1, 1});
    assert_series(TOP_BUSY_SERIES, MINUTE + 2, 3, (int64_t[]){9, -1, 1});
    assert_series(TOP_HELD_SERIES, MINUTE + 2, 3, (int64_t[]){2, -1, 0});
    assert_series(TOP_MESSAGES_SERIES, MINUTE + TOP_MINUTES, 1, (int64_t[]){-1}); /* it is an hour later */
}

static void test_what_is_remembered_counts_more(void **state)
{
    (void)state;
    hear("totals messages=0 sessions=0\nok\n", 1000, MINUTE - 1);
    hear("totals messages=5 sessions=5\nok\n", 2000, MINUTE - 1);
    hear("totals messages=6 sessions=6\nok\n", 3000, MINUTE);
    assert_int_equal(model.history, TOP_HISTORY_NOT_ASKED);
    hear_history("minute time=\"2026-10-14T13:37Z\" ago=3 sessions=7 messages=70 busy=1 busy_most=4 held_most=2\n"
                 "minute time=\"2026-10-14T13:39Z\" ago=1 sessions=8 messages=80 busy=1 busy_most=5 held_most=3\n"
                 "minute time=\"2026-10-14T13:40Z\" ago=0 sessions=9 messages=90\nok\n");
    assert_int_equal(model.history, TOP_HISTORY_THERE);
    assert_series(TOP_MESSAGES_SERIES, MINUTE, 4, (int64_t[]){70, -1, 80, 1});
    assert_series(TOP_SESSIONS_SERIES, MINUTE, 4, (int64_t[]){7, -1, 8, 1});
    assert_series(TOP_BUSY_SERIES, MINUTE - 1, 3, (int64_t[]){4, -1, 0});
    assert_series(TOP_HELD_SERIES, MINUTE, 4, (int64_t[]){2, -1, 3, 0});
}

static void test_a_day_of_history(void **state)
{
    (void)state;
    char line[CONTROL_RECORD_MAX];
    struct answer answer = {0};
    for (int i = 0; i < 24 * 60; i++) { /* of the day before, and of the day itself up to 13:39 */
        int minute = (i + 13 * 60 + 40) % (24 * 60);
        snprintf(line, sizeof(line), "minute time=\"2026-10-%dT%02d:%02dZ\" messages=%d", i < 10 * 60 + 20 ? 13 : 14,
                 minute / 60, minute % 60, i);
        assert_true(answer_add(&answer, slice_of(line)));
    }
    assert_true(answer_add(&answer, slice_of("ok")));
    top_model_take_history(&model, &answer);
    assert_series(TOP_MESSAGES_SERIES, MINUTE, 3, (int64_t[]){1438, 1439, -1});
    int64_t values[TOP_MINUTES];
    top_model_series(&model, TOP_MESSAGES_SERIES, MINUTE, TOP_MINUTES, values);
    assert_int_equal(values[0], 1381);
}

static void test_history_that_cannot_be(void **state)
{
    (void)state;
    hear_history("minute time=\"2026-13-45T99:99Z\" messages=1\nminute time=\"2026-10-14\" messages=1\nminute\n"
                 "minute time=\"1066-10-14T00:00Z\" messages=1\nminute time=\"2026-10-14T13:39Z \" messages=1\n"
                 "minute time=7\nhour time=\"2026-10-14T13:39Z\" messages=1\nok\n");
    assert_series(TOP_MESSAGES_SERIES, MINUTE, 3, (int64_t[]){-1, -1, -1});
    hear_history("error why=\"there is no such verb\" try=\"\"\n");
    assert_int_equal(model.history, TOP_HISTORY_NONE);
    assert_series(TOP_MESSAGES_SERIES, 0, 2, (int64_t[]){-1, 0}); /* the first minute of all is no negative one's */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_rates_are_what_changed, clear),
        cmocka_unit_test_teardown(test_no_rates_over_a_restart, clear),
        cmocka_unit_test_teardown(test_no_rates_over_a_refusal, clear),
        cmocka_unit_test_teardown(test_numbers_that_cannot_be, clear),
        cmocka_unit_test_teardown(test_minutes_that_were_seen, clear),
        cmocka_unit_test_teardown(test_what_is_remembered_counts_more, clear),
        cmocka_unit_test_teardown(test_a_day_of_history, clear),
        cmocka_unit_test_teardown(test_history_that_cannot_be, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
