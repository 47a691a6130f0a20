/* SPDX-License-Identifier: ISC
 *
 * store_watch: a storekeeper that is silent for longer than another would take to begin is said to be, once; and so is
 * that it answers again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/housekeeper/store_watch.h"

enum { DEADLINE_MS = 60000, LONG_MS = 10 * DEADLINE_MS, BEGAN_MS = 7000 };

static struct store_board board;
static const struct store_options options = {.directory = "/there", .deadline_ms = DEADLINE_MS};
static struct store_watch watch;
static char said[RECORD_MAX + 1];
static enum level said_at;

static void take_line(enum level level, const char *text)
{
    said_at = level;
    snprintf(said, sizeof(said), "%s", text);
}

static void is_alive(bool alive)
{
    atomic_store(&board.head.state, STORE_WORKING);
    atomic_store(&board.head.beat_ms, clock_ms() + (alive ? LONG_MS : -LONG_MS));
}

static int set_up(void **state)
{
    (void)state;
    log_to_function(take_line);
    is_alive(true);
    store_watch_init(&watch, &board, &options, BEGAN_MS);
    said[0] = '\0';
    return 0;
}

/* What it says meanwhile stands in `said`. */
static void step_until(int64_t from_ms, int64_t to_ms)
{
    said[0] = '\0';
    for (int64_t now_ms = from_ms; now_ms <= to_ms;)
        now_ms = store_watch_step(&watch, now_ms);
}

static void expect_said(enum level level, const char *words)
{
    assert_non_null(strstr(said, words));
    assert_non_null(strstr(said, "directory=/there"));
    assert_int_equal(said_at, level);
}

static void silence_is_said_once_and_its_end_too(void **state)
{
    int64_t lost_ms = BEGAN_MS + LONG_MS, back_ms = lost_ms + LONG_MS;
    (void)state;
    step_until(BEGAN_MS, lost_ms - 1);
    assert_string_equal(said, "");
    is_alive(false);
    step_until(lost_ms, lost_ms + STORE_WATCH_PATIENCE_MS - STORE_WATCH_MS - 1);
    assert_string_equal(said, "");
    step_until(lost_ms, lost_ms + STORE_WATCH_PATIENCE_MS);
    expect_said(LEVEL_ERROR, "state=silent ");
    step_until(lost_ms + STORE_WATCH_PATIENCE_MS, back_ms - 1);
    assert_string_equal(said, "");
    is_alive(true);
    step_until(back_ms, back_ms + STORE_WATCH_MS);
    expect_said(LEVEL_NOTICE, "state=answers ");
    step_until(back_ms + STORE_WATCH_MS, back_ms + LONG_MS);
    assert_string_equal(said, "");
}

static void one_in_its_place_has_time_to_begin(void **state)
{
    int64_t now_ms = BEGAN_MS;
    (void)state;
    for (int i = 0; i < 10; i++, now_ms += STORE_WATCH_PATIENCE_MS) {
        is_alive(false);
        step_until(now_ms, now_ms + STORE_WATCH_PATIENCE_MS - STORE_WATCH_MS);
        is_alive(true);
        step_until(now_ms + STORE_WATCH_PATIENCE_MS - STORE_WATCH_MS, now_ms + STORE_WATCH_PATIENCE_MS - 1);
        assert_string_equal(said, "");
    }
}

static void where_no_store_is_nobody_is_silent(void **state)
{
    static const struct store_options none = {.directory = NULL, .deadline_ms = DEADLINE_MS};
    (void)state;
    is_alive(false);
    store_watch_init(&watch, &board, &none, BEGAN_MS);
    assert_int_equal(store_watch_step(&watch, BEGAN_MS + LONG_MS), CLOCK_NEVER);
    store_watch_init(&watch, &board, NULL, BEGAN_MS);
    assert_int_equal(store_watch_step(&watch, BEGAN_MS + LONG_MS), CLOCK_NEVER);
    assert_string_equal(said, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(silence_is_said_once_and_its_end_too, set_up),
        cmocka_unit_test_setup(one_in_its_place_has_time_to_begin, set_up),
        cmocka_unit_test_setup(where_no_store_is_nobody_is_silent, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
