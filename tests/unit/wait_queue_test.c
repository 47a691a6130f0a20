/* SPDX-License-Identifier: ISC
 *
 * wait's queue, with real processes: of all who wait, an octet wakes the one that has waited longest, and nobody else.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/wait.h"

enum { WAITERS = 8, SOON_MS = 10000, QUIET_MS = 100 };

/* What a waiter says when its wait is over. */
struct told {
    int who;
    int woken; /* how often it was asked for room */
    enum io io;
};

static struct house {
    int pressure[2], told[2], ready[2], end[2];
    pid_t waiters[WAITERS];
    int count;
} house;

static int woken;
static enum room answer;

static enum room asked(struct wait_queue *queue)
{
    char octet;
    woken++;
    int own = *(int *)queue->context;
    if (read(queue->fd, &octet, 1) != 1)
        return ROOM_KEEP;
    if (answer != ROOM_OTHERS)
        return answer;
    answer = ROOM_MAKE;
    return write(own, &octet, 1) == 1 ? ROOM_OTHERS : ROOM_KEEP;
}

static enum io ended(struct wait_guest *guest, short revents)
{
    (void)guest;
    (void)revents;
    return IO_GONE;
}

/* As a worker does: an open file of its own, which does not block. */
static int reopened(int fd, int flags)
{
    char path[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, flags | O_NONBLOCK | O_CLOEXEC);
}

static _Noreturn void wait_in_line(int who, enum room says, int fd, short events)
{
    struct wait wait = {0};
    int kick = reopened(house.pressure[1], O_WRONLY);
    struct wait_queue queue = {.fd = reopened(house.pressure[0], O_RDONLY), .asked = asked, .context = &kick};
    struct wait_guest guest = {.fd = house.end[0], .events = POLLIN, .woken = ended};
    answer = says;
    close(house.end[1]);
    wait_invite(&wait, &guest);
    wait_give_way(&wait, &queue, 0);
    if (write(house.ready[1], "", 1) != 1)
        _exit(1);
    struct told told = {.who = who};
    told.io = wait_for(&wait, fd, events, clock_deadline(SOON_MS));
    told.woken = woken;
    wait_keep_room(&wait);
    _exit(write(house.told[1], &told, sizeof(told)) == sizeof(told) && wait.queue == NULL && queue.place < 0 ? 0 : 1);
}

static char state_of(pid_t pid)
{
    char path[40], state = '?';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %*s %c", &state), 1);
    fclose(file);
    return state;
}

static void pause_ms(int64_t ms)
{
    clock_poll(NULL, 0, clock_deadline(ms));
}

static void until_asleep(pid_t pid)
{
    int64_t deadline = clock_deadline(SOON_MS);
    while (state_of(pid) != 'S' && clock_ms() < deadline)
        pause_ms(1);
    assert_int_equal(state_of(pid), 'S');
}

static void add_waiter(enum room says, int fd, short events)
{
    char octet;
    int who = house.count++;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        wait_in_line(who, says, fd, events);
    house.waiters[who] = pid;
    assert_int_equal(read(house.ready[0], &octet, 1), 1);
}

static void fill_house(int count)
{
    while (house.count < count) {
        add_waiter(ROOM_MAKE, -1, 0);
        until_asleep(house.waiters[house.count - 1]);
    }
}

static int make_house(void **state)
{
    (void)state;
    memset(&house, 0, sizeof(house));
    return pipe2(house.pressure, O_NONBLOCK) == 0 && pipe(house.told) == 0 && pipe(house.ready) == 0 &&
                   pipe(house.end) == 0
               ? 0
               : -1;
}

static int clear_house(void **state)
{
    (void)state;
    int *const all[] = {house.pressure, house.told, house.ready, house.end};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        close(all[i][0]);
        if (all[i] != house.end)
            close(all[i][1]);
    }
    return 0;
}

/* Nobody says a word within `ms`. */
static void expect_silence(int64_t ms)
{
    struct pollfd fd = {.fd = house.told[0], .events = POLLIN};
    assert_int_equal(clock_poll(&fd, 1, clock_deadline(ms)), 0);
}

static struct told next_told(void)
{
    struct told told;
    struct pollfd fd = {.fd = house.told[0], .events = POLLIN};
    assert_int_equal(clock_poll(&fd, 1, clock_deadline(SOON_MS)), 1);
    assert_int_equal(read(house.told[0], &told, sizeof(told)), sizeof(told));
    return told;
}

/* Those that are left are sent home, who must not have been woken before. */
static void end_house(int left)
{
    int status;
    expect_silence(QUIET_MS);
    close(house.end[1]);
    for (; left > 0; left--) {
        struct told told = next_told();
        assert_int_equal(told.io, IO_GONE);
        assert_int_equal(told.woken, 0);
    }
    for (int i = 0; i < house.count; i++) {
        assert_int_equal(waitpid(house.waiters[i], &status, 0), house.waiters[i]);
        assert_int_equal(status, 0);
    }
}

static void ask(void)
{
    assert_int_equal(write(house.pressure[1], "", 1), 1);
}

static void the_longest_waiting_goes(void **state)
{
    (void)state;
    fill_house(WAITERS);
    for (int i = 0; i < WAITERS - 2; i++) {
        ask();
        struct told told = next_told();
        assert_int_equal(told.io, IO_ROOM);
        assert_int_equal(told.who, i);
        assert_int_equal(told.woken, 1);
    }
    end_house(2);
}

static void expect_first(int count)
{
    unsigned went = 0;
    for (int i = 0; i < count; i++) {
        struct told told = next_told();
        assert_int_equal(told.io, IO_ROOM);
        went |= 1u << told.who;
    }
    assert_int_equal(went, (1u << count) - 1);
}

/* Each write wakes another one, though who was woken before has not read yet. */
static void several_one_after_the_other(void **state)
{
    (void)state;
    fill_house(WAITERS);
    for (int i = 0; i < 5; i++)
        ask();
    expect_first(5);
    end_house(WAITERS - 5);
}

static void nobody_waits_yet(void **state)
{
    (void)state;
    ask();
    add_waiter(ROOM_MAKE, -1, 0);
    assert_int_equal(next_told().io, IO_ROOM);
    end_house(0);
}

/* Whoever is asked, and should not go, steps aside for others. */
static void it_is_for_another(void **state)
{
    (void)state;
    add_waiter(ROOM_OTHERS, -1, 0);
    until_asleep(house.waiters[0]);
    fill_house(3);
    ask();
    struct told told = next_told();
    assert_int_equal(told.who, 1);
    assert_int_equal(told.io, IO_ROOM);
    expect_silence(QUIET_MS);
    ask();
    assert_int_equal(next_told().who, 2);
    ask(); /* nobody else is there: taken when the first is back */
    told = next_told();
    assert_int_equal(told.who, 0);
    assert_int_equal(told.woken, 2);
    end_house(0);
}

/* The octet was not for us any more: the place in the queue is kept. */
static void nothing_is_needed_any_more(void **state)
{
    (void)state;
    add_waiter(ROOM_KEEP, -1, 0);
    until_asleep(house.waiters[0]);
    ask();
    expect_silence(QUIET_MS);
    char octet;
    assert_int_equal(read(house.pressure[0], &octet, 1), -1);
    close(house.end[1]);
    struct told told = next_told();
    assert_int_equal(told.io, IO_GONE);
    assert_int_equal(told.woken, 1);
    assert_int_equal(waitpid(house.waiters[0], NULL, 0), house.waiters[0]);
}

/* The wait is one for its descriptor as ever. */
static void what_is_waited_for_comes(void **state)
{
    (void)state;
    int pair[2];
    assert_int_equal(pipe(pair), 0);
    add_waiter(ROOM_MAKE, pair[0], POLLIN);
    until_asleep(house.waiters[0]);
    assert_int_equal(write(pair[1], "x", 1), 1);
    struct told told = next_told();
    assert_int_equal(told.io, IO_OK);
    assert_int_equal(told.woken, 0);
    close(pair[0]);
    close(pair[1]);
    end_house(0);
}

static void it_is_late(void **state)
{
    (void)state;
    struct wait wait = {0};
    struct wait_queue queue = {.fd = house.pressure[0], .asked = asked};
    wait_give_way(&wait, &queue, 0);
    int64_t began = clock_ms();
    assert_int_equal(wait_for(&wait, -1, 0, clock_deadline(30)), IO_LATE);
    assert_true(clock_ms() - began >= 30);
    assert_false(wait_may_doze(&wait, clock_deadline(SOON_MS), clock_ms()));
    wait_keep_room(&wait);
    wait_keep_room(&wait);
    close(house.end[1]);
}

#define HOUSE_TEST(test) cmocka_unit_test_setup_teardown(test, make_house, clear_house)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(the_longest_waiting_goes),
        HOUSE_TEST(several_one_after_the_other),
        HOUSE_TEST(nobody_waits_yet),
        HOUSE_TEST(it_is_for_another),
        HOUSE_TEST(nothing_is_needed_any_more),
        HOUSE_TEST(what_is_waited_for_comes),
        HOUSE_TEST(it_is_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
