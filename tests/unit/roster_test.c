/* SPDX-License-Identifier: ISC
 *
 * roster: who is where; room for those who come; signals to the right ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/roster.h"

enum { SIZE = 32, NOBODY = 0x3fffff00 /* no process has it: signals to it go nowhere */ };

static int set_up(void **state)
{
    static struct roster roster;
    *state = &roster;
    return roster_open(&roster, SIZE) ? 0 : -1;
}

static int tear_down(void **state)
{
    roster_close(*state);
    return 0;
}

static void put(struct roster *roster, int slot, uint32_t generation)
{
    roster_add(roster, slot, &(struct roster_entry){.pid = NOBODY + slot, .generation = generation});
}

static void the_end_follows_who_is_there(void **state)
{
    struct roster *roster = *state;
    assert_int_equal(roster->end, 0);
    put(roster, 3, 1);
    put(roster, 9, 1);
    put(roster, 8, 2);
    assert_int_equal(roster->end, 10);
    assert_int_equal(roster_total(roster), 3);
    assert_int_equal(roster_of_generation(roster, 1), 2);
    assert_int_equal(roster_find(roster, NOBODY + 9), 9);
    roster_remove(roster, 9);
    assert_int_equal(roster->end, 9);
    assert_int_equal(roster_find(roster, NOBODY + 9), -1);
    roster_remove(roster, 3);
    assert_int_equal(roster->end, 9);
    roster_remove(roster, 8);
    assert_int_equal(roster->end, 0);
    assert_int_equal(roster_alive(roster, 0, SIZE), 0);
}

static void free_slots_are_found_behind_the_end(void **state)
{
    struct roster *roster = *state;
    put(roster, 4, 1);
    assert_int_equal(roster_free_slot(roster, 4, 4), 5);
    assert_int_equal(roster_free_slot(roster, 20, 4), 20);
    assert_int_equal(roster_alive(roster, 20, 4), 0);
    assert_int_equal(roster_alive(roster, 2, 8), 1);
}

static void room_is_where_nobody_is_and_nobody_comes(void **state)
{
    struct roster *roster = *state;
    const struct slot_range taken[] = {{8, 4}, {0, 2}};
    assert_int_equal(roster_find_room(roster, SIZE, NULL, 0), 0);
    assert_int_equal(roster_find_room(roster, 2, taken, 2), 2);
    assert_int_equal(roster_find_room(roster, 6, taken, 2), 2);
    assert_int_equal(roster_find_room(roster, 7, taken, 2), 12);
    assert_int_equal(roster_find_room(roster, 20, taken, 2), 12);
    assert_int_equal(roster_find_room(roster, 21, taken, 2), -1);
    put(roster, 5, 1);
    assert_int_equal(roster_find_room(roster, 3, taken, 2), 2);
    assert_int_equal(roster_find_room(roster, 4, taken, 2), 12);
    put(roster, 31, 1);
    assert_int_equal(roster_find_room(roster, 19, taken, 2), 12);
    assert_int_equal(roster_find_room(roster, 20, taken, 2), -1);
}

/* Against the plainest way to find it. */
static void room_is_the_first_there_is(void **state)
{
    struct roster *roster = *state;
    srandom(1);
    for (int round = 0; round < 2000; round++) {
        bool used[SIZE] = {false};
        struct slot_range taken = {(int)(random() % SIZE), 1 + (int)(random() % 8)};
        int count = 1 + (int)(random() % 12), expected = -1;
        for (int slot = 0; slot < SIZE; slot++) {
            bool there = random() % 6 == 0;
            if (there)
                put(roster, slot, 1);
            used[slot] = there || (slot >= taken.first && slot < taken.first + taken.count);
        }
        for (int first = SIZE - count; first >= 0; first--) {
            bool fits = true;
            for (int slot = first; slot < first + count; slot++)
                fits &= !used[slot];
            expected = fits ? first : expected;
        }
        assert_int_equal(roster_find_room(roster, count, &taken, 1), expected);
        for (int slot = 0; slot < SIZE; slot++)
            roster_remove(roster, slot);
    }
}

static pid_t a_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        for (;;)
            pause();
    return pid;
}

static void a_signal_meets_its_generation_alone(void **state)
{
    struct roster *roster = *state;
    int status;
    pid_t one = a_process(), two = a_process();
    roster_add(roster, 3, &(struct roster_entry){.pid = one, .generation = 1});
    roster_add(roster, 7, &(struct roster_entry){.pid = two, .generation = 2});
    roster_signal_generation(roster, 2, SIGKILL);
    assert_int_equal(waitpid(two, &status, 0), two);
    assert_int_equal(waitpid(one, &status, WNOHANG), 0);
    assert_int_equal(roster_remove(roster, 7).told, SIGKILL);
    assert_int_equal(roster->entries[3].told, 0);
    roster_signal_all(roster, SIGTERM);
    assert_int_equal(waitpid(one, &status, 0), one);
    assert_int_equal(WTERMSIG(status), SIGTERM);
    roster_remove(roster, 3);
}

#define IT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(the_end_follows_who_is_there),
        IT(free_slots_are_found_behind_the_end),
        IT(room_is_where_nobody_is_and_nobody_comes),
        IT(room_is_the_first_there_is),
        IT(a_signal_meets_its_generation_alone),
    };
    return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
