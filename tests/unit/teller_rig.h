/* SPDX-License-Identifier: ISC
 *
 * The teller as posternctl's child, for each test with a store in a directory of its own and a storekeeper that writes
 * down what it is told when it is asked to. */
#ifndef POSTERN_TESTS_UNIT_TELLER_RIG_H
#define POSTERN_TESTS_UNIT_TELLER_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/control.h"
#include "common/scoreboard.h"
#include "common/scoreboard_options.h"
#include "common/store_options.h"

#include "workers/storekeeper/shelf.h"
#include "workers/teller/teller.h"

enum {
    SLOTS = 4,
    EARLY = 100,
    WAITING_MAX = 1100,
    WORDS_MAX = 4,
    HEARD_MAX = 4 << 20,
    SIZE = 16 << 20,
    WAIT_MS = 20000,
    LATER_MS = 30,
    DAY = 86400
};

static struct scoreboard board;
static struct store_board *seen_by_master;
static struct sandbox *sandbox;
static char directory[] = "/tmp/postern-teller-XXXXXX";
static int store_read, store_write;
static char *heard; /* the last answer */

static const struct scoreboard_options scoreboard = {
    .rates = 1024, .reputations = 1024, .ipv4_prefix = 24, .ipv6_prefix = 64};
static struct prefixes prefixes; /* those of a default policy, but where a test has others */
static struct store_options options = {.directory = directory, .size_bytes = SIZE, .deadline_ms = 1000};

/* -- the storekeeper */

/* What was put is written when it is settled, or the next key goes. */
static struct store_request *waiting;
static int waiting_count;
static bool loses_all; /* of what is put, and says so with its next beat */
static uint64_t lost;

static inline bool write_waiting(struct shelf *shelf)
{
    bool good = true;
    for (int i = 0; i < waiting_count; i++) {
        struct store_record record;
        memcpy(&record, waiting[i].value, sizeof(record));
        const struct shelf_change change = {slice_make(waiting[i].key, waiting[i].key_size), &record};
        good = good && shelf_write(shelf, &change, 1, NULL) == SHELF_DONE;
    }
    waiting_count = 0;
    return good;
}

static inline struct store_answer do_it(struct shelf *shelf, const struct store_request *request)
{
    struct store_record there;
    const struct shelf_change gone = {slice_make(request->key, request->key_size), NULL};
    if (request->deed == STORE_PUT && loses_all) {
        lost++;
        atomic_store(&board.store->head.beat_ms, clock_ms());
        return (struct store_answer){STORE_DONE, 0};
    }
    if (request->deed == STORE_PUT && waiting_count < WAITING_MAX) {
        waiting[waiting_count++] = *request;
        return (struct store_answer){STORE_DONE, 0};
    }
    if (request->deed == STORE_PUT || !write_waiting(shelf))
        return (struct store_answer){STORE_UNSURE, 0};
    if (request->deed == STORE_FLUSH)
        return (struct store_answer){STORE_DONE, 0};
    bool was_there = shelf_find(shelf, gone.key, &there) == SHELF_DONE;
    if (shelf_write(shelf, &gone, 1, NULL) != SHELF_DONE)
        return (struct store_answer){STORE_UNSURE, 0};
    return (struct store_answer){was_there ? STORE_PASS : STORE_FIRST, 0};
}

static inline void tell_lost(void)
{
    if (lost == 0)
        return;
    clock_poll(NULL, 0, clock_deadline(LATER_MS));
    atomic_fetch_add(&board.store->head.lost, lost);
    lost = 0;
    atomic_store(&board.store->head.beat_ms, clock_ms() + WAIT_MS);
}

static inline _Noreturn void keep_store(void)
{
    struct shelf *shelf;
    struct store_request request;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(store_write);
    waiting = calloc(WAITING_MAX, sizeof(*waiting));
    if (waiting == NULL || shelf_open(&shelf, directory, SIZE, NULL) != SHELF_DONE)
        _exit(1);
    atomic_store(&board.store->head.state, STORE_WORKING);
    for (ssize_t got; (got = recv(store_read, &request, sizeof(request), 0)) > 0;) {
        if (store_is_request(&request, (size_t)got, SLOTS))
            store_say(board.store, &request, do_it(shelf, &request));
        if (request.deed == STORE_FLUSH)
            tell_lost();
    }
    shelf_close(&shelf);
    _exit(0);
}

static pid_t keeper;

static inline void begin_keeper(void)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    store_read = ends[0];
    store_write = ends[1];
    atomic_store(&board.store->head.state, STORE_NONE);
    keeper = fork();
    assert_true(keeper >= 0);
    if (keeper == 0)
        keep_store();
    close(store_read);
    while (atomic_load(&board.store->head.state) != STORE_WORKING && waitpid(keeper, NULL, WNOHANG) == 0)
        clock_poll(NULL, 0, clock_deadline(1));
    assert_int_equal(atomic_load(&board.store->head.state), STORE_WORKING);
}

static inline void end_keeper(void)
{
    int status;
    if (store_write < 0)
        return;
    close(store_write);
    store_write = -1;
    assert_int_equal(waitpid(keeper, &status, 0), keeper);
    assert_int_equal(status, 0);
    atomic_store(&board.store->head.state, STORE_NONE);
}

/* -- asking */

static inline _Noreturn void answer(const char *line, struct slice behind, int fd)
{
    struct slice words[WORDS_MAX], rest = slice_of(line);
    char verb[32];
    int count = 0;
    struct slice first = slice_take_word(&rest);
    snprintf(verb, sizeof(verb), "%.*s", SLICE_ARGS(first));
    for (rest = slice_trim(rest); rest.size > 0 && count < WORDS_MAX; rest = slice_trim(rest))
        words[count++] = slice_take_word(&rest);
    const struct teller_setup setup = {.verb = verb,
                                       .words = words,
                                       .word_count = count,
                                       .behind = behind,
                                       .board = &board,
                                       .scoreboard = &scoreboard,
                                       .store = &options,
                                       .greylisted = &prefixes,
                                       .ask = store_write,
                                       .place = SLOTS + 3,
                                       .fd = fd,
                                       .deadline_ms = clock_deadline(WAIT_MS),
                                       .sandbox = sandbox,
                                       .sandbox_mode = SANDBOX_ON};
    teller_main(&setup);
}

/* A part of the lines comes with the request, the rest by and by. */
static inline pid_t begin(const char *line, const char *lines, int *fd_out)
{
    int ends[2];
    size_t early = strlen(lines) < EARLY ? strlen(lines) : EARLY;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    atomic_store(&board.store->head.beat_ms, clock_ms() + WAIT_MS);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        answer(line, slice_make(lines, early), ends[1]);
    }
    close(ends[1]);
    for (size_t at = early, size = strlen(lines); at < size;) {
        ssize_t sent = send(ends[0], lines + at, size - at, MSG_NOSIGNAL);
        if (sent < 0)
            break;
        at += (size_t)sent;
    }
    shutdown(ends[0], SHUT_WR);
    *fd_out = ends[0];
    return pid;
}

static int status; /* of the last child */

static inline void ask_with(const char *line, const char *lines)
{
    int fd;
    size_t size = 0;
    pid_t pid = begin(line, lines, &fd);
    for (ssize_t got; (got = read(fd, heard + size, HEARD_MAX - size - 1)) > 0;)
        size += (size_t)got;
    heard[size] = '\0';
    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static inline void ask(const char *line)
{
    ask_with(line, "");
    assert_int_equal(status, 0);
}

static inline void assert_heard(const char *words)
{
    if (strstr(heard, words) == NULL)
        fail_msg("not heard: %s\nin: %s", words, heard);
}

static inline void assert_unheard(const char *words)
{
    if (strstr(heard, words) != NULL)
        fail_msg("heard: %s\nin: %s", words, heard);
}

static inline void assert_ended_well(void)
{
    size_t size = strlen(heard);
    if (size < 3 || strcmp(heard + size - 3, "ok\n") != 0 || strstr(heard, "error ") != NULL)
        fail_msg("this is no good end: %s", heard);
}

static inline int count_heard(const char *words)
{
    int count = 0;
    for (const char *at = heard; (at = strstr(at, words)) != NULL; at += strlen(words))
        count++;
    return count;
}

/* -- a store for each test */

static inline void forget_all(void)
{
    char path[64];
    static const char *const names[] = {"memory.mdb", "memory.mdb-lock", "memory.damaged"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
}

static inline int set_up(void **state)
{
    (void)state;
    options.directory = directory;
    prefixes = (struct prefixes){{false}, {false}};
    prefixes_add(&prefixes, 4, 24);
    prefixes_add(&prefixes, 6, 64);
    begin_keeper();
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    end_keeper();
    forget_all();
    return 0;
}

static inline int set_up_all(void **state)
{
    (void)state;
    heard = malloc(HEARD_MAX);
    sandbox = sandbox_new();
    if (heard == NULL || sandbox == NULL || mkdtemp(directory) == NULL)
        return -1;
    if (!scoreboard_create(&board, &(struct scoreboard_size){SLOTS, 1024, 1024}))
        return -1;
    seen_by_master = board.store; /* who only reads it: here we are the storekeeper, too */
    board.store = mmap(NULL, store_board_bytes(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return board.store != MAP_FAILED ? 0 : -1;
}

static inline int tear_down_all(void **state)
{
    (void)state;
    rmdir(directory);
    munmap(board.store, store_board_bytes(SLOTS));
    board.store = seen_by_master;
    scoreboard_destroy(&board);
    sandbox_free(&sandbox);
    free(heard);
    return 0;
}

static inline void import_well(const char *lines)
{
    ask_with("store import", lines);
    assert_int_equal(status, 0);
    assert_ended_well();
}

static inline const char *lines_of(const char *format)
{
    static char text[4096];
    long long now = (long long)time(NULL);
    snprintf(text, sizeof(text), format, now - 100, now - 50, now + DAY);
    return text;
}

#endif
