/* SPDX-License-Identifier: ISC
 *
 * A worker for tests of the master: it greets, obeys whoever connects, and misbehaves on command. For one test program.
 *
 *     says   hello PID SLOT GENERATION   after accept
 *     hears  echo                    says echo
 *            exit N                  ends with this status
 *            crash                   dies of SIGSEGV, its slot filled like a session's
 *            stubborn                ignores the master's cut from now on, says stubborn
 *            alone                   says "session terminal fork": ok each when it leads its own, has none, cannot
 *            shutdown                shuts the listener down for all who share it, says shutdown
 *            remember                remembers the keywords of an inside server, says remember
 *            remembered              says yes when they still are, or no
 *            fds                     says what each of its descriptors is, in one line
 *            who                     says "uid gid groups capabilities nonewprivs core dumpable blocked ignored"
 *            scribble                writes nonsense over all it can reach, for ever, and calls the master without end
 */
#ifndef POSTERN_TESTS_UNIT_DUMMY_WORKER_H
#define POSTERN_TESTS_UNIT_DUMMY_WORKER_H

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/exit_status.h"
#include "common/scoreboard.h"
#include "common/worker_setup.h"

enum { DUMMY_LINE_SIZE = 4096 };

/* The service of a dummy. */
struct dummy {
    int exit_at_once; /* this status instead of any work; -1: works */
};

struct dummy_run {
    const struct worker_setup *setup;
    struct scoreboard *board;
    int client;
};

static void dummy_say(const struct dummy_run *run, const char *text)
{
    if (send(run->client, text, strlen(text), MSG_NOSIGNAL) < 0)
        _exit(99);
}

static void dummy_list_descriptors(const struct dummy_run *run)
{
    char line[DUMMY_LINE_SIZE] = "", target[256];
    DIR *directory = opendir("/proc/self/fd");
    if (directory == NULL)
        _exit(98);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        ssize_t size = readlinkat(dirfd(directory), entry->d_name, target, sizeof(target) - 1);
        if (size <= 0 || strtol(entry->d_name, NULL, 10) == dirfd(directory))
            continue;
        target[size] = '\0';
        size_t used = strlen(line);
        snprintf(line + used, sizeof(line) - used, "%s=%s ", entry->d_name, target);
    }
    closedir(directory);
    strncat(line, "\n", sizeof(line) - strlen(line) - 1);
    dummy_say(run, line);
}

static unsigned long long dummy_status_line(const char *name)
{
    char line[256];
    unsigned long long value = ~0ull;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtoull(line + strlen(name) + 1, NULL, 16);
    if (status != NULL)
        fclose(status);
    return value;
}

/* 32 and 33 are the C library's own: nobody can reset them, and whoever runs the tests may have left them ignored. */
static const unsigned long long DUMMY_LIBC_SIGNALS = 3ull << 31;

static void dummy_say_who(const struct dummy_run *run)
{
    char line[DUMMY_LINE_SIZE];
    uid_t uids[3];
    gid_t gids[3];
    struct rlimit core;
    getresuid(&uids[0], &uids[1], &uids[2]);
    getresgid(&gids[0], &gids[1], &gids[2]);
    getrlimit(RLIMIT_CORE, &core);
    snprintf(line, sizeof(line), "%u/%u/%u %u/%u/%u %d %llx %llx %llu %d %llx %llx\n", uids[0], uids[1], uids[2],
             gids[0], gids[1], gids[2], getgroups(0, NULL), dummy_status_line("CapPrm:") | dummy_status_line("CapEff:"),
             dummy_status_line("NoNewPrivs:"), (unsigned long long)core.rlim_max, prctl(PR_GET_DUMPABLE),
             dummy_status_line("SigBlk:"), dummy_status_line("SigIgn:") & ~DUMMY_LIBC_SIGNALS);
    dummy_say(run, line);
}

/* As in daemon/privilege.c. */
#ifdef __SANITIZE_ADDRESS__
static const bool DUMMY_MAY_FORK = true;
#else
static const bool DUMMY_MAY_FORK = false;
#endif

static void dummy_say_alone(const struct dummy_run *run)
{
    char line[DUMMY_LINE_SIZE];
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    snprintf(line, sizeof(line), "%s %s %s\n", getsid(0) == getpid() ? "ok" : "no", tty < 0 ? "ok" : "no",
             pid < 0 || DUMMY_MAY_FORK ? "ok" : "no");
    dummy_say(run, line);
}

static void dummy_crash(const struct dummy_run *run)
{
    struct slot_facts *facts = slot_begin(run->board);
    facts->state = SLOT_BUSY;
    facts->client = (struct ipaddr){.family = 4, .bytes = {192, 0, 2, 77}};
    snprintf(facts->session_id, sizeof(facts->session_id), "s\n\"x=");
    slot_end(run->board);
    sigaction(SIGSEGV, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    raise(SIGSEGV);
}

static void dummy_be_blocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
}

/* Takes each ticket as it comes, and leaves when the master lets go: or no test would end. */
static void dummy_eat_tickets(const struct worker_setup *setup)
{
    char ticket;
    struct pollfd lifeline = {.fd = setup->lifeline, .events = POLLIN};
    if (poll(&lifeline, 1, 0) > 0 && read(setup->lifeline, &ticket, 1) == 0)
        _exit(WORKER_ORPHANED);
}

static _Noreturn void dummy_scribble(const struct dummy_run *run)
{
    static char calls[4096];
    const struct worker_setup *setup = run->setup;
    /* These flags are shared with everybody who holds a copy. */
    dummy_be_blocking(setup->lifeline);
    dummy_be_blocking(setup->wake);
    srandom((unsigned)getpid());
    for (;;) {
        for (int i = 0; i < SLOT_BYTES; i++)
            ((volatile unsigned char *)run->board->own)[i] = (unsigned char)random();
        for (int i = 0; i < run->board->slot_count; i++)
            atomic_store(&run->board->tags[i], random() % 2 != 0 ? TAG_IDLE : (uint32_t)random());
        memset(run->board->heard, (int)random(), SCOREBOARD_SERVERS_MAX * sizeof(struct heard));
        if (write(setup->wake, calls, sizeof(calls)) <= 0)
            _exit(97);
        dummy_eat_tickets(setup);
    }
}

static void dummy_obey(const struct dummy_run *run, const char *line)
{
    if (strcmp(line, "echo") == 0)
        dummy_say(run, "echo\n");
    else if (strncmp(line, "exit ", 5) == 0)
        _exit((int)strtol(line + 5, NULL, 10));
    else if (strcmp(line, "crash") == 0)
        dummy_crash(run);
    else if (strcmp(line, "fds") == 0)
        dummy_list_descriptors(run);
    else if (strcmp(line, "who") == 0)
        dummy_say_who(run);
    else if (strcmp(line, "remember") == 0) {
        atomic_store(&run->board->heard[0].lately.keywords, 1);
        dummy_say(run, "remember\n");
    } else if (strcmp(line, "remembered") == 0)
        dummy_say(run, atomic_load(&run->board->heard[0].lately.keywords) == 1 ? "yes\n" : "no\n");
    else if (strcmp(line, "scribble") == 0)
        dummy_scribble(run);
    else if (strcmp(line, "stubborn") == 0) {
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
        dummy_say(run, "stubborn\n");
    } else if (strcmp(line, "alone") == 0)
        dummy_say_alone(run);
    else if (strcmp(line, "shutdown") == 0) {
        shutdown(run->setup->listeners[0], SHUT_RDWR);
        dummy_say(run, "shutdown\n");
    }
}

static void dummy_wake(const struct worker_setup *setup)
{
    ssize_t written = write(setup->wake, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* full: the master was called already */
}

static void dummy_serve(struct dummy_run *run)
{
    const struct worker_setup *setup = run->setup;
    char line[DUMMY_LINE_SIZE];
    ssize_t size;
    scoreboard_set_tag(run->board, setup->slot, TAG_BUSY);
    if (scoreboard_count(run->board, setup->pool_first, setup->pool_size).idle < setup->min_spare)
        dummy_wake(setup);
    snprintf(line, sizeof(line), "hello %d %d %u\n", (int)getpid(), setup->slot, setup->generation);
    dummy_say(run, line);
    while ((size = recv(run->client, line, sizeof(line) - 1, 0)) > 0) {
        line[size] = '\0';
        line[strcspn(line, "\n")] = '\0';
        dummy_obey(run, line);
    }
    close(run->client);
}

static void dummy_look_at_lifeline(const struct worker_setup *setup)
{
    char ticket;
    ssize_t got = read(setup->lifeline, &ticket, 1);
    if (got == 1)
        _exit(WORKER_RETIRED);
    if (got == 0)
        _exit(WORKER_ORPHANED);
}

static int dummy_watch(const struct worker_setup *setup)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN}; /* a ticket wakes all, and the first takes it */
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, setup->lifeline, &event) != 0)
        _exit(WORKER_SHORT);
    return epoll;
}

/* As workers do it: the lifeline always, the listener while it waits, who is woken accepts first. */
static int dummy_accept(const struct worker_setup *setup, int epoll)
{
    int client = -1;
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE}, got;
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, setup->listeners[0], &event) != 0)
        _exit(WORKER_SHORT);
    while (client < 0) {
        epoll_wait(epoll, &got, 1, -1);
        client = accept4(setup->listeners[0], NULL, NULL, SOCK_CLOEXEC);
        if (client < 0)
            dummy_look_at_lifeline(setup);
    }
    epoll_ctl(epoll, EPOLL_CTL_DEL, setup->listeners[0], &event);
    return client;
}

static void dummy_worker(const struct worker_setup *setup)
{
    const struct dummy *dummy = setup->service;
    struct scoreboard board = *setup->board;
    struct dummy_run run = {.setup = setup, .board = &board};
    if (dummy->exit_at_once >= 0)
        _exit(dummy->exit_at_once);
    if (!scoreboard_enter(&board, setup->slot))
        _exit(WORKER_BROKEN);
    int epoll = dummy_watch(setup);
    for (;;) {
        scoreboard_set_tag(&board, setup->slot, TAG_IDLE);
        run.client = dummy_accept(setup, epoll);
        scoreboard_set_tag(&board, setup->slot, TAG_BUSY);
        dummy_serve(&run);
    }
}

#endif
