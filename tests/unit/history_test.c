/* SPDX-License-Identifier: ISC
 *
 * history: a minute is found by its number alone, for a day; whatever stands in the region comes out in range.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/history.h"

enum { NOW = 29454480 /* 2026-01-01 12:00 */, MINUTES = 20000, PATIENCE_S = 60, SCRIBBLES = 200 };

static int set_up(void **state)
{
    void *at = mmap(NULL, sizeof(struct history), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *state = at;
    return at != MAP_FAILED ? 0 : -1;
}

static int tear_down(void **state)
{
    return munmap(*state, sizeof(struct history));
}

static struct history_minute minute_of(int64_t number, uint64_t value)
{
    struct history_minute minute = {.number = number};
    for (int i = 0; i < HISTORY_VALUES; i++)
        minute.values[i] = value;
    return minute;
}

static void write_one(struct history *history, int64_t number, uint64_t value)
{
    struct history_minute minute = minute_of(number, value);
    history_write(history, &minute);
}

static void what_was_written_is_read(void **state)
{
    struct history_minute minute;
    assert_false(history_read(*state, NOW, &minute));
    write_one(*state, NOW, 4711);
    assert_true(history_read(*state, NOW, &minute));
    assert_int_equal(minute.number, NOW);
    assert_int_equal(minute.values[HISTORY_SESSIONS], 4711);
    assert_int_equal(minute.values[HISTORY_WORKERS], 4711);
    assert_false(history_read(*state, NOW - 1, &minute));
    write_one(*state, NOW, 1);
    assert_true(history_read(*state, NOW, &minute));
    assert_int_equal(minute.values[HISTORY_MESSAGES], 1);
}

static void a_day_is_kept_and_yesterday_is_not_today(void **state)
{
    struct history_minute minute;
    for (int64_t i = 0; i < 2 * HISTORY_MINUTES + 7; i++)
        write_one(*state, NOW + i, (uint64_t)i);
    int64_t end = NOW + 2 * HISTORY_MINUTES + 7;
    for (int64_t number = end - HISTORY_MINUTES; number < end; number++) {
        assert_true(history_read(*state, number, &minute));
        assert_int_equal(minute.values[HISTORY_BUSY], number - NOW);
    }
    assert_false(history_read(*state, end - HISTORY_MINUTES - 1, &minute));
    assert_false(history_read(*state, end, &minute));
}

static void nonsense_comes_out_in_range(void **state)
{
    struct history *history = *state;
    srandom(4711);
    for (int round = 0; round < SCRIBBLES; round++) {
        uint32_t *words = *state;
        for (size_t i = 0; i < sizeof(*history) / sizeof(*words); i++)
            words[i] = round == 0 ? UINT32_MAX : (uint32_t)random() << 1 ^ (uint32_t)random();
        for (int64_t number = NOW; number < NOW + HISTORY_MINUTES; number++) {
            struct history_minute minute;
            struct history_row *row = &history->rows[number % HISTORY_MINUTES];
            if (round % 2 == 1) { /* what looks like a minute */
                row->minute.number = number;
                atomic_store(&row->sequence, 2);
            }
            assert_int_equal(history_read(history, number, &minute), round % 2 == 1);
            for (int i = 0; i < HISTORY_VALUES; i++)
                assert_true(minute.values[i] <= HISTORY_MOST);
        }
    }
}

static void numbers_that_are_no_minutes_are_not_there(void **state)
{
    static const int64_t wrong[] = {0, -1, INT64_MIN, INT64_MAX};
    struct history_minute minute;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_false(history_read(*state, wrong[i], &minute));
    write_one(*state, INT64_MAX, 1); /* by a housekeeper that goes by nonsense */
    write_one(*state, INT64_MIN, 1);
    write_one(*state, -1, 1);
    assert_false(history_read(*state, -1, &minute));
}

static void a_minute_left_half_written_is_mended_by_the_next(void **state)
{
    struct history *history = *state;
    struct history_minute minute;
    write_one(history, NOW, 1);
    atomic_fetch_or(&history->rows[NOW % HISTORY_MINUTES].sequence, 1u);
    assert_false(history_read(history, NOW, &minute));
    write_one(history, NOW + HISTORY_MINUTES, 2);
    assert_true(history_read(history, NOW + HISTORY_MINUTES, &minute));
}

static _Noreturn void write_for_ever(struct history *history)
{
    for (uint64_t i = 0;; i++)
        write_one(history, NOW, i);
}

static void no_minute_is_read_half_old_half_new(void **state)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        write_for_ever(*state);
    alarm(PATIENCE_S);
    for (struct history_minute minute = {0}; minute.values[0] < MINUTES;) {
        if (!history_read(*state, NOW, &minute))
            continue;
        for (int value = 1; value < HISTORY_VALUES; value++)
            assert_int_equal(minute.values[value], minute.values[0]);
    }
    alarm(0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

static void each_value_has_a_name_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < HISTORY_VALUES; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(history_value_name((enum history_value)i),
                                    history_value_name((enum history_value)j));
}

#define WITH_HISTORY(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HISTORY(what_was_written_is_read),
        WITH_HISTORY(a_day_is_kept_and_yesterday_is_not_today),
        WITH_HISTORY(nonsense_comes_out_in_range),
        WITH_HISTORY(numbers_that_are_no_minutes_are_not_there),
        WITH_HISTORY(a_minute_left_half_written_is_mended_by_the_next),
        WITH_HISTORY(no_minute_is_read_half_old_half_new),
        cmocka_unit_test(each_value_has_a_name_of_its_own),
    };
    return cmocka_run_group_tests_name("history", tests, NULL, NULL);
}
