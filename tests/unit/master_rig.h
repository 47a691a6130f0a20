/* SPDX-License-Identifier: ISC
 *
 * A master in a process of its own with dummy workers, its log read line by line, and clients that talk to the dummies.
 * Its planner is the test's, too: what a reload finds lies in memory that both see (struct wanted). For one test
 * program. Inline, since none of them uses all of it. */
#ifndef POSTERN_TESTS_UNIT_MASTER_RIG_H
#define POSTERN_TESTS_UNIT_MASTER_RIG_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#include "daemon/master.h"
#include "daemon/reload.h"
#include "daemon/spawn.h"

#include "tests/unit/dummy_worker.h"

enum { RIG_PATIENCE_MS = 20000, RIG_POLL_MS = 5, RIG_LOG_SIZE = 1 << 20, WANTED_LISTENERS_MAX = 3 };

enum wanted_how { WANTED_GOOD, WANTED_BAD, WANTED_HANGS, WANTED_CRASHES, WANTED_BAD_IN_MASTER };

struct wanted_listener {
    char name[16];
    struct endpoint address;
    struct pool_options pool;
    struct dummy dummy;
};

/* The configuration that the next plan is made of. */
struct wanted {
    _Atomic int how; /* enum wanted_how */
    struct process_options process;
    int listener_count;
    struct wanted_listener listeners[WANTED_LISTENERS_MAX];
    struct plan_server server;
    int manner;          /* the housekeeping */
    _Atomic int slow_ms; /* how long the check takes */
    _Atomic int makes, renewals;
    _Atomic int plans; /* that the master has, with the first one */
    pid_t master;
};

struct rig {
    char directory[64], pid_path[96];
    struct process_options process;
    struct endpoint address;
    struct pool_options pool;
    struct dummy dummy;
    struct wanted *wanted; /* shared with the master */
    housekeeper_function *housekeeper;
    int manner; /* of the housekeeper, if there is one */
    bool on_terminal;
    pid_t master; /* 0: not running */
    int log_fd;
    char *log; /* all of it so far */
    size_t log_size;
};

static inline void rig_read_log(struct rig *rig, int64_t wait_ms)
{
    struct pollfd wanted = {.fd = rig->log_fd, .events = POLLIN};
    if (clock_poll(&wanted, 1, clock_deadline(wait_ms)) <= 0)
        return;
    ssize_t got = read(rig->log_fd, rig->log + rig->log_size, RIG_LOG_SIZE - 1 - rig->log_size);
    rig->log_size += got > 0 ? (size_t)got : 0;
    rig->log[rig->log_size] = '\0';
    if (got == 0)
        usleep(RIG_POLL_MS * 1000);
}

static inline bool rig_logs(struct rig *rig, const char *text)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (strstr(rig->log, text) == NULL && clock_ms() < deadline)
        rig_read_log(rig, RIG_POLL_MS);
    return strstr(rig->log, text) != NULL;
}

/* The log's line with `text`, for checks; ends with its LF. */
static inline const char *rig_line(struct rig *rig, const char *text)
{
    assert_true(rig_logs(rig, text));
    const char *at = strstr(rig->log, text);
    while (at > rig->log && at[-1] != '\n')
        at--;
    return at;
}

static inline int rig_count(const struct rig *rig, const char *text)
{
    int count = 0;
    for (const char *at = rig->log; (at = strstr(at, text)) != NULL; at += strlen(text))
        count++;
    return count;
}

/* A port that is free now. */
static inline uint16_t rig_free_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(any);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&any, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &size), 0);
    close(fd);
    return ntohs(any.sin_port);
}

/* -- the planner */

static const struct scoreboard_options RIG_SCOREBOARD = {.rates = 1024, .reputations = 1024};

struct wanted_plan {
    struct plan plan;
    struct wanted wanted;
    struct listen_options listens[WANTED_LISTENERS_MAX];
    struct listener_plan listeners[WANTED_LISTENERS_MAX];
};

static struct plan *wanted_plan(struct wanted *wanted)
{
    struct wanted_plan *made = calloc(1, sizeof(*made));
    memcpy(&made->wanted, wanted, sizeof(*wanted));
    for (int i = 0; i < wanted->listener_count; i++) {
        struct wanted_listener *listener = &made->wanted.listeners[i];
        made->listens[i].addresses = (struct endpoint_list){&listener->address, 1};
        made->listeners[i] =
            (struct listener_plan){listener->name, &made->listens[i], &listener->pool, &listener->dummy};
    }
    made->plan = (struct plan){.process = &made->wanted.process,
                               .scoreboard = &RIG_SCOREBOARD,
                               .hostname = "mx.example.org",
                               .listeners = made->listeners,
                               .listener_count = wanted->listener_count,
                               .servers = &made->wanted.server,
                               .server_count = 1,
                               .housekeeping = &made->wanted.manner,
                               .watched_mark = 1, /* never what it is: whoever asks for a renewal gets one */
                               .watch = -1};
    if (getpid() == wanted->master)
        wanted->plans++;
    return &made->plan;
}

static struct plan *rig_make(const struct planner *planner, char *why, size_t why_size)
{
    struct wanted *wanted = (struct wanted *)(uintptr_t)planner->context;
    bool in_master = getpid() == wanted->master;
    int how = wanted->how;
    wanted->makes++;
    if (!in_master && wanted->slow_ms > 0)
        usleep((useconds_t)wanted->slow_ms * 1000);
    while (how == WANTED_HANGS && !in_master)
        pause();
    if (how == WANTED_CRASHES && !in_master)
        raise(SIGKILL);
    snprintf(why, why_size, "test.conf:7: listener mx: something is wrong");
    return how == WANTED_BAD || (how == WANTED_BAD_IN_MASTER && in_master) ? NULL : wanted_plan(wanted);
}

static struct plan *rig_renew(const struct planner *planner, const struct plan *old, char *why, size_t why_size)
{
    struct wanted *wanted = (struct wanted *)(uintptr_t)planner->context;
    (void)old, (void)why, (void)why_size;
    wanted->renewals++;
    return wanted_plan(wanted);
}

static inline void rig_drop(const struct planner *planner, struct plan **plan)
{
    struct wanted *wanted = (struct wanted *)(uintptr_t)planner->context;
    struct wanted_plan *made = (struct wanted_plan *)*plan;
    if (made == NULL)
        return;
    memset(made, 0x5a, sizeof(*made)); /* whoever uses it still is found out */
    free(made);
    *plan = NULL;
    wanted->plans--;
}

static inline int rig_set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    *state = rig;
    rig->log = calloc(1, RIG_LOG_SIZE);
    snprintf(rig->directory, sizeof(rig->directory), "/tmp/postern-master-XXXXXX");
    if (mkdtemp(rig->directory) == NULL)
        return -1;
    snprintf(rig->pid_path, sizeof(rig->pid_path), "%s/pid", rig->directory);
    rig->process = (struct process_options){.user = "nobody",
                                            .pid_file = rig->pid_path,
                                            .drain_timeout_ms = 60000,
                                            .retire_timeout_ms = 3600000,
                                            .log = PROCESS_LOG_STDERR,
                                            .log_level = LEVEL_DEBUG};
    rig->address = (struct endpoint){
        .kind = ENDPOINT_IP, .address = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = rig_free_port()};
    rig->pool = (struct pool_options){.min_spare = 2, .max_spare = 4, .max_workers = 8};
    rig->dummy.exit_at_once = -1;
    rig->log_fd = -1;
    return 0;
}

static _Noreturn void rig_become_master(struct rig *rig, int log)
{
    dup2(log, STDERR_FILENO);
    log_to_stderr("posternd");
    log_set_level(LEVEL_DEBUG);
    struct planner planner = {rig_make, rig_renew, rig_drop, rig->wanted};
    rig->wanted->master = getpid();
    static const struct program program = {.fd = -1};
    static struct takeover nothing = {.legacy = {.fd = -1}};
    struct master_setup setup = {&planner, wanted_plan(rig->wanted), dummy_worker, rig->housekeeper, -1, &program,
                                 &nothing};
    _exit(master_run(&setup));
}

static inline void rig_write_wanted(struct rig *rig)
{
    struct wanted *wanted = mmap(NULL, sizeof(*wanted), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(wanted != MAP_FAILED);
    wanted->process = rig->process;
    wanted->listener_count = 1;
    wanted->listeners[0] = (struct wanted_listener){"mx", rig->address, rig->pool, rig->dummy};
    wanted->manner = rig->manner;
    wanted->server = (struct plan_server){"inside", "one", rig->address, 0};
    rig->wanted = wanted;
}

/* In a session of its own with a terminal for stdin: a pair whose other end is kept open. */
static inline void rig_take_terminal(void)
{
    int far = posix_openpt(O_RDWR | O_NOCTTY);
    setsid();
    if (far < 0 || grantpt(far) != 0 || unlockpt(far) != 0)
        _exit(96);
    int near = open(ptsname(far), O_RDWR); /* becomes the session's */
    if (near < 0 || dup2(near, STDIN_FILENO) < 0 || open("/dev/tty", O_RDWR | O_CLOEXEC) < 0)
        _exit(96);
}

/* Do both have the same open file as stderr? 0: yes. */
static inline long rig_same_file(pid_t a, pid_t b)
{
    return syscall(SYS_kcmp, a, b, KCMP_FILE, STDERR_FILENO, STDERR_FILENO);
}

/* Does not wait for ready. */
static inline void rig_launch(struct rig *rig)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    rig->log_fd = ends[0];
    rig_write_wanted(rig);
    rig->master = fork();
    assert_true(rig->master >= 0);
    if (rig->master == 0 && rig->on_terminal)
        rig_take_terminal();
    if (rig->master == 0)
        rig_become_master(rig, ends[1]);
    close(ends[1]);
}

static inline void rig_start(struct rig *rig)
{
    rig_launch(rig);
    assert_true(rig_logs(rig, "event=ready"));
}

static inline void rig_start_on_terminal(struct rig *rig)
{
    rig->on_terminal = true;
    rig_start(rig);
}

/* As ps shows it; false: gone. */
static inline bool rig_is_named(pid_t pid, const char *name)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof(path), "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "r");
    bool read = file != NULL && fgets(text, sizeof(text), file) != NULL;
    if (file != NULL)
        fclose(file);
    text[strcspn(text, "\n")] = '\0';
    return read && strcmp(text, name) == 0;
}

/* The pids of the master's children. */
static inline int rig_children(const struct rig *rig, pid_t *pids, int room)
{
    char path[64], text[8192];
    snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)rig->master, (int)rig->master);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[size > 0 ? size : 0] = '\0';
    int count = 0;
    for (char *at = text, *end; count < room; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            break;
        pids[count++] = (pid_t)pid;
    }
    return count;
}

/* Those of them that are workers. */
static inline int rig_workers(const struct rig *rig, pid_t *pids, int room)
{
    pid_t all[256];
    int count = 0, found = rig_children(rig, all, 256);
    for (int i = 0; i < found && count < room; i++)
        if (!rig_is_named(all[i], SPAWN_NAME_HOUSEKEEPER) && !rig_is_named(all[i], RELOAD_CHILD_NAME))
            pids[count++] = all[i];
    return count;
}

static inline int rig_worker_count(const struct rig *rig)
{
    pid_t pids[64];
    return rig_workers(rig, pids, 64);
}

/* Waits until the number of workers is within these. */
static inline bool rig_has_workers(const struct rig *rig, int least, int most)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    for (;;) {
        int count = rig_worker_count(rig);
        if (count >= least && count <= most)
            return true;
        if (clock_ms() >= deadline)
            return false;
        usleep(RIG_POLL_MS * 1000);
    }
}

/* Its exit status, or -1 when it did not end, or not by itself. */
static inline int rig_wait(struct rig *rig)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (clock_ms() < deadline) {
        int status;
        rig_read_log(rig, RIG_POLL_MS);
        if (waitpid(rig->master, &status, WNOHANG) != rig->master)
            continue;
        rig->master = 0;
        rig_read_log(rig, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    return -1;
}

static inline int rig_stop(struct rig *rig)
{
    kill(rig->master, SIGTERM);
    return rig_wait(rig);
}

/* A test that failed may have left them all. */
static inline int rig_tear_down(void **state)
{
    struct rig *rig = *state;
    if (rig->master > 0) {
        pid_t pids[64];
        int count = rig_children(rig, pids, 64);
        rig_read_log(rig, 0);
        fprintf(stderr, "--- the master's log\n%s", rig->log);
        kill(rig->master, SIGKILL);
        waitpid(rig->master, NULL, 0);
        for (int i = 0; i < count; i++)
            kill(pids[i], SIGKILL);
    }
    if (rig->log_fd >= 0)
        close(rig->log_fd);
    unlink(rig->pid_path);
    rmdir(rig->directory);
    free(rig->log);
    free(rig);
    return 0;
}

/* -- clients */

struct client {
    int fd;
    int pid, slot, generation; /* who serves it */
};

static inline int rig_connect_to(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = RIG_PATIENCE_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0)
        return fd;
    close(fd);
    return -1;
}

static inline int rig_connect(const struct rig *rig)
{
    return rig_connect_to(rig->address.port);
}

static inline void client_say(const struct client *client, const char *line)
{
    char text[128];
    int size = snprintf(text, sizeof(text), "%s\n", line);
    assert_int_equal(send(client->fd, text, (size_t)size, MSG_NOSIGNAL), size);
}

/* False at the end of the conversation. */
static inline bool client_hear(const struct client *client, char line[DUMMY_LINE_SIZE])
{
    size_t size = 0;
    while (size < DUMMY_LINE_SIZE - 1 && recv(client->fd, line + size, 1, 0) == 1)
        if (line[size++] == '\n')
            break;
    line[size] = '\0';
    return size > 0;
}

static inline struct client client_open_at(uint16_t port)
{
    struct client client = {.fd = rig_connect_to(port)};
    char line[DUMMY_LINE_SIZE];
    assert_true(client.fd >= 0);
    assert_true(client_hear(&client, line));
    assert_int_equal(sscanf(line, "hello %d %d %d", &client.pid, &client.slot, &client.generation), 3);
    return client;
}

static inline struct client client_open(const struct rig *rig)
{
    return client_open_at(rig->address.port);
}

static inline void client_close(const struct client *client)
{
    close(client->fd);
}

#endif
