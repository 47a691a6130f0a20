/* SPDX-License-Identifier: ISC
 *
 * table: lines that are full, who goes then, and many who write at once: in one process by a kind that plays the other
 * worker in the middle of a change, and with processes that really are others. Values are their own rank here. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/table.h"

enum { LINES = 4, LINE_BYTES = 64, DEAD = 1000, TRIES_MOST = 100 };

static void *memory;
static struct table table;
static struct table_counts counts;

static int setup(void **state)
{
    (void)state;
    memory = mmap(NULL, LINES * LINE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    table = table_at(memory, LINES * LINE_BYTES);
    counts = (struct table_counts){0};
    return memory == MAP_FAILED;
}

static int teardown(void **state)
{
    (void)state;
    return munmap(memory, LINES * LINE_BYTES);
}

/* As a hash is made use of: above the tag, below the line. */
static uint64_t key(uint64_t line, uint64_t tag)
{
    return tag << TABLE_VALUE_BITS | line;
}

static uint64_t own_rank(uint64_t value, const void *context)
{
    (void)context;
    return value == DEAD ? 0 : value;
}

static uint64_t set_to(uint64_t value, void *context)
{
    (void)value;
    return *(uint64_t *)context;
}

static uint64_t add_one(uint64_t value, void *context)
{
    (void)context;
    return value + 1;
}

static const struct table_kind SETTING = {own_rank, set_to}, ADDING = {own_rank, add_one};

static bool put(uint64_t hash, uint64_t value)
{
    return table_update(&table, hash, &SETTING, &value, &counts);
}

static void fill_line(uint64_t line)
{
    for (uint64_t tag = 1; tag <= TABLE_WAYS; tag++)
        assert_true(put(key(line, tag), 100 + tag));
}

static void its_size_is_a_power_of_two_lines(void **state)
{
    (void)state;
    assert_int_equal(table_bytes(1), 64);
    assert_int_equal(table_bytes(8), 64);
    assert_int_equal(table_bytes(9), 128);
    assert_int_equal(table_bytes(17), 256);
    assert_int_equal(table_bytes(1000000), 8 << 20);
    assert_int_equal(table_bytes(1 << 20), 8 << 20);
    assert_true(table_bytes(TABLE_ENTRIES_MAX) == TABLE_ENTRIES_MAX * sizeof(uint64_t));
}

static void what_is_put_is_found_changed_and_forgotten(void **state)
{
    (void)state;
    assert_int_equal(table_find(&table, key(1, 5)), 0);
    assert_true(put(key(1, 5), 7));
    assert_true(put(key(1, 6), TABLE_VALUE_MASK));
    assert_int_equal(table_find(&table, key(1, 5)), 7);
    assert_true(table_find(&table, key(1, 6)) == TABLE_VALUE_MASK);
    assert_int_equal(table_find(&table, key(2, 5)), 0);
    assert_int_equal(table_used(&table), 2);
    assert_true(put(key(1, 5), 8));
    assert_int_equal(table_find(&table, key(1, 5)), 8);
    assert_int_equal(table_used(&table), 2);
    assert_true(table_forget(&table, key(1, 5)));
    assert_false(table_forget(&table, key(1, 5)));
    assert_int_equal(table_find(&table, key(1, 5)), 0);
    assert_int_equal(table_used(&table), 1);
    assert_int_equal(counts.evictions, 0);
}

/* The tag 0, and the bits of a value that are no value's. */
static void a_tag_of_zero_is_one_as_any(void **state)
{
    (void)state;
    assert_true(put(key(0, 0), 9));
    assert_int_equal(table_find(&table, key(0, 0)), 9);
    assert_true(put(key(3, 1), UINT64_MAX));
    assert_true(table_find(&table, key(3, 1)) == TABLE_VALUE_MASK);
    assert_int_equal(table_find(&table, key(3, UINT32_MAX >> 8)), 0);
}

static void a_change_to_zero_frees_and_makes_nothing(void **state)
{
    (void)state;
    assert_true(put(key(0, 1), 0));
    assert_int_equal(table_used(&table), 0);
    fill_line(0);
    assert_true(put(key(0, 99), 0)); /* nobody goes for the sake of nothing */
    assert_int_equal(table_used(&table), TABLE_WAYS);
    assert_true(put(key(0, 3), 0));
    assert_int_equal(table_used(&table), TABLE_WAYS - 1);
    assert_true(put(key(0, 99), 1));
    assert_int_equal(table_used(&table), TABLE_WAYS);
    assert_int_equal(counts.evictions, 0);
}

static void of_a_full_line_the_lowest_rank_goes(void **state)
{
    (void)state;
    fill_line(2);
    assert_true(put(key(2, 4), 50)); /* lowest now */
    assert_true(put(key(2, 20), 300));
    assert_int_equal(counts.evictions, 1);
    assert_int_equal(table_find(&table, key(2, 4)), 0);
    assert_int_equal(table_find(&table, key(2, 20)), 300);
    assert_true(put(key(2, 21), 301));
    assert_int_equal(counts.evictions, 2);
    assert_int_equal(table_find(&table, key(2, 1)), 0);
    for (uint64_t tag = 2; tag <= TABLE_WAYS; tag++)
        assert_int_equal(table_find(&table, key(2, tag)), tag == 4 ? 0 : 100 + tag);
}

static void what_means_nothing_goes_first_and_is_not_counted(void **state)
{
    (void)state;
    fill_line(2);
    assert_true(put(key(2, 6), DEAD));
    assert_true(put(key(2, 20), 1));
    assert_int_equal(counts.evictions, 0);
    assert_int_equal(table_find(&table, key(2, 6)), 0);
    assert_int_equal(table_find(&table, key(2, 20)), 1);
}

static void tidying_frees_what_means_nothing(void **state)
{
    (void)state;
    fill_line(1);
    assert_true(put(key(1, 2), DEAD));
    assert_true(put(key(1, 7), DEAD));
    table.words[0] = key(0, 77); /* a word that has a tag and no value: somebody scribbled */
    assert_int_equal(table_tidy(&table, &SETTING, NULL), TABLE_WAYS - 2);
    assert_int_equal(table_used(&table), TABLE_WAYS - 2);
    assert_true(table.words[0] == 0);
    assert_int_equal(table_find(&table, key(1, 8)), 108);
}

/* -- another worker in the middle of a change */

struct other {
    int calls, until; /* it is faster so many times */
    void (*does)(void);
};

static uint64_t add_one_while_the_other_does(uint64_t value, void *context)
{
    struct other *other = context;
    if (other->calls++ < other->until)
        other->does();
    return value + 1;
}

static const struct table_kind RACING = {own_rank, add_one_while_the_other_does};

static void the_other_adds_ten(void)
{
    for (int i = 0; i < 10; i++)
        assert_true(table_update(&table, key(0, 1), &ADDING, NULL, &counts));
}

static void a_lost_race_is_run_again(void **state)
{
    (void)state;
    struct other other = {.until = 3, .does = the_other_adds_ten};
    assert_true(table_update(&table, key(0, 1), &RACING, &other, &counts));
    assert_int_equal(other.calls, 4);
    assert_int_equal(table_find(&table, key(0, 1)), 31);
    assert_int_equal(table_used(&table), 1);
}

static void races_that_are_always_lost_end(void **state)
{
    (void)state;
    struct other other = {.until = INT32_MAX, .does = the_other_adds_ten};
    assert_false(table_update(&table, key(0, 1), &RACING, &other, &counts));
    assert_in_range(other.calls, 2, TRIES_MOST);
    assert_int_equal(table_find(&table, key(0, 1)), 10 * other.calls);
}

static void the_other_takes_the_place(void)
{
    assert_true(put(key(0, 2), 200));
}

static void a_place_that_was_taken_meanwhile_is_left_alone(void **state)
{
    (void)state;
    struct other other = {.until = 1, .does = the_other_takes_the_place};
    assert_true(table_update(&table, key(0, 1), &RACING, &other, &counts));
    assert_int_equal(table_find(&table, key(0, 1)), 1);
    assert_int_equal(table_find(&table, key(0, 2)), 200);
}

static void the_other_makes_the_same_entry_elsewhere(void)
{
    assert_true(table_forget(&table, key(0, 9)));
    assert_true(put(key(0, 1), 40));
}

static void the_same_tag_twice_is_harmless(void **state)
{
    (void)state;
    assert_true(put(key(0, 9), 1));
    struct other other = {.until = 1, .does = the_other_makes_the_same_entry_elsewhere};
    assert_true(table_update(&table, key(0, 1), &RACING, &other, &counts));
    assert_int_equal(table_used(&table), 2);
    assert_int_equal(table_find(&table, key(0, 1)), 40); /* everybody sees the same one .. */
    assert_true(table_update(&table, key(0, 1), &ADDING, NULL, &counts));
    assert_int_equal(table_find(&table, key(0, 1)), 41);
    assert_true(put(key(0, 1), 0)); /* .. until it goes: then the shadow, which was true of this key */
    assert_int_equal(table_find(&table, key(0, 1)), 1);
    assert_true(put(key(0, 1), 0));
    assert_int_equal(table_used(&table), 0);
}

static void forgetting_takes_the_shadow_as_well(void **state)
{
    (void)state;
    assert_true(put(key(0, 9), 1));
    struct other other = {.until = 1, .does = the_other_makes_the_same_entry_elsewhere};
    assert_true(table_update(&table, key(0, 1), &RACING, &other, &counts));
    assert_true(table_forget(&table, key(0, 1)));
    assert_int_equal(table_used(&table), 0);
}

/* -- other processes */

enum { WRITERS = 4, ROUNDS = 200000, TAGS = 6, DEADLINE_SECONDS = 50 };

static uint64_t random_key(void)
{
    return key((uint64_t)random() % LINES, (uint64_t)random() % TAGS + 1);
}

/* In a child: how many changes were made; those that were given up were not. */
static uint64_t add_ones(unsigned seed, uint64_t rounds)
{
    uint64_t made = 0;
    srandom(seed);
    alarm(DEADLINE_SECONDS);
    for (uint64_t i = 0; i < rounds; i++)
        made += table_update(&table, random_key(), &ADDING, NULL, &counts);
    return made;
}

static pid_t start_writer(unsigned seed, uint64_t rounds, uint64_t *made)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        *made = add_ones(seed, rounds);
        _exit(counts.evictions == 0 ? 0 : 1);
    }
    return pid;
}

static uint64_t sum_of_all(void)
{
    uint64_t sum = 0;
    for (uint64_t line = 0; line < LINES; line++)
        for (uint64_t tag = 1; tag <= TAGS; tag++)
            sum += table_find(&table, key(line, tag));
    return sum;
}

static void no_change_of_many_processes_is_lost(void **state)
{
    (void)state;
    uint64_t sum = 0,
             *made = mmap(NULL, WRITERS * sizeof(*made), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(made, MAP_FAILED);
    pid_t pids[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++)
        pids[i] = start_writer(i + 1, ROUNDS, &made[i]);
    for (int i = 0; i < WRITERS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
        assert_in_range(made[i], ROUNDS - ROUNDS / 100, ROUNDS);
        sum += made[i];
    }
    assert_int_equal(sum_of_all(), sum);
    assert_int_equal(table_used(&table), LINES * TAGS); /* none twice: no place became free meanwhile */
    munmap(made, WRITERS * sizeof(*made));
}

static void a_writer_that_is_killed_leaves_nothing_to_repair(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        uint64_t before = sum_of_all(), unused;
        pid_t pid = start_writer(i + 1, UINT64_MAX, &unused);
        while (sum_of_all() < before + 1000)
            add_ones(100 + i, 10);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        uint64_t sum = sum_of_all();
        assert_int_equal(add_ones(i, 100), 100);
        assert_int_equal(sum_of_all(), sum + 100);
    }
    alarm(0);
    assert_int_equal(table_used(&table), LINES * TAGS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_size_is_a_power_of_two_lines),
        cmocka_unit_test_setup_teardown(what_is_put_is_found_changed_and_forgotten, setup, teardown),
        cmocka_unit_test_setup_teardown(a_tag_of_zero_is_one_as_any, setup, teardown),
        cmocka_unit_test_setup_teardown(a_change_to_zero_frees_and_makes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(of_a_full_line_the_lowest_rank_goes, setup, teardown),
        cmocka_unit_test_setup_teardown(what_means_nothing_goes_first_and_is_not_counted, setup, teardown),
        cmocka_unit_test_setup_teardown(tidying_frees_what_means_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_race_is_run_again, setup, teardown),
        cmocka_unit_test_setup_teardown(races_that_are_always_lost_end, setup, teardown),
        cmocka_unit_test_setup_teardown(a_place_that_was_taken_meanwhile_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_same_tag_twice_is_harmless, setup, teardown),
        cmocka_unit_test_setup_teardown(forgetting_takes_the_shadow_as_well, setup, teardown),
        cmocka_unit_test_setup_teardown(no_change_of_many_processes_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(a_writer_that_is_killed_leaves_nothing_to_repair, setup, teardown),
    };
    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
