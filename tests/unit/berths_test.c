/* SPDX-License-Identifier: ISC
 *
 * berths: never more than max, not for a moment, however the processes' steps fall together; somebody always gets on,
 * in the order of coming; what was damaged or left behind is survived. The unit is compiled here with a step before
 * each of its accesses, so that a schedule can be chosen; and in real processes as it is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/orders.h"

#undef atomic_load_explicit
#undef atomic_store
static void step_at(const void *at);
#define atomic_load_explicit(at, order) (step_at(at), __atomic_load_n((const uint64_t *)(at), __ATOMIC_RELAXED))
#define atomic_store(at, value)         (step_at(at), __atomic_store_n((uint64_t *)(at), (value), __ATOMIC_SEQ_CST))
#include "common/berths.c"

enum { SLOTS = 32, PLACE = 5, OTHER = 6 };

static _Atomic uint64_t words[BERTHS_PROBES + SLOTS];
static struct orders *orders;

static int set_up(void **state)
{
    (void)state;
    memset((void *)words, 0, sizeof(words));
    orders = calloc(1, orders_bytes(SLOTS));
    orders_set_slots_end(orders, SLOTS);
    srandom(7);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(orders);
    return 0;
}

static struct berths at(int slot)
{
    return (struct berths){words, SLOTS, orders, BERTHS_PROBES + slot};
}

static struct berth_answer ask_in(int slot, int place, int64_t since_ms, int max)
{
    struct berths own = at(slot);
    struct berth_wish wish = {.place = place, .max = max, .since_ms = since_ms, .home = place};
    return berths_ask(&own, &wish);
}

static enum berth ask(int slot, int64_t since_ms, int max)
{
    return ask_in(slot, PLACE, since_ms, max).berth;
}

static void leave(int slot)
{
    struct berths own = at(slot);
    berths_leave(&own);
}

static struct berth_count count(int place)
{
    struct berths own = at(0);
    return berths_count(&own, place);
}

/* -- alone -- */

static void as_many_as_there_may_be(void **state)
{
    (void)state;
    assert_int_equal(ask(3, 10, 2), BERTH_TAKEN);
    assert_int_equal(ask(1, 20, 2), BERTH_TAKEN);
    assert_int_equal(ask(2, 30, 2), BERTH_BEHIND);
    assert_int_equal(ask_in(4, OTHER, 30, 2).berth, BERTH_TAKEN);
    assert_int_equal(count(PLACE).sessions, 2);
    assert_int_equal(count(PLACE).waiting, 1);
    assert_int_equal(count(OTHER).sessions, 1);
    leave(3);
    assert_int_equal(ask(2, 30, 2), BERTH_TAKEN);
    assert_int_equal(count(PLACE).waiting, 0);
}

static void nobody_is_bound_where_no_bound_is(void **state)
{
    (void)state;
    for (int slot = 0; slot < SLOTS; slot++)
        assert_int_equal(ask(slot, 10, 0), BERTH_TAKEN);
    assert_int_equal(count(PLACE).sessions, SLOTS);
    leave(0);
    assert_int_equal(ask(0, 10, SLOTS - 1), BERTH_BEHIND); /* a reload brought a bound */
    assert_int_equal(ask(0, 10, SLOTS), BERTH_TAKEN);
}

static void in_the_order_of_coming(void **state)
{
    (void)state;
    assert_int_equal(ask(0, 1, 1), BERTH_TAKEN);
    for (int slot = SLOTS - 1; slot > 0; slot--)
        assert_int_equal(ask(slot, 1000 - slot, 1), BERTH_BEHIND);
    assert_int_equal(ask_in(1, PLACE, 999, 1).before, SLOTS - 2);
    for (int out = 0, next = SLOTS - 1; next > 0; out = next--) {
        leave(out);
        for (int slot = 1; slot < next; slot++)
            assert_int_equal(ask(slot, 1000 - slot, 1), BERTH_BEHIND);
        assert_int_equal(ask(next, 1000 - next, 1), BERTH_TAKEN);
    }
}

static void who_came_at_the_same_time_gets_on_too(void **state)
{
    (void)state;
    assert_int_equal(ask(0, 1, 1), BERTH_TAKEN);
    assert_int_equal(ask(9, 50, 1), BERTH_BEHIND);
    assert_int_equal(ask(4, 50, 1), BERTH_BEHIND);
    leave(0);
    assert_int_equal(ask(9, 50, 1), BERTH_BEHIND);
    assert_int_equal(ask(4, 50, 1), BERTH_TAKEN);
}

static void who_dies_is_waited_for_until_the_master_has_seen_it(void **state)
{
    (void)state;
    assert_int_equal(ask(0, 1, 1), BERTH_TAKEN);
    assert_int_equal(ask(1, 2, 1), BERTH_BEHIND);
    assert_int_equal(ask(2, 3, 1), BERTH_BEHIND);
    leave(0); /* as the master clears the slot */
    assert_int_equal(ask(2, 3, 1), BERTH_BEHIND);
    leave(1);
    assert_int_equal(ask(2, 3, 1), BERTH_TAKEN);
}

static void probes_count_and_are_not_shown(void **state)
{
    (void)state;
    struct berths probe = {words, SLOTS, orders, PLACE};
    struct berth_wish wish = {.place = PLACE, .max = 1, .since_ms = 5, .home = PLACE};
    assert_int_equal(berths_ask(&probe, &wish).berth, BERTH_TAKEN);
    assert_int_equal(ask(0, 6, 1), BERTH_BEHIND);
    assert_int_equal(count(PLACE).sessions, 0);
    berths_leave(&probe);
    assert_int_equal(ask(0, 6, 1), BERTH_TAKEN);
    assert_int_equal(berths_ask(&probe, &wish).berth, BERTH_BEHIND);
}

static void who_waits_at_two_servers_is_seen_at_one(void **state)
{
    (void)state;
    struct berths own = at(0);
    struct berth_wish first = {PLACE, 1, 5, PLACE}, second = {OTHER, 1, 5, PLACE};
    assert_int_equal(ask(1, 1, 1), BERTH_TAKEN);
    assert_int_equal(ask_in(2, OTHER, 1, 1).berth, BERTH_TAKEN);
    assert_int_equal(berths_ask(&own, &first).berth, BERTH_BEHIND);
    assert_int_equal(berths_ask(&own, &second).berth, BERTH_BEHIND);
    assert_int_equal(count(PLACE).waiting, 1);
    assert_int_equal(count(OTHER).waiting, 0);
    leave(2);
    assert_int_equal(berths_ask(&own, &first).berth, BERTH_BEHIND);
    assert_int_equal(berths_ask(&own, &second).berth, BERTH_TAKEN);
    assert_int_equal(count(PLACE).waiting, 0);
}

static void a_probe_is_of_its_own_server(void **state)
{
    (void)state;
    for (int place = 0; place < BERTHS_PROBES; place++)
        words[place] = word_of(PLACE, STAYS, 1);
    words[PLACE] = 0;
    assert_int_equal(ask(0, 6, 1), BERTH_TAKEN);
}

/* Whatever stands in the other words, one's own is all that changes; and nobody waits for what is damage. */
static void damage_is_survived(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
            words[i] = (uint64_t)random() << 33 ^ (uint64_t)random() << 11 ^ (uint64_t)random();
        uint64_t before[BERTHS_PROBES + SLOTS];
        memcpy(before, (void *)words, sizeof(before));
        ask(7, random(), (int)(random() % 4));
        before[BERTHS_PROBES + 7] = words[BERTHS_PROBES + 7];
        assert_memory_equal(before, (void *)words, sizeof(before));
        struct berth_count found = count(PLACE);
        assert_in_range(found.sessions + found.waiting, 0, SLOTS);
    }
    memset((void *)words, 0xFF, sizeof(words));
    assert_int_equal(ask(7, 1, 1), BERTH_TAKEN);
}

/* -- any schedule -- */

enum { ACTORS = 4, ACTOR_STACK = 64 * 1024, ROUNDS = 3, SCHEDULES = 3000, STEPS_MAX = 200000 };

struct actor {
    ucontext_t context;
    int slot, max, visits;
};
static ucontext_t scheduler;
static struct actor actors[ACTORS];
static char stacks[ACTORS][ACTOR_STACK];
static struct actor *running; /* NULL: no schedule is tried */
static int present, most;
static int64_t clock_now;

static void step(void)
{
    if (running != NULL)
        swapcontext(&running->context, &scheduler);
}

/* Nothing happens to the words of the probes, which are most. */
static void step_at(const void *word)
{
    if (word >= (const void *)&words[BERTHS_PROBES])
        step();
}

static void visit(struct actor *a)
{
    int64_t since_ms = clock_now / 40; /* some at the same time */
    step();
    while (ask(a->slot, since_ms, a->max) != BERTH_TAKEN)
        step();
    present++;
    most = present > most ? present : most;
    for (int i = 0; i < 5; i++)
        step();
    present--;
    leave(a->slot);
}

static void act(void)
{
    struct actor *a = running;
    while (a->visits < ROUNDS) {
        visit(a);
        a->visits++;
    }
    for (;;)
        step();
}

static void begin_actor(struct actor *a, int slot, int max)
{
    *a = (struct actor){.slot = slot, .max = max};
    getcontext(&a->context);
    a->context.uc_stack.ss_sp = stacks[slot];
    a->context.uc_stack.ss_size = ACTOR_STACK;
    a->context.uc_link = NULL;
    makecontext(&a->context, act, 0);
}

static void begin_actors(int max)
{
    present = most = 0;
    for (int i = 0; i < ACTORS; i++)
        begin_actor(&actors[i], i, max);
}

static bool all_have_been_there(void)
{
    int visits = 0;
    for (int i = 0; i < ACTORS; i++)
        visits += actors[i].visits;
    return visits == ACTORS * ROUNDS;
}

/* Now and then one of them does not get the processor for a long time. */
static int choose(int asleep)
{
    int next = (int)(random() % ACTORS);
    return next == asleep ? (next + 1) % ACTORS : next;
}

static void try_schedule(int max)
{
    int asleep = -1;
    begin_actors(max);
    for (int steps = 0; !all_have_been_there(); steps++) {
        assert_true(steps < STEPS_MAX);
        if (random() % 200 == 0)
            asleep = (int)(random() % (2 * ACTORS));
        clock_now++;
        running = &actors[choose(asleep)];
        swapcontext(&scheduler, &running->context);
        running = NULL;
        assert_true(most <= max);
    }
}

static void never_over_in_any_schedule(void **state)
{
    (void)state;
    orders_set_slots_end(orders, ACTORS);
    for (int i = 0; i < SCHEDULES; i++)
        try_schedule(1 + i % 3);
}

/* -- real processes -- */

enum { PROCESSES = 8, VISITS = 150 };

struct shared {
    _Atomic uint64_t words[BERTHS_PROBES + SLOTS];
    _Atomic int present, most;
};

static void doze(long us)
{
    nanosleep(&(struct timespec){.tv_nsec = us * 1000}, NULL);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void note_presence(struct shared *shared)
{
    int now = ++shared->present, before = shared->most;
    while (now > before && !atomic_compare_exchange_weak(&shared->most, &before, now))
        continue;
}

static void work(struct shared *shared, int slot, int max)
{
    struct berths own = {shared->words, SLOTS, orders, BERTHS_PROBES + slot};
    for (int i = 0; i < VISITS; i++) {
        struct berth_wish wish = {.place = PLACE, .max = max, .since_ms = now_ms(), .home = PLACE};
        while (berths_ask(&own, &wish).berth != BERTH_TAKEN)
            doze(100);
        note_presence(shared);
        doze(i % 3 == 0 ? 100 : 0);
        shared->present--;
        berths_leave(&own);
    }
}

static void never_over_in_processes(void **state)
{
    (void)state;
    enum { MAX = 2 };
    struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pids[PROCESSES];
    assert_ptr_not_equal(shared, MAP_FAILED);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            alarm(60);
            work(shared, i, MAX);
            _exit(0);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(shared->most, MAX);
    munmap(shared, sizeof(*shared));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(as_many_as_there_may_be),
        TEST(nobody_is_bound_where_no_bound_is),
        TEST(in_the_order_of_coming),
        TEST(who_came_at_the_same_time_gets_on_too),
        TEST(who_dies_is_waited_for_until_the_master_has_seen_it),
        TEST(probes_count_and_are_not_shown),
        TEST(who_waits_at_two_servers_is_seen_at_one),
        TEST(a_probe_is_of_its_own_server),
        TEST(damage_is_survived),
        TEST(never_over_in_any_schedule),
        TEST(never_over_in_processes),
    };
    return cmocka_run_group_tests_name("berths", tests, NULL, NULL);
}
