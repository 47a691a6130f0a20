/* SPDX-License-Identifier: ISC
 *
 * scoreboard: what it counts, what a worker can reach of it, and that a reader survives whatever is written there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/scoreboard.h"

enum { SLOTS = 8, SCRIBBLES = 100000 };

static int set_up(void **state)
{
    struct scoreboard *board = calloc(1, sizeof(*board));
    *state = board;
    if (board == NULL || !scoreboard_create(board, &(struct scoreboard_size){SLOTS, 1024, 1024}))
        return -1;
    orders_set_slots_end(board->orders, SLOTS);
    return 0;
}

static int tear_down(void **state)
{
    scoreboard_destroy(*state);
    free(*state);
    return 0;
}

/* Runs `body` in a child; its wait status. A signal's default action is what counts, not a sanitizer's handler. */
static int in_child(void (*body)(struct scoreboard *board), struct scoreboard *board)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        sigaction(SIGSEGV, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        sigaction(SIGBUS, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        body(board);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    static const int wrong[] = {-1, 0, SCOREBOARD_SLOTS_MAX + 1};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct scoreboard board;
        assert_false(scoreboard_create(&board, &(struct scoreboard_size){wrong[i], 1024, 1024}));
        assert_int_equal(errno, EINVAL);
    }
}

static void a_zero_one_can_be_destroyed(void **state)
{
    (void)state;
    struct scoreboard board = {0};
    scoreboard_destroy(&board);
    assert_true(fcntl(STDIN_FILENO, F_GETFD) >= 0 || errno == EBADF);
    assert_true(fcntl(STDOUT_FILENO, F_GETFD) >= 0);
}

static void tags_are_counted(void **state)
{
    struct scoreboard *board = *state;
    static const uint32_t tags[SLOTS] = {TAG_IDLE, TAG_IDLE, TAG_STARTING, TAG_BUSY, 0xdeadbeef, TAG_NONE, 7, TAG_IDLE};
    for (int i = 0; i < SLOTS; i++)
        scoreboard_set_tag(board, i, tags[i]);
    struct tag_count all = scoreboard_count(board, 0, SLOTS);
    assert_int_equal(all.idle, 3);
    assert_int_equal(all.starting, 1);
    assert_int_equal(all.alive, 7);
    scoreboard_set_tag(board, 6, TAG_LEAVING);
    assert_int_equal(scoreboard_count(board, 0, SLOTS).alive, 6);
    struct tag_count some = scoreboard_count(board, 2, 3);
    assert_int_equal(some.idle, 0);
    assert_int_equal(some.starting, 1);
    assert_int_equal(some.alive, 3);
    assert_true(scoreboard_has_spare(board, 0, SLOTS, 4));
    assert_false(scoreboard_has_spare(board, 0, SLOTS, 5));
    assert_true(scoreboard_has_spare(board, 2, 3, 1));
    assert_false(scoreboard_has_spare(board, 3, 4, 1));
    assert_true(scoreboard_has_spare(board, 3, 4, 0));
}

static void no_region_can_be_resized(void **state)
{
    struct scoreboard *board = *state;
    for (int i = 0; i < REGIONS; i++) {
        int fd = board->regions[i].fd;
        assert_int_equal(ftruncate(fd, 0), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(fd, SLOT_BYTES * SLOTS * 2), -1);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    }
}

static void the_masters_view_of_slots_is_read_only_for_ever(void **state)
{
    struct scoreboard *board = *state;
    assert_int_equal(mprotect(board->slots, SLOT_BYTES, PROT_READ | PROT_WRITE), -1);
    assert_int_equal(errno, EACCES);
    assert_int_equal(write(board->regions[REGION_SLOTS].readonly_fd, "x", 1), -1);
}

/* -- workers */

static void write_facts(struct scoreboard *board)
{
    if (!scoreboard_enter(board, 3))
        _exit(1);
    struct slot_facts *facts = slot_begin(board);
    facts->state = SLOT_BUSY;
    facts->serial = 42;
    facts->client = (struct ipaddr){.family = 4, .bytes = {192, 0, 2, 1}};
    memcpy(facts->session_id, "s1", 3);
    slot_end(board);
}

static void what_a_worker_says_is_read(void **state)
{
    struct scoreboard *board = *state;
    struct slot_facts facts;
    assert_int_equal(in_child(write_facts, board), 0);
    assert_true(slot_read(board, 3, &facts));
    assert_int_equal(facts.state, SLOT_BUSY);
    assert_int_equal(facts.serial, 42);
    assert_string_equal(facts.session_id, "s1");
    scoreboard_set_tag(board, 3, TAG_BUSY);
    scoreboard_clear_slot(board, 3);
    assert_true(slot_read(board, 3, &facts));
    assert_int_equal(facts.serial, 0);
    assert_int_equal(scoreboard_count(board, 0, SLOTS).alive, 0);
}

static void take_berth(struct scoreboard *board)
{
    if (!scoreboard_enter(board, 3))
        _exit(1);
    struct berths berths = scoreboard_berths(board);
    berths_ask(&berths, &(struct berth_wish){.place = 7, .max = 1, .home = 7});
}

static int berths_taken(struct scoreboard *board)
{
    struct berths berths = scoreboard_berths(board);
    return berths_count(&berths, 7).sessions;
}

static void who_died_has_no_berth(void **state)
{
    struct scoreboard *board = *state;
    orders_set_slots_end(board->orders, SLOTS);
    assert_int_equal(in_child(take_berth, board), 0);
    assert_int_equal(berths_taken(board), 1);
    scoreboard_clear_slot(board, 2);
    assert_int_equal(berths_taken(board), 1);
    scoreboard_clear_slot(board, 3);
    assert_int_equal(berths_taken(board), 0);
}

/* By /proc: what once lay at an address says nothing of what is there now. */
static size_t mapped_bytes(const char *name)
{
    char line[512];
    size_t bytes = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    while (maps != NULL && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long from, to;
        if (strstr(line, name) != NULL && sscanf(line, "%lx-%lx", &from, &to) == 2)
            bytes += to - from;
    }
    if (maps != NULL)
        fclose(maps);
    return bytes;
}

static void look_for_the_keys(struct scoreboard *board)
{
    if (!scoreboard_enter(board, 3) || mapped_bytes("postern-keys") == 0)
        _exit(1);
    ((volatile struct ticket_keys *)board->keys)->keys[0].name[0] = 1;
}

static void look_for_the_keys_as_reader(struct scoreboard *board)
{
    if (!scoreboard_enter_as(board, ROLE_READER) || mapped_bytes("postern-keys") != 0 || board->keys != NULL)
        _exit(1);
}

static void ticket_keys_are_written_by_no_worker_and_seen_by_no_reader(void **state)
{
    struct scoreboard *board = *state;
    assert_int_equal(mapped_bytes("postern-keys"), 0); /* nor by who forks */
    int status = in_child(look_for_the_keys, board);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(in_child(look_for_the_keys_as_reader, board), 0);
}

static void enter_what_is_hidden(struct scoreboard *board)
{
    if (mapped_bytes("postern-tags") != 0 || mapped_bytes("postern-orders") == 0)
        _exit(1);
    if (!scoreboard_enter(board, 3) || mapped_bytes("postern-tags") == 0)
        _exit(2);
    scoreboard_set_tag(board, 3, TAG_IDLE);
    _exit(0);
}

static void children_are_born_without_the_masters_views(void **state)
{
    struct scoreboard *board = *state;
    scoreboard_hide(board);
    assert_int_equal(in_child(enter_what_is_hidden, board), 0);
    assert_int_equal(scoreboard_count(board, 0, SLOTS).idle, 1);
}

static void beyond_the_last_slot_that_was_used_nobody_looks(void **state)
{
    struct scoreboard *board = *state;
    orders_set_slots_end(board->orders, 2);
    for (int i = 0; i < SLOTS; i++)
        scoreboard_set_tag(board, i, TAG_IDLE);
    assert_int_equal(scoreboard_count(board, 0, SLOTS).idle, 2);
    assert_int_equal(scoreboard_count(board, 1, 2).idle, 1);
    assert_int_equal(scoreboard_count(board, 4, 2).idle, 0);
    assert_true(scoreboard_has_spare(board, 0, SLOTS, 2));
    assert_false(scoreboard_has_spare(board, 0, SLOTS, 3));
}

/* What a role has mapped for writing. */
static bool is_writable(const void *at)
{
    return at != NULL &&
           mprotect((void *)((uintptr_t)at & ~(uintptr_t)(SLOT_BYTES - 1)), 1, PROT_READ | PROT_WRITE) == 0;
}

static void look_for_totals_and_history(struct scoreboard *board)
{
    if (!scoreboard_enter(board, 3) || mapped_bytes("postern-totals") != 0 || mapped_bytes("postern-history") != 0)
        _exit(1);
    if (board->ended != NULL || board->history != NULL)
        _exit(2);
}

static void keep_house(struct scoreboard *board)
{
    if (!scoreboard_enter_as(board, ROLE_HOUSEKEEPER) || board->ended == NULL || board->listed != NULL)
        _exit(1);
    if (!is_writable(board->history) || is_writable(board->ended) || is_writable(board->tags) ||
        is_writable(board->slots))
        _exit(2);
}

static void read_all(struct scoreboard *board)
{
    if (!scoreboard_enter_as(board, ROLE_READER) || board->ended == NULL || board->history == NULL)
        _exit(1);
    if (is_writable(board->history) || is_writable(board->ended))
        _exit(2);
}

static void totals_are_the_masters_and_history_the_housekeepers(void **state)
{
    struct scoreboard *board = *state;
    assert_int_equal(mapped_bytes("postern-history"), 0); /* nor are workers forked with it */
    assert_int_equal(in_child(look_for_totals_and_history, board), 0);
    assert_int_equal(in_child(keep_house, board), 0);
    assert_int_equal(in_child(read_all, board), 0);
}

static void look_around(struct scoreboard *board)
{
    int fds[2 * REGIONS];
    for (int i = 0; i < REGIONS; i++) {
        fds[2 * i] = board->regions[i].fd;
        fds[2 * i + 1] = board->regions[i].readonly_fd;
    }
    if (!scoreboard_enter(board, 3))
        _exit(1);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fcntl(fds[i], F_GETFD) != -1)
            _exit(2);
    if (board->slots != NULL)
        _exit(3);
    if (mapped_bytes("postern-slots") != SLOT_BYTES)
        _exit(4); /* more than the own page */
}

static void a_worker_keeps_no_way_to_the_other_slots(void **state)
{
    assert_int_equal(in_child(look_around, *state), 0);
}

static void touch_behind_the_own_page(struct scoreboard *board)
{
    /* a place whose neighbours are known to be nobody's */
    unsigned char *room = mmap(NULL, 3 * SLOT_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED || !scoreboard_enter(board, 3))
        _exit(1);
    void *moved = mremap(board->own, SLOT_BYTES, SLOT_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, room + SLOT_BYTES);
    *(volatile unsigned char *)moved = 1; /* its own: fine */
    *((volatile unsigned char *)moved + SLOT_BYTES) = 1;
}

static void a_worker_that_touches_anothers_page_dies(void **state)
{
    struct scoreboard *board = *state;
    int status = in_child(touch_behind_the_own_page, board);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    for (int slot = 0; slot < SLOTS; slot++)
        for (int i = 0; i < SLOT_BYTES && slot != 3; i++)
            assert_int_equal(board->slots[slot * SLOT_BYTES + i], 0);
}

static void write_nonsense(struct scoreboard *board)
{
    if (!scoreboard_enter(board, 3))
        _exit(1);
    memset(&board->own->facts, 0xff, sizeof(board->own->facts));
    memcpy(board->own->facts.session_id, "a\nb \"", 5);
    atomic_store(&board->own->sequence, 2);
}

static void nonsense_comes_out_in_range(void **state)
{
    struct scoreboard *board = *state;
    struct slot_facts facts;
    assert_int_equal(in_child(write_nonsense, board), 0);
    assert_true(slot_read(board, 3, &facts));
    assert_int_equal(facts.state, SLOT_EMPTY);
    assert_int_equal(facts.client.family, 0);
    assert_int_equal(strlen(facts.session_id), SLOT_SESSION_ID_MAX - 1);
    for (const char *c = facts.session_id; *c != '\0'; c++)
        assert_true(*c > ' ' && *c <= '~');
    assert_memory_equal(facts.session_id, "a?b?\"?", 6);
}

static void die_in_the_middle(struct scoreboard *board)
{
    if (!scoreboard_enter(board, 3))
        _exit(1);
    slot_begin(board)->state = SLOT_BUSY;
}

static void a_slot_left_half_written_is_unreadable_and_usable_again(void **state)
{
    struct scoreboard *board = *state;
    struct slot_facts facts;
    assert_int_equal(in_child(die_in_the_middle, board), 0);
    assert_false(slot_read(board, 3, &facts));
    assert_int_equal(facts.state, SLOT_EMPTY);
    scoreboard_clear_slot(board, 3);
    assert_int_equal(in_child(write_facts, board), 0);
    assert_true(slot_read(board, 3, &facts));
    assert_int_equal(facts.serial, 42);
}

static void scribble_for_ever(struct scoreboard *board)
{
    if (!scoreboard_enter(board, 3))
        _exit(1);
    srandom(1);
    for (;;) {
        ((volatile unsigned char *)board->own)[random() % (long)sizeof(struct slot)] = (unsigned char)random();
        atomic_store(&board->tags[random() % SLOTS], (uint32_t)random());
    }
}

static void a_reader_survives_a_scribbler(void **state)
{
    struct scoreboard *board = *state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        scribble_for_ever(board);
    for (int i = 0; i < SCRIBBLES; i++) {
        struct slot_facts facts;
        slot_read(board, 3, &facts);
        assert_true(facts.state < SLOT_STATES);
        assert_true(facts.session_id[SLOT_SESSION_ID_MAX - 1] == '\0');
        struct tag_count found = scoreboard_count(board, 0, SLOTS);
        assert_in_range(found.alive, 0, SLOTS);
    }
    kill(pid, SIGKILL);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGKILL); /* it did not die before */
}

#define WITH_BOARD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_out_of_range_are_refused),
        cmocka_unit_test(a_zero_one_can_be_destroyed),
        WITH_BOARD(tags_are_counted),
        WITH_BOARD(children_are_born_without_the_masters_views),
        WITH_BOARD(beyond_the_last_slot_that_was_used_nobody_looks),
        WITH_BOARD(no_region_can_be_resized),
        WITH_BOARD(the_masters_view_of_slots_is_read_only_for_ever),
        WITH_BOARD(what_a_worker_says_is_read),
        WITH_BOARD(who_died_has_no_berth),
        WITH_BOARD(a_worker_keeps_no_way_to_the_other_slots),
        WITH_BOARD(ticket_keys_are_written_by_no_worker_and_seen_by_no_reader),
        WITH_BOARD(totals_are_the_masters_and_history_the_housekeepers),
        WITH_BOARD(a_worker_that_touches_anothers_page_dies),
        WITH_BOARD(nonsense_comes_out_in_range),
        WITH_BOARD(a_slot_left_half_written_is_unreadable_and_usable_again),
        WITH_BOARD(a_reader_survives_a_scribbler),
    };
    return cmocka_run_group_tests_name("scoreboard", tests, NULL, NULL);
}
