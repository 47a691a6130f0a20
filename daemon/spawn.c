/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/exit_status.h"
#include "common/log.h"
#include "common/must.h"

#include "daemon/spawn.h"
#include "daemon/wayback.h"

enum { FD_PATH_MAX = 40 };

/* Only what is ignored: nobody here installs handlers, but a sanitizer does. */
static void reset_dispositions(void)
{
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) != 0 || action.sa_handler != SIG_IGN)
            continue;
        action.sa_handler = SIG_DFL;
        sigaction(number, &action, NULL);
    }
}

void spawn_reset_signals(void)
{
    static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE, SIGTERM, SPAWN_KILL_SIGNAL};
    sigset_t none;
    sigemptyset(&none);
    wayback_disarm(); /* the master's alone */
    reset_dispositions();
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
        sigaction(ignored[i], &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The lowest of them from `from` on; INT_MAX when there is none. */
static int next_kept(const int *kept, int count, int from)
{
    int lowest = INT_MAX;
    for (int i = 0; i < count; i++)
        if (kept[i] >= from && kept[i] < lowest)
            lowest = kept[i];
    return lowest;
}

/* By what is kept, not by what is known to be open: a descriptor that a library forgot is gone, too. */
bool spawn_close_others(const int *kept, int count)
{
    int from = STDERR_FILENO + 1;
    for (;;) {
        int next = next_kept(kept, count, from);
        if (next > from && close_range((unsigned int)from, (unsigned int)next - 1, 0) != 0)
            return false;
        if (next == INT_MAX)
            return true;
        from = next + 1;
    }
}

/* The same pipe through an open file of the worker's own: flags are shared by all who hold a copy, and one worker that
 * cleared O_NONBLOCK would make the others wait for ever. */
static int reopen_pipe(int fd, int how)
{
    char path[FD_PATH_MAX];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, how | O_NONBLOCK | O_CLOEXEC);
}

static bool has_terminal(void)
{
    int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (terminal >= 0)
        close(terminal);
    return terminal >= 0 || errno != ENXIO;
}

/* What is sent to the master's group is not for its children. And its terminal is out of their reach (TIOCSTI would
 * type into it) once they have left its session. But a session is a group of its own to the scheduler (autogroup),
 * which looks at all of them again and again: thousands of workers that are held would slow down the few that work. So
 * where there is no terminal they stay. */
static bool leave_group(void)
{
    return has_terminal() ? setsid() >= 0 : setpgid(0, 0) == 0;
}

/* Nothing of the starter's is left in reach. */
bool spawn_leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0 || !leave_group() || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
        return false;
    return log_keep_stderr() || dup2(null, STDERR_FILENO) >= 0;
}

static _Noreturn void fail(const char *process, const char *step)
{
    struct record r;
    int error = errno;
    record_begin(&r, "worker-setup-failed");
    record_string(&r, "process", process);
    record_string(&r, "step", step);
    record_string(&r, "error", error != 0 ? strerror(error) : NULL);
    record_send(&r, LEVEL_ERROR);
    _exit(WORKER_BROKEN);
}

static void leave_all(const char *process, const int *kept, int count)
{
    spawn_reset_signals();
    if (!spawn_leave_terminal())
        fail(process, "leave the terminal");
    if (!spawn_close_others(kept, count))
        fail(process, "close descriptors");
}

static void settle(const char *process, const struct identity *identity, const int *kept, int count)
{
    leave_all(process, kept, count);
    if (!privilege_drop(identity))
        fail(process, "drop privileges");
}

/* -- a worker */

static const char WORKER[] = "worker";

static _Noreturn void become_worker(worker_function *function, const struct identity *identity,
                                    const struct worker_setup *given)
{
    struct worker_setup setup = *given;
    struct scoreboard board = *given->board; /* its own: the master's lies on a page that is shared so far */
    setup.board = &board;
    int kept[REGIONS + WORKER_LISTENERS_MAX + 5]; /* scoreboard_enter closes the scoreboard's */
    int count = scoreboard_descriptors(setup.board, ROLE_WORKER, kept);
    kept[count++] = setup.lifeline;
    kept[count++] = setup.wake;
    kept[count++] = setup.pressure_read;
    kept[count++] = setup.pressure_write;
    kept[count++] = setup.store;
    for (int i = 0; i < setup.listener_count; i++)
        kept[count++] = setup.listeners[i];
    settle(WORKER, identity, kept, count);
    function(&setup);
    errno = 0;
    fail(WORKER, "work");
}

static void close_pipe(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* By the master, before the fork: for each process that looks into its own /proc/self/fd the kernel keeps six KiB. */
static bool reopen_pipes(struct worker_setup *setup)
{
    setup->lifeline = reopen_pipe(setup->lifeline, O_RDONLY);
    setup->wake = reopen_pipe(setup->wake, O_WRONLY);
    setup->pressure_read = reopen_pipe(setup->pressure_read, O_RDONLY);
    setup->pressure_write = reopen_pipe(setup->pressure_write, O_WRONLY);
    return setup->lifeline >= 0 && setup->wake >= 0 && setup->pressure_read >= 0 && setup->pressure_write >= 0;
}

static void close_pipes(const struct worker_setup *setup)
{
    int error = errno;
    close_pipe(setup->lifeline);
    close_pipe(setup->wake);
    close_pipe(setup->pressure_read);
    close_pipe(setup->pressure_write);
    errno = error;
}

pid_t spawn_worker(worker_function *function, const struct identity *identity, const struct worker_setup *setup)
{
    must(setup->listener_count <= WORKER_LISTENERS_MAX);
    struct worker_setup own = *setup;
    pid_t pid = reopen_pipes(&own) ? fork() : -1;
    if (pid == 0)
        become_worker(function, identity, &own);
    close_pipes(&own);
    return pid;
}

/* -- the housekeeper */

static const char HOUSEKEEPER[] = "housekeeper";

static _Noreturn void become_housekeeper(housekeeper_function *function, const struct identity *identity,
                                         const struct housekeeper_setup *given)
{
    struct housekeeper_setup setup = *given;
    int kept[REGIONS + 3];
    int count = scoreboard_descriptors(setup.board, ROLE_HOUSEKEEPER, kept);
    prctl(PR_SET_NAME, SPAWN_NAME_HOUSEKEEPER);
    setup.lifeline = reopen_pipe(setup.lifeline, O_RDONLY);
    setup.ask = reopen_pipe(setup.ask, O_WRONLY);
    if (setup.lifeline < 0 || setup.ask < 0)
        fail(HOUSEKEEPER, "open the pipes");
    kept[count++] = setup.lifeline;
    kept[count++] = setup.ask;
    kept[count++] = setup.watch;
    settle(HOUSEKEEPER, identity, kept, count);
    function(&setup);
    errno = 0;
    fail(HOUSEKEEPER, "work");
}

pid_t spawn_housekeeper(housekeeper_function *function, const struct identity *identity,
                        const struct housekeeper_setup *setup)
{
    pid_t pid = fork();
    if (pid == 0)
        become_housekeeper(function, identity, setup);
    return pid;
}

/* -- the storekeeper */

static const char STOREKEEPER[] = "storekeeper";

static _Noreturn void become_storekeeper(storekeeper_function *function, const struct identity *identity,
                                         const struct storekeeper_setup *given)
{
    struct storekeeper_setup setup = *given;
    int kept[REGIONS + 2];
    int count = scoreboard_descriptors(setup.board, ROLE_STOREKEEPER, kept);
    prctl(PR_SET_NAME, SPAWN_NAME_STOREKEEPER);
    setup.lifeline = reopen_pipe(setup.lifeline, O_RDONLY);
    if (setup.lifeline < 0)
        fail(STOREKEEPER, "open the pipe");
    kept[count++] = setup.lifeline;
    kept[count++] = setup.questions;
    leave_all(STOREKEEPER, kept, count);
    if (!privilege_drop_but_threads(identity))
        fail(STOREKEEPER, "drop privileges");
    function(&setup);
    errno = 0;
    fail(STOREKEEPER, "work");
}

pid_t spawn_storekeeper(storekeeper_function *function, const struct identity *identity,
                        const struct storekeeper_setup *setup)
{
    pid_t pid = fork();
    if (pid == 0)
        become_storekeeper(function, identity, setup);
    return pid;
}
