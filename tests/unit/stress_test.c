/* SPDX-License-Identifier: ISC
 *
 * stress: when it is on, what it makes of limits, when a wait is looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "workers/stress.h"

enum { SLOTS = 12, FIRST = 2, POOL = 10, OTHERS_BUSY = TAG_BUSY | 7 };

static struct scoreboard board;
static struct session_options options;
static struct session_setup setup;
static struct session session;

/* The pool's own slots lie between those of others, who are all busy. */
static int make_house(void **state)
{
    (void)state;
    if (!scoreboard_create(&board, &(struct scoreboard_size){SLOTS, 1024, 1024}))
        return -1;
    orders_set_slots_end(board.orders, SLOTS);
    if (!scoreboard_enter(&board, FIRST))
        return -1;
    for (int slot = 0; slot < SLOTS; slot++)
        scoreboard_set_tag(&board, slot, OTHERS_BUSY);
    options = (struct session_options){.stress_timeout_ms = 10000, .max_errors = 20, .max_commands = 200};
    setup = (struct session_setup){.board = &board, .slot = FIRST, .pool_first = FIRST, .pool_size = POOL};
    memset(&session, 0, sizeof(session));
    session.setup = &setup;
    session.options = &options;
    return 0;
}

static int clear_house(void **state)
{
    (void)state;
    scoreboard_destroy(&board);
    return 0;
}

static void occupy(int busy, uint32_t others)
{
    for (int i = 0; i < POOL; i++)
        scoreboard_set_tag(&board, FIRST + i, i < busy ? OTHERS_BUSY : others);
}

static void four_in_five_are_stress(void **state)
{
    (void)state;
    occupy(7, TAG_IDLE);
    assert_false(stress_is_on(&session));
    occupy(8, TAG_IDLE);
    assert_true(stress_is_on(&session));
    occupy(10, TAG_IDLE);
    assert_true(stress_is_on(&session));
}

/* What counts is how many there may be, not how many there are. */
static void workers_that_are_not_there_can_come(void **state)
{
    (void)state;
    occupy(7, TAG_NONE);
    assert_false(stress_is_on(&session));
    occupy(7, TAG_STARTING);
    assert_false(stress_is_on(&session));
}

static void limits_shrink_with_it(void **state)
{
    (void)state;
    session.errors = 1;
    session.idle_commands = 10;
    occupy(1, TAG_IDLE);
    assert_int_equal(stress_max_errors(&session), 20);
    assert_int_equal(stress_max_commands(&session), 200);
    occupy(9, TAG_IDLE);
    assert_int_equal(stress_max_errors(&session), 1);
    assert_int_equal(stress_max_commands(&session), 10);
}

/* From four in five to a full house delays, and the share of who may be held, go down to nothing. */
static void the_tarpit_shrinks_with_it(void **state)
{
    (void)state;
    static const struct {
        int busy, leeway, over;
    } table[] = {{0, 100, 0}, {5, 100, 0}, {8, 100, 3}, {9, 50, 7}, {10, 0, 10}};
    options.tarpit_share = 50;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (int slot = 0; slot < POOL; slot++)
            scoreboard_set_tag(&board, FIRST + slot, slot < table[i].busy ? OTHERS_BUSY | TAG_HELD : TAG_IDLE);
        assert_int_equal(stress_leeway(&session), table[i].leeway);
        assert_int_equal(stress_over_share(&session), table[i].over);
    }
    options.stress_timeout_ms = 0;
    assert_int_equal(stress_leeway(&session), 100);
    assert_int_equal(stress_over_share(&session), 5);
}

static void room_is_missing_when_none_can_come(void **state)
{
    (void)state;
    setup.min_spare = 3;
    occupy(7, TAG_IDLE);
    assert_int_equal(stress_missing(&setup), 0);
    occupy(9, TAG_STARTING);
    assert_int_equal(stress_missing(&setup), 2);
    occupy(10, TAG_IDLE);
    assert_int_equal(stress_missing(&setup), 3);
    occupy(9, TAG_NONE);
    assert_int_equal(stress_missing(&setup), 0);
}

static void it_can_be_switched_off(void **state)
{
    (void)state;
    occupy(10, TAG_IDLE);
    options.stress_timeout_ms = 0;
    session.errors = 5;
    assert_false(stress_is_on(&session));
    assert_int_equal(stress_max_errors(&session), 20);
    assert_int_equal(stress_look_at(&session, 12345), 12345);
}

static void a_long_wait_is_looked_at_in_between(void **state)
{
    (void)state;
    int64_t now = clock_ms();
    assert_int_equal(stress_look_at(&session, now + 5000), now + 5000);
    int64_t look = stress_look_at(&session, now + 300000);
    assert_true(look >= now + 10000 && look < now + 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(four_in_five_are_stress, make_house, clear_house),
        cmocka_unit_test_setup_teardown(workers_that_are_not_there_can_come, make_house, clear_house),
        cmocka_unit_test_setup_teardown(limits_shrink_with_it, make_house, clear_house),
        cmocka_unit_test_setup_teardown(the_tarpit_shrinks_with_it, make_house, clear_house),
        cmocka_unit_test_setup_teardown(room_is_missing_when_none_can_come, make_house, clear_house),
        cmocka_unit_test_setup_teardown(it_can_be_switched_off, make_house, clear_house),
        cmocka_unit_test_setup_teardown(a_long_wait_is_looked_at_in_between, make_house, clear_house),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
