/* SPDX-License-Identifier: ISC
 *
 * minutes: what workers did is in the minute in which they did it, once, whether they live or have ended; the most that
 * were busy; what a liar, a death and a clock that is set spoil, and what not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "daemon/house.h"
#include "tests/lib/fake_clock.h"
#include "workers/housekeeper/minutes.h"

enum { SLOTS = 8, ENTRIES = 1024, MINUTE_MS = 60 * 1000 };

static struct house house;
static struct slot *pages; /* all of them, writable: we are every worker */

static struct slot_facts *facts_of(int slot)
{
    return &((struct slot *)(void *)((unsigned char *)pages + slot * SLOT_BYTES))->facts;
}

static int set_up(void **state)
{
    const struct scoreboard_size size = {SLOTS, ENTRIES, ENTRIES};
    (void)state;
    house = (struct house){0};
    if (!house_open(&house, &size))
        return -1;
    pages = region_map(&house.board.regions[REGION_SLOTS]);
    house.board.history = region_map(&house.board.regions[REGION_HISTORY]);
    orders_set_slots_end(house.board.orders, SLOTS);
    return pages != NULL && house.board.history != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    munmap(pages, SLOTS * SLOT_BYTES);
    house_close(&house);
    return 0;
}

static int64_t minute_now(void)
{
    return clock_wall() / HISTORY_MINUTE_S;
}

static int64_t step(void)
{
    return minutes_step(&house.board, clock_ms());
}

/* As the housekeeper does, whenever it asked for it. */
static void go_on_until(int64_t until_ms)
{
    for (int64_t next_ms; (next_ms = step()) <= until_ms;)
        fake_clock_move_to(next_ms);
    fake_clock_move_to(until_ms);
}

static int64_t end_of_minute(void)
{
    return clock_ms() + MINUTE_MS - clock_wall_us() / 1000 % MINUTE_MS;
}

static void begin_minute(void)
{
    go_on_until(end_of_minute());
    step();
}

/* The minute under way is over; what was written of it. */
static struct history_minute end_minute(void)
{
    struct history_minute minute = {0};
    int64_t number = minute_now();
    begin_minute();
    assert_true(history_read(house.board.history, number, &minute));
    return minute;
}

static void works(int slot, uint64_t messages)
{
    scoreboard_set_tag(&house.board, slot, TAG_IDLE);
    facts_of(slot)->messages += messages;
    facts_of(slot)->sessions++;
    facts_of(slot)->bytes_in += 1000 * messages;
}

static void ends(int slot, bool crashed)
{
    struct slot_facts facts;
    assert_true(slot_read(&house.board, slot, &facts));
    house_clear_slot(&house, slot, &facts, crashed);
}

static void what_was_done_is_in_its_minute(void **state)
{
    (void)state;
    step();
    works(0, 3);
    works(5, 4);
    facts_of(5)->turned_away = 2;
    facts_of(5)->held_sessions = 3;
    facts_of(5)->refused_messages = 4;
    facts_of(5)->limited = 5;
    facts_of(5)->let_go = 6;
    struct history_minute minute = end_minute();
    static const uint64_t expected[HISTORY_VALUES] = {2, 7, 4, 7000, 3, 2, 5, 6, 0, 0, 0, 0, 0, 2};
    assert_memory_equal(minute.values, expected, sizeof(expected));
    works(0, 10);
    minute = end_minute();
    assert_int_equal(minute.values[HISTORY_SESSIONS], 1);
    assert_int_equal(minute.values[HISTORY_MESSAGES], 10);
    assert_int_equal(minute.values[HISTORY_TURNED_AWAY], 0);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 0);
}

/* Of a master that took the place of another, with its totals. */
static void what_was_done_before_is_in_no_minute(void **state)
{
    (void)state;
    house.ended.messages = 1000;
    totals_end_change(house.board.ended, &house.ended);
    works(0, 500);
    step();
    works(0, 3);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 3);
}

static void a_worker_that_ended_is_counted_once(void **state)
{
    (void)state;
    begin_minute();
    works(0, 3);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 3);
    works(0, 2);
    ends(0, true);
    works(0, 5); /* the next one, in its slot */
    struct history_minute minute = end_minute();
    assert_int_equal(minute.values[HISTORY_MESSAGES], 7);
    assert_int_equal(minute.values[HISTORY_CRASHED], 1);
    ends(0, false);
    minute = end_minute();
    assert_int_equal(minute.values[HISTORY_MESSAGES], 0);
    assert_int_equal(minute.values[HISTORY_CRASHED], 0);
    assert_int_equal(minute.values[HISTORY_WORKERS], 0);
}

static void serve(int slot, bool held)
{
    scoreboard_set_tag(&house.board, slot, (TAG_BUSY + (uint32_t)slot) | (held ? TAG_HELD : 0));
}

/* It takes a while until the master knows: all workers of a reload are so for a moment. */
static void a_worker_that_leaves_is_counted_still(void **state)
{
    (void)state;
    begin_minute();
    works(0, 1000);
    works(1, 1);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 1001);
    works(0, 2);
    works(1, 3);
    scoreboard_set_tag(&house.board, 0, TAG_LEAVING);
    struct history_minute minute = end_minute();
    assert_int_equal(minute.values[HISTORY_MESSAGES], 5);
    assert_int_equal(minute.values[HISTORY_WORKERS], 1);
    assert_int_equal(minute.values[HISTORY_BUSY], 0);
    ends(0, false);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 0);
}

static void the_most_at_once_is_remembered_for_a_minute(void **state)
{
    (void)state;
    begin_minute();
    for (int slot = 0; slot < 4; slot++)
        serve(slot, slot < 3);
    go_on_until(clock_ms() + 2 * MINUTES_LOOK_MS);
    for (int slot = 0; slot < 3; slot++)
        scoreboard_set_tag(&house.board, slot, TAG_IDLE);
    scoreboard_set_tag(&house.board, 4, TAG_STARTING);
    struct history_minute minute = end_minute();
    assert_int_equal(minute.values[HISTORY_BUSY], 1);
    assert_int_equal(minute.values[HISTORY_BUSY_MOST], 4);
    assert_int_equal(minute.values[HISTORY_HELD], 0);
    assert_int_equal(minute.values[HISTORY_HELD_MOST], 3);
    assert_int_equal(minute.values[HISTORY_WORKERS], 5);
    minute = end_minute();
    assert_int_equal(minute.values[HISTORY_BUSY_MOST], 1);
    assert_int_equal(minute.values[HISTORY_HELD_MOST], 0);
}

/* As while the master takes a worker's counts over: the minute waits a little, and is then written without. */
static void where_no_sum_holds_it_is_counted_later(void **state)
{
    struct history_minute minute;
    (void)state;
    begin_minute();
    works(0, 3);
    totals_begin_change(house.board.ended);
    int64_t number = minute_now();
    fake_clock_move_to(end_of_minute());
    assert_int_equal(step(), clock_ms() + 50);
    assert_false(history_read(house.board.history, number, &minute));
    go_on_until(clock_ms() + 6000);
    assert_true(history_read(house.board.history, number, &minute));
    assert_int_equal(minute.values[HISTORY_MESSAGES], 0);
    assert_int_equal(minute.values[HISTORY_WORKERS], 1);
    totals_end_change(house.board.ended, &house.ended);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 3);
}

static struct slot *slot_at(int slot)
{
    return (struct slot *)(void *)((unsigned char *)pages + slot * SLOT_BYTES);
}

/* It had to wait for the processor while it wrote: the minute waits for it. */
static void who_writes_is_waited_for(void **state)
{
    struct history_minute minute;
    (void)state;
    begin_minute();
    works(0, 1000);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 1000);
    int64_t number = minute_now();
    works(0, 3);
    atomic_fetch_add(&slot_at(0)->sequence, 1);
    fake_clock_move_to(end_of_minute());
    assert_int_equal(step(), clock_ms() + 50);
    atomic_fetch_add(&slot_at(0)->sequence, 1);
    step();
    assert_true(history_read(house.board.history, number, &minute));
    assert_int_equal(minute.values[HISTORY_MESSAGES], 3);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 0);
}

static void who_never_stops_writing_is_left_out(void **state)
{
    (void)state;
    atomic_store(&slot_at(1)->sequence, 1);
    works(1, 1000);
    begin_minute();
    go_on_until(clock_ms() + 6000);
    works(0, 3);
    fake_clock_move_to(end_of_minute() - 1000);
    struct history_minute minute = {0};
    int64_t number = minute_now();
    begin_minute();
    go_on_until(clock_ms() + 6000);
    assert_true(history_read(house.board.history, number, &minute));
    assert_int_equal(minute.values[HISTORY_MESSAGES], 3);
}

static void a_lie_spoils_no_minute_but_its_own(void **state)
{
    (void)state;
    begin_minute();
    works(0, 3);
    facts_of(1)->messages = UINT64_MAX - 5;
    scoreboard_set_tag(&house.board, 1, TAG_IDLE);
    assert_true(end_minute().values[HISTORY_MESSAGES] <= HISTORY_MOST);
    works(0, 4);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 4);
    ends(1, true); /* its lie stays in the sum */
    works(0, 5);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 5);
    facts_of(0)->messages = 0;
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 0);
    works(0, 6);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 6);
}

static void a_slot_that_nobody_is_at_is_not_touched(void **state)
{
    (void)state;
    works(0, 1);
    uint64_t before = scoreboard_cost(&house.board, REGION_SLOTS).resident_bytes;
    end_minute();
    assert_int_equal(scoreboard_cost(&house.board, REGION_SLOTS).resident_bytes, before);
}

/* A housekeeper for real, with its own view, which dies before the minute is over. */
static void die_in_the_minute(int messages)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        works(0, (uint64_t)messages);
        serve(2, true);
        if (!scoreboard_enter_as(&house.board, ROLE_HOUSEKEEPER))
            _exit(1);
        minutes_step(&house.board, clock_ms());
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    scoreboard_set_tag(&house.board, 2, TAG_IDLE);
}

static void the_next_housekeeper_goes_on(void **state)
{
    (void)state;
    begin_minute();
    die_in_the_minute(3);
    die_in_the_minute(4);
    struct history_minute minute = end_minute();
    assert_int_equal(minute.values[HISTORY_MESSAGES], 7);
    assert_int_equal(minute.values[HISTORY_HELD_MOST], 1);
}

static void nobody_was_there_for_a_while(void **state)
{
    struct history_minute minute;
    (void)state;
    begin_minute();
    int64_t number = minute_now();
    works(0, 3);
    fake_clock_move_to(clock_ms() + 10 * MINUTE_MS);
    step();
    assert_true(history_read(house.board.history, number, &minute));
    assert_int_equal(minute.values[HISTORY_MESSAGES], 3);
    for (int64_t i = 1; i < 10; i++)
        assert_false(history_read(house.board.history, number + i, &minute));
    works(0, 4);
    assert_int_equal(end_minute().values[HISTORY_MESSAGES], 4);
}

static void nonsense_to_go_by_does_no_harm(void **state)
{
    static const int64_t numbers[] = {INT64_MAX, INT64_MIN, -1, 1, INT64_MAX / 2};
    (void)state;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        memset(&house.board.history->now, 0xff, sizeof(house.board.history->now));
        house.board.history->now.number = numbers[i];
        step();
        works(0, 3);
        struct history_minute minute = end_minute();
        for (int value = 0; value < HISTORY_VALUES; value++)
            assert_true(minute.values[value] <= HISTORY_MOST);
        works(0, 2);
        assert_int_equal(end_minute().values[HISTORY_MESSAGES], 2);
    }
}

#define IT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(what_was_done_is_in_its_minute),
        IT(what_was_done_before_is_in_no_minute),
        IT(a_worker_that_ended_is_counted_once),
        IT(a_worker_that_leaves_is_counted_still),
        IT(the_most_at_once_is_remembered_for_a_minute),
        IT(where_no_sum_holds_it_is_counted_later),
        IT(who_writes_is_waited_for),
        IT(who_never_stops_writing_is_left_out),
        IT(a_lie_spoils_no_minute_but_its_own),
        IT(a_slot_that_nobody_is_at_is_not_touched),
        IT(the_next_housekeeper_goes_on),
        IT(nobody_was_there_for_a_while),
        IT(nonsense_to_go_by_does_no_harm),
    };
    return cmocka_run_group_tests_name("minutes", tests, NULL, NULL);
}
