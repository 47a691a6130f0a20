/* SPDX-License-Identifier: ISC
 *
 * household: made, replaced ever more slowly, changed, killed; never two. Time is a number here. And in a real master.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/household.h"

#include "tests/unit/master_rig.h"

enum { SLOTS = 16 };

/* What the housekeeper of a test does; the plan's housekeeping. */
enum manner { MANNER_GOOD, MANNER_DIES, MANNER_STAYS, MANNER_ASKS, MANNER_ASKS_WITHOUT_END };

static void leave_at_the_end_of(int lifeline)
{
    struct pollfd end = {.fd = lifeline, .events = POLLIN};
    poll(&end, 1, -1);
    _exit(WORKER_ORPHANED);
}

static void keep_house(const struct housekeeper_setup *setup)
{
    struct scoreboard board = *setup->board;
    if (!scoreboard_enter_as(&board, ROLE_HOUSEKEEPER))
        _exit(WORKER_BROKEN);
    enum manner manner = *(const enum manner *)setup->housekeeping;
    if (manner == MANNER_DIES)
        _exit(3);
    while (manner == MANNER_STAYS)
        pause();
    if (manner == MANNER_ASKS && write(setup->ask, "", 1) != 1)
        _exit(4);
    struct pollfd end = {.fd = setup->lifeline, .events = POLLIN};
    while (manner == MANNER_ASKS_WITHOUT_END && poll(&end, 1, 0) == 0)
        if (write(setup->ask, "....", 4) == 0)
            _exit(4);
    leave_at_the_end_of(setup->lifeline);
}

struct fixture {
    struct house house;
    struct household household;
    enum manner manner;
    struct plan plan;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    f->plan = (struct plan){.housekeeping = &f->manner, .watch = -1};
    f->house.identity = (struct identity){.uid = geteuid(), .gid = getegid()};
    f->house.housekeeper = keep_house;
    log_set_level(LEVEL_ERROR);
    return house_open(&f->house, &(struct scoreboard_size){SLOTS, 1024, 1024}) &&
                   household_open(&f->household, &f->house, &household_housekeeper)
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    household_kill(&f->household);
    if (f->household.pid > 0)
        waitpid(f->household.pid, NULL, 0);
    household_close(&f->household);
    house_close(&f->house);
    free(f);
    return 0;
}

static void reap(struct household *household, int64_t now_ms)
{
    int status;
    pid_t pid = household->pid;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(household_reaped(household, pid, status, now_ms));
    assert_int_equal(household->pid, 0);
}

static void one_is_made_and_leaves(void **state)
{
    struct fixture *f = *state;
    struct household *h = &f->household;
    household_look(h, 1000);
    assert_int_equal(h->pid, 0); /* no plan yet */
    household_change(h, &f->plan, 1, 1000);
    assert_int_equal(household_look(h, 1000), CLOCK_NEVER);
    assert_true(h->pid > 0);
    pid_t pid = h->pid;
    household_look(h, 2000);
    assert_int_equal(h->pid, pid); /* one is enough */
    f->house.board.berths[5] = 1;  /* of a probe that was under way */
    household_change(h, NULL, 0, 3000);
    reap(h, 3001);
    assert_int_equal(f->house.board.berths[5], 0);
    household_look(h, 100000);
    assert_int_equal(h->pid, 0);
    assert_int_equal(h->restarts, 0);
}

static void lose(enum level level, const char *line)
{
    (void)level, (void)line;
}

static void one_that_dies_is_replaced_ever_more_slowly(void **state)
{
    static const int64_t waits[] = {250, 500, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
    struct fixture *f = *state;
    struct household *h = &f->household;
    int64_t now_ms = 1000;
    f->manner = MANNER_DIES;
    log_to_function(lose);
    household_change(h, &f->plan, 1, now_ms);
    household_look(h, now_ms);
    for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
        reap(h, now_ms);
        assert_int_equal(household_look(h, now_ms), now_ms + waits[i]);
        household_look(h, now_ms + waits[i] - 1);
        assert_int_equal(h->pid, 0);
        now_ms += waits[i];
        household_look(h, now_ms);
        assert_true(h->pid > 0);
    }
    reap(h, now_ms + HOUSEHOLD_OLD_MS); /* lived for long: no grudge */
    assert_int_equal(h->not_before_ms, now_ms + HOUSEHOLD_OLD_MS + HOUSEHOLD_BACKOFF_MIN_MS);
    assert_int_equal(h->restarts, 11);
}

static void a_change_waits_for_the_old_one(void **state)
{
    struct fixture *f = *state;
    struct household *h = &f->household;
    int status;
    f->manner = MANNER_STAYS;
    household_change(h, &f->plan, 1, 1000);
    household_look(h, 1000);
    pid_t old = h->pid;
    household_change(h, &f->plan, 2, 5000);
    assert_int_equal(household_look(h, 5000), 5000 + HOUSEHOLD_LEAVE_MS);
    household_change(h, &f->plan, 3, 6000); /* the time of the first still holds */
    household_look(h, 5000 + HOUSEHOLD_LEAVE_MS - 1);
    assert_int_equal(h->pid, old);
    assert_int_equal(waitpid(old, &status, WNOHANG), 0);
    household_look(h, 5000 + HOUSEHOLD_LEAVE_MS);
    reap(h, 7001);
    household_look(h, 7001);
    assert_true(h->pid > 0 && h->pid != old);
    assert_int_equal(h->generation, 3);
    assert_int_equal(h->restarts, 0);
}

static void asking_is_heard_once(void **state)
{
    struct fixture *f = *state;
    struct household *h = &f->household;
    f->manner = MANNER_ASKS;
    household_change(h, &f->plan, 1, 1000);
    household_look(h, 1000);
    struct pollfd asked = {.fd = h->ask_read, .events = POLLIN};
    assert_int_equal(poll(&asked, 1, RIG_PATIENCE_MS), 1);
    assert_true(household_has_asked(h));
    assert_false(household_has_asked(h));
    household_change(h, NULL, 0, 2000);
    reap(h, 2001);
}

/* -- the storekeeper */

enum { WAS_TOLD = 20 };

/* It says by its exit what it was told of the one before. */
static void keep_store(const struct storekeeper_setup *setup)
{
    struct scoreboard board = *setup->board;
    if (!scoreboard_enter_as(&board, ROLE_STOREKEEPER) || setup->questions < 0)
        _exit(WORKER_BROKEN);
    if (setup->trust != STORE_TRUSTED)
        _exit(WAS_TOLD + (int)setup->trust);
    leave_at_the_end_of(setup->lifeline);
}

static int end_of_next(struct household *h, int64_t now_ms)
{
    int status = 0;
    household_look(h, now_ms);
    assert_true(h->pid > 0);
    household_change(h, h->plan, 1, now_ms); /* who was told nothing leaves when told to */
    assert_int_equal(waitpid(h->pid, &status, 0), h->pid);
    assert_true(household_reaped(h, h->pid, status, now_ms));
    return status;
}

static void the_next_is_told_what_it_may_have_died_of(void **state)
{
    static const struct {
        int status; /* of the one before */
        enum store_trust trust;
    } cases[] = {
        {WORKER_DAMAGED << 8, STORE_DAMAGED},
        {WORKER_BROKEN << 8, STORE_TRUSTED},
        {SIGKILL, STORE_TRUSTED},
        {SIGBUS, STORE_SUSPECT},
        {SIGSEGV, STORE_SUSPECT},
        {1 << 8, STORE_SUSPECT},
    };
    struct fixture *f = *state;
    const struct store_options options = {.directory = "/"};
    struct household *h = &f->household;
    log_to_function(lose);
    f->plan.store = &options;
    f->house.storekeeper = keep_store;
    household_close(h);
    assert_true(household_open(h, &f->house, &household_storekeeper));
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        h->plan = &f->plan;
        h->pid = INT32_MAX; /* nobody's */
        h->not_before_ms = 0;
        h->started_ms = 1000;
        household_reaped(h, INT32_MAX, cases[i].status, 2000);
        assert_int_equal(WEXITSTATUS(end_of_next(h, 200000)),
                         cases[i].trust != STORE_TRUSTED ? WAS_TOLD + (int)cases[i].trust : WORKER_ORPHANED);
        assert_int_equal(WEXITSTATUS(end_of_next(h, 200000)), WORKER_ORPHANED); /* that is told once */
    }
}

static void none_is_made_where_no_store_is(void **state)
{
    struct fixture *f = *state;
    f->house.storekeeper = keep_store;
    household_close(&f->household);
    assert_true(household_open(&f->household, &f->house, &household_storekeeper));
    household_change(&f->household, &f->plan, 1, 1000);
    household_look(&f->household, 1000);
    assert_int_equal(f->household.pid, 0);
}

/* -- in a real master; its rig's plans have a manner for housekeeping */

static pid_t housekeeper_of(const struct rig *rig, pid_t other_than)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (clock_ms() < deadline) {
        pid_t all[64];
        int found = rig_children(rig, all, 64);
        for (int i = 0; i < found; i++)
            if (all[i] != other_than && rig_is_named(all[i], SPAWN_NAME_HOUSEKEEPER))
                return all[i];
        usleep(RIG_POLL_MS * 1000);
    }
    return 0;
}

static void it_is_replaced_changed_and_ended(void **state)
{
    struct rig *rig = *state;
    rig->housekeeper = keep_house;
    rig_start(rig);
    pid_t first = housekeeper_of(rig, 0);
    assert_true(first > 0);
    kill(first, SIGKILL);
    assert_true(rig_logs(rig, "event=housekeeper-crashed pid="));
    pid_t second = housekeeper_of(rig, first);
    assert_true(second > 0);
    kill(rig->master, SIGHUP);
    assert_true(rig_logs(rig, "event=reload state=done"));
    assert_true(rig_logs(rig, "event=housekeeper-left"));
    pid_t third = housekeeper_of(rig, second);
    assert_true(third > 0);
    assert_int_equal(rig_stop(rig), 0);
    assert_int_equal(kill(third, 0), -1);
    assert_int_equal(rig_count(rig, "event=housekeeper-crashed"), 1);
}

static void one_that_stays_does_not_hold_up_the_end(void **state)
{
    struct rig *rig = *state;
    rig->housekeeper = keep_house;
    rig->manner = MANNER_STAYS;
    rig_start(rig);
    pid_t pid = housekeeper_of(rig, 0);
    assert_true(pid > 0);
    assert_int_equal(rig_stop(rig), 0);
    assert_int_equal(kill(pid, 0), -1);
    assert_true(rig_logs(rig, "event=housekeeper-left pid="));
}

/* It may be anybody's by now: what it can make the master do is bounded. */
static void one_that_asks_without_end_gets_one_renewal(void **state)
{
    struct rig *rig = *state;
    rig->housekeeper = keep_house;
    rig->manner = MANNER_ASKS_WITHOUT_END;
    rig_start(rig);
    assert_true(rig_logs(rig, "event=reload state=done by=file generation=2"));
    for (int i = 0; i < 50; i++) {
        struct client client = client_open(rig);
        client_close(&client);
        usleep(10000);
    }
    rig_read_log(rig, 0);
    assert_int_equal(rig_count(rig, "event=reload state=begun"), 1);
    assert_int_equal(rig->wanted->renewals, 2); /* in the child and in the master */
    assert_int_equal(rig_stop(rig), 0);
}

#define ALONE(test)    cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ALONE(one_is_made_and_leaves),
        ALONE(one_that_dies_is_replaced_ever_more_slowly),
        ALONE(a_change_waits_for_the_old_one),
        ALONE(asking_is_heard_once),
        ALONE(the_next_is_told_what_it_may_have_died_of),
        ALONE(none_is_made_where_no_store_is),
        WITH_RIG(it_is_replaced_changed_and_ended),
        WITH_RIG(one_that_stays_does_not_hold_up_the_end),
        WITH_RIG(one_that_asks_without_end_gets_one_renewal),
    };
    return cmocka_run_group_tests_name("household", tests, NULL, NULL);
}
