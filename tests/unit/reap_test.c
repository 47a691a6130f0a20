/* SPDX-License-Identifier: ISC
 *
 * reap: whose network gets a bad name when a worker dies, and how often; what it leaves behind. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/phase.h"
#include "daemon/reap.h"

enum { SLOTS = 4, ENTRIES = 1024, CRASH = 2 * REPUTATION_ONE };

static const struct scoreboard_options options = {ENTRIES, ENTRIES, 32, 64};
static const struct listener_plan listener = {.name = "mx"};
static struct plan plan = {.scoreboard = &options};
static struct crew crew = {.plan = &listener};
static struct generation generation = {.number = 1, .plan = &plan, .crews = &crew, .count = 1};
static const struct succession succession = {.present = &generation};
static struct house house;
static const struct ipaddr client = {4, {192, 0, 2, 7}};

static void no_line(enum level level, const char *line)
{
    (void)level, (void)line;
}

static int set_up(void **state)
{
    const struct scoreboard_size size = {SLOTS, ENTRIES, ENTRIES};
    (void)state;
    log_to_function(no_line);
    return house_open(&house, &size) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    house_close(&house);
    return 0;
}

/* A worker that serves the client and ends by this signal; reaped at this time. */
static void lose_worker(int slot, int signal_number, enum slot_state serves, int64_t now_ms)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        const struct rlimit none = {0, 0};
        if (setrlimit(RLIMIT_CORE, &none) != 0 || !scoreboard_enter(&house.board, slot))
            _exit(99);
        struct slot_facts *facts = slot_begin(&house.board);
        facts->state = (uint32_t)serves;
        facts->client = client;
        slot_end(&house.board);
        sigaction(signal_number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        raise(signal_number);
        _exit(98);
    }
    roster_add(&house.roster, slot, &(struct roster_entry){.pid = pid, .generation = 1, .started_ms = now_ms});
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(reap_worker(&house, &succession, pid, status, now_ms));
}

static uint32_t bad_points(void)
{
    struct network network = scoreboard_network(&options, &client);
    return reputation_find(&house.board.reputations, scoreboard_reputation_of(&house.board, &network), clock_wall())
        .bad;
}

static void a_crash_is_the_clients(void **state)
{
    (void)state;
    lose_worker(0, SIGSEGV, SLOT_BUSY, 1000);
    assert_int_equal(bad_points(), CRASH);
}

static void once_a_minute_for_each_slot(void **state)
{
    (void)state;
    lose_worker(0, SIGSEGV, SLOT_BUSY, 1000);
    lose_worker(0, SIGABRT, SLOT_BUSY, 60999);
    assert_int_equal(bad_points(), CRASH);
    lose_worker(1, SIGSEGV, SLOT_BUSY, 2000);
    assert_int_equal(bad_points(), 2 * CRASH);
    lose_worker(0, SIGSEGV, SLOT_BUSY, 61000);
    assert_int_equal(bad_points(), 3 * CRASH);
}

static void nobody_is_blamed_for_what_others_did(void **state)
{
    (void)state;
    lose_worker(0, SIGKILL, SLOT_BUSY, 1000);
    lose_worker(0, SIGSEGV, SLOT_IDLE, 2000);
    assert_int_equal(bad_points(), 0);
    lose_worker(0, SIGSEGV, SLOT_BUSY, 3000);
    assert_int_equal(bad_points(), CRASH);
}

/* It may have said that others are inside: where nobody is, nobody else would ever wipe that away. */
static void what_a_worker_wrote_for_nobody_goes_with_it(void **state)
{
    (void)state;
    roster_add(&house.roster, 3, &(struct roster_entry){.pid = getpid(), .generation = 1});
    orders_set_slots_end(house.board.orders, SLOTS);
    for (int slot = 0; slot < SLOTS; slot++)
        house.board.berths[BERTHS_PROBES + slot] = 0x305;
    lose_worker(1, SIGKILL, SLOT_BUSY, 1000);
    for (int slot = 0; slot < 3; slot++)
        assert_int_equal(house.board.berths[BERTHS_PROBES + slot], 0);
    assert_int_equal(house.board.berths[BERTHS_PROBES + 3], 0x305); /* its own worker's business */
    roster_remove(&house.roster, 3);
}

#define IT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(a_crash_is_the_clients),
        IT(once_a_minute_for_each_slot),
        IT(nobody_is_blamed_for_what_others_did),
        IT(what_a_worker_wrote_for_nobody_goes_with_it),
    };
    return cmocka_run_group_tests_name("reap", tests, NULL, NULL);
}
