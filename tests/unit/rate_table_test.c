/* SPDX-License-Identifier: ISC
 *
 * rate: stamps in a table: several windows, who goes when it is full, many processes, and one that scribbles. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/rate.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, TABLE_ENTRIES = 64 };

static const int64_t START = 1000 * (int64_t)HOUR;
static const struct rate THIRTY = {.count = 30, .window_ms = MINUTE, .burst = 10};

static struct table table;
static struct table_counts counts;
static void *memory;

static int setup(void **state)
{
    (void)state;
    size_t bytes = table_bytes(TABLE_ENTRIES);
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -1;
    table = table_at(memory, bytes);
    counts = (struct table_counts){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return munmap(memory, table_bytes(TABLE_ENTRIES));
}

static struct rate_answer ask_table(uint64_t hash, const struct rate *rate, int64_t now_ms, enum rate_way way)
{
    return rate_ask(&table, hash, rate, now_ms, way, 1, &counts);
}

static void entries_come_with_a_charge_and_go_when_it_is_paid(void **state)
{
    (void)state;
    assert_true(ask_table(5, &THIRTY, START, RATE_LOOK).allowed);
    assert_int_equal(table_used(&table), 0);
    for (int i = 0; i < 10; i++)
        assert_true(ask_table(5, &THIRTY, START, RATE_TAKE).allowed);
    assert_false(ask_table(5, &THIRTY, START, RATE_TAKE).allowed);
    assert_int_equal(ask_table(5, &THIRTY, START, RATE_LOOK).wait_ms, 2000);
    assert_true(ask_table(6, &THIRTY, START, RATE_TAKE).allowed);
    assert_int_equal(table_used(&table), 2);
    assert_int_equal(rate_tidy(&table, START + 2 * SECOND), 1);
    assert_int_equal(table_used(&table), 1);
    assert_true(ask_table(5, &THIRTY, START + 20 * SECOND, RATE_LOOK).allowed);
    assert_int_equal(table_used(&table), 0);
    assert_true(ask_table(5, &THIRTY, START, RATE_TAKE).allowed);
    assert_true(ask_table(5, &THIRTY, START, RATE_RETURN).allowed);
    assert_int_equal(table_used(&table), 0);
    assert_int_equal(counts.evictions + counts.damaged, 0);
}

/* 5 in a second, 20 in a minute, 100 in an hour, of one key: what all of them allow. */
static void several_windows_for_one_key(void **state)
{
    (void)state;
    static const struct rate windows[] = {{5, SECOND, 5}, {20, MINUTE, 20}, {100, HOUR, 100}};
    int taken = 0, in_first_second = 0;
    for (int64_t now = START; now < START + HOUR; now += 50) {
        bool allowed = true;
        for (uint64_t i = 0; i < 3; i++)
            allowed = allowed && ask_table(i, &windows[i], now, RATE_LOOK).allowed;
        for (uint64_t i = 0; i < 3 && allowed; i++)
            assert_true(ask_table(i, &windows[i], now, RATE_TAKE).allowed);
        taken += allowed;
        in_first_second += allowed && now < START + SECOND;
    }
    assert_in_range(in_first_second, 9, 10);
    assert_in_range(taken, 198, 200);
    assert_int_equal(counts.damaged, 0);
}

static void a_poisoned_entry_is_counted_once(void **state)
{
    (void)state;
    assert_true(ask_table(0, &THIRTY, START, RATE_TAKE).allowed);
    table.words[0] += (uint64_t)HOUR * RATE_TICKS_PER_MS;
    assert_true(ask_table(0, &THIRTY, START, RATE_TAKE).allowed);
    assert_int_equal(counts.damaged, 1);
    assert_true(ask_table(0, &THIRTY, START, RATE_TAKE).allowed);
    assert_int_equal(counts.damaged, 1);
}

/* Of a full line, the one that is paid for first; and what no limit can say is nobody's place. */
static void the_soonest_paid_goes_first(void **state)
{
    (void)state;
    struct rate hour = {1, HOUR, 1};
    for (uint64_t tag = 1; tag <= TABLE_WAYS; tag++)
        assert_true(ask_table(tag << 40, tag == 3 ? &THIRTY : &hour, START, RATE_TAKE).allowed);
    assert_true(ask_table(UINT64_C(20) << 40, &hour, START, RATE_TAKE).allowed);
    assert_int_equal(counts.evictions, 1);
    assert_int_equal(table_find(&table, UINT64_C(3) << 40), 0);
    table.words[5] += (uint64_t)RATE_WINDOW_MAX_MS * RATE_TICKS_PER_MS * 5;
    assert_true(ask_table(UINT64_C(21) << 40, &hour, START, RATE_TAKE).allowed);
    assert_int_equal(counts.evictions, 1);
    assert_int_equal(table_find(&table, UINT64_C(6) << 40), 0);
}

static void scribble(unsigned seed)
{
    srandom(seed);
    alarm(50);
    for (uint64_t i = 0;; i++) {
        uint64_t noise = (uint64_t)random() << 42 ^ (uint64_t)random() << 21 ^ (uint64_t)random();
        uint64_t word = i % 3 == 0 ? 0 : i % 3 == 1 ? UINT64_MAX : noise;
        atomic_store_explicit(&table.words[(uint64_t)random() % TABLE_ENTRIES], word, memory_order_relaxed);
    }
}

static void one_who_scribbles_spoils_no_more_than_the_rates(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        scribble(3);
    srandom(4);
    for (int i = 0; i < 100000; i++) {
        struct rate_answer a =
            ask_table((uint64_t)random() << 33 ^ (uint64_t)random(), &THIRTY, START + i, (enum rate_way)(random() % 4));
        assert_true(a.wait_ms >= 0 && a.wait_ms <= 2 * 20 * SECOND + SECOND);
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Each word that can be there is gone, or paid for, after two bursts' time. */
static void what_was_poisoned_heals(void **state)
{
    (void)state;
    srandom(5);
    for (int i = 0; i < 100000; i++) {
        uint64_t value = ((uint64_t)random() << 31 ^ (uint64_t)random()) & TABLE_VALUE_MASK;
        uint64_t near = ((uint64_t)START * RATE_TICKS_PER_MS + value % (50 * SECOND * RATE_TICKS_PER_MS));
        table.words[0] = i % 2 == 0 ? value : near;
        ask_table(0, &THIRTY, START, RATE_LOOK);
        assert_true(ask_table(0, &THIRTY, START + 2 * 20 * SECOND + SECOND, RATE_LOOK).allowed);
    }
}

/* -- many processes */

enum { WRITERS = 4, ROUNDS = 20000 };

/* But for what was given up, and passed without being charged; two who do nothing else are in step now and then, and
 * one of them loses every race. */
static void many_processes_take_no_more_than_the_burst(void **state)
{
    (void)state;
    struct rate rate = {.count = 1, .window_ms = MINUTE, .burst = WRITERS * ROUNDS / 2};
    _Atomic uint64_t *taken = mmap(NULL, 2 * sizeof(*taken), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(taken, MAP_FAILED);
    _Atomic uint64_t *given_up = taken + 1;
    pid_t pids[WRITERS];
    for (int w = 0; w < WRITERS; w++) {
        pids[w] = fork();
        assert_true(pids[w] >= 0);
        if (pids[w] != 0)
            continue;
        alarm(50);
        for (int i = 0; i < ROUNDS; i++)
            *taken += ask_table(7, &rate, START, RATE_TAKE).allowed;
        *given_up += counts.given_up;
        _exit(0);
    }
    for (int w = 0; w < WRITERS; w++) {
        int status;
        assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(*taken, (uint64_t)rate.burst + *given_up);
    assert_in_range(*given_up, 0, rate.burst / 10);
    munmap(taken, 2 * sizeof(*taken));
}

/* On a page that cannot be written to, as posternctl's reader has it. */
static void looking_changes_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 7; i++)
        ask_table(5, &THIRTY, START, RATE_TAKE);
    assert_int_equal(mprotect(memory, table_bytes(TABLE_ENTRIES), PROT_READ), 0);
    assert_true(rate_look(&table, 5, &THIRTY, START, 3).allowed);
    assert_false(rate_look(&table, 5, &THIRTY, START, 4).allowed);
    assert_true(rate_look(&table, 6, &THIRTY, START, 10).allowed);
    assert_true(rate_look(&table, 5, &THIRTY, START + HOUR, 10).allowed); /* gone stale, and left there */
    assert_int_equal(rate_charged(&table, 5, &THIRTY, START), 7);
    assert_int_equal(rate_charged(&table, 5, &THIRTY, START + 2 * SECOND + 1), 6);
    assert_int_equal(rate_charged(&table, 5, &THIRTY, START + HOUR), 0);
    assert_int_equal(rate_charged(&table, 6, &THIRTY, START), 0);
    assert_int_equal(table_used(&table), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(entries_come_with_a_charge_and_go_when_it_is_paid, setup, teardown),
        cmocka_unit_test_setup_teardown(several_windows_for_one_key, setup, teardown),
        cmocka_unit_test_setup_teardown(a_poisoned_entry_is_counted_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_soonest_paid_goes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(one_who_scribbles_spoils_no_more_than_the_rates, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_poisoned_heals, setup, teardown),
        cmocka_unit_test_setup_teardown(looking_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(many_processes_take_no_more_than_the_burst, setup, teardown),
    };
    return cmocka_run_group_tests_name("rate_table", tests, NULL, NULL);
}
