/* SPDX-License-Identifier: ISC
 *
 * totals: who adds up while a worker's counts go over from its slot counts them once, or knows that he has to begin
 * again.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/house.h"

enum { SLOTS = 4, ENTRIES = 1024, WORKERS = 1000, PAUSE_NS = 20000, EACH = 1000, PATIENCE_S = 60 };

static struct house house;

static int set_up(void **state)
{
    const struct scoreboard_size size = {SLOTS, ENTRIES, ENTRIES};
    (void)state;
    house = (struct house){0};
    return house_open(&house, &size) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    house_close(&house);
    return 0;
}

static void every_count_of_a_slot_is_in_the_totals(void **state)
{
    (void)state;
    struct slot_facts facts = {0};
    struct totals totals = {0}, expected;
    facts.sessions = facts.messages = facts.refused_messages = facts.bytes_in = facts.unheard = EACH;
    facts.held_sessions = facts.held_ms = facts.let_go = facts.limited = facts.turned_away = EACH;
    facts.tables = (struct table_counts){EACH, EACH, EACH};
    facts.log_dropped = facts.inside_waits = facts.inside_wait_ms = EACH;
    totals_add(&totals, &facts);
    for (size_t i = 0; i < sizeof(expected) / sizeof(uint64_t); i++)
        ((uint64_t *)(void *)&expected)[i] = EACH;
    expected.crashed = 0; /* the master's */
    assert_memory_equal(&totals, &expected, sizeof(totals));
}

static void nothing_holds_while_it_changes(void **state)
{
    struct totals totals;
    uint32_t sequence;
    (void)state;
    assert_true(totals_read(house.board.ended, &totals, &sequence));
    assert_true(totals_holds(house.board.ended, sequence));
    totals_begin_change(house.board.ended);
    assert_false(totals_holds(house.board.ended, sequence));
    assert_false(totals_read(house.board.ended, &totals, &sequence));
    house.ended.messages = 3;
    totals_end_change(house.board.ended, &house.ended);
    assert_true(totals_read(house.board.ended, &totals, &sequence));
    assert_int_equal(totals.messages, 3);
}

/* The master, and all workers, of which each says EACH messages and ends. */
static _Noreturn void work_and_end(void)
{
    static const struct timespec pause = {.tv_nsec = PAUSE_NS};
    struct slot *page = region_map_part(&house.board.regions[REGION_SLOTS], SLOT_BYTES, SLOT_BYTES);
    for (;;) {
        struct slot_facts facts = {.messages = EACH};
        totals_begin_change(house.board.ended); /* a worker that begins changes the sum as well, here at once */
        page->facts = facts;
        totals_end_change(house.board.ended, &house.ended);
        house_clear_slot(&house, 1, &facts, false);
        nanosleep(&pause, NULL);
    }
}

static bool add_up(uint64_t *messages_out)
{
    struct totals sum;
    struct slot_facts facts;
    uint32_t sequence;
    if (!totals_read(house.board.ended, &sum, &sequence))
        return false;
    if (slot_read(&house.board, 1, &facts))
        totals_add(&sum, &facts);
    *messages_out = sum.messages;
    return totals_holds(house.board.ended, sequence);
}

static void nothing_is_missed_or_counted_twice(void **state)
{
    uint64_t last = 0, messages;
    int status;
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        work_and_end();
    alarm(PATIENCE_S);
    while (last < (uint64_t)WORKERS * EACH) {
        if (!add_up(&messages))
            continue;
        assert_true(messages >= last);
        assert_int_equal(messages % EACH, 0);
        last = messages;
    }
    alarm(0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

#define IT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(every_count_of_a_slot_is_in_the_totals),
        IT(nothing_holds_while_it_changes),
        IT(nothing_is_missed_or_counted_twice),
    };
    return cmocka_run_group_tests_name("totals", tests, NULL, NULL);
}
