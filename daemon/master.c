/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#include "daemon/background.h"
#include "daemon/master.h"
#include "daemon/pidfile.h"
#include "daemon/reap.h"
#include "daemon/spawn.h"

enum {
    WHY_MAX = 512,
    WAKE_PAUSE_MS = 5, /* between two answers to the wake pipe: workers that call without end cost no more than that */
    CHECK_MS = 1000,   /* between two looks whether listeners still listen */
    CUT_GRACE_MS = 1000,
    KILL_GRACE_MS = 5000 /* for a process that not even SIGKILL ends: it hangs in the kernel */
};

enum run { RUN_SERVING, RUN_DRAINING, RUN_TERMINATING, RUN_KILLING, RUN_ENDED };

struct master {
    const struct master_setup *setup;
    struct house house;
    struct generation generation;
    struct listen_set *sets; /* one for each listener */
    struct pidfile pidfile;
    int signals; /* signalfd */
    enum run run;
    int64_t run_until_ms; /* when this part of the stop is over; CLOCK_NEVER while serving */
    int64_t wake_after_ms;
    int64_t check_ms; /* when to look at the listeners */
};

/* -- start */

static bool open_signals(struct master *m)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGUSR1, SIGUSR2};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaddset(&set, numbers[i]);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    sigaction(SIGCHLD, &(struct sigaction){.sa_handler = SIG_DFL},
              NULL); /* ignored by the starter: no status to wait for */
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
        return false;
    m->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return m->signals >= 0;
}

static bool open_listeners(struct master *m, char *why)
{
    for (int i = 0; i < m->setup->listener_count; i++) {
        const struct listener_plan *plan = &m->setup->listeners[i];
        char reason[WHY_MAX / 2];
        if (!listen_open(&m->sets[i], plan->listen, reason, sizeof(reason))) {
            snprintf(why, WHY_MAX, "listener %s: %s", plan->name, reason);
            return false;
        }
    }
    return true;
}

static bool failed(char *why, const char *what)
{
    snprintf(why, WHY_MAX, "%s: %s", what, strerror(errno));
    return false;
}

static bool start(struct master *m, char *why)
{
    const struct process_options *process = m->setup->process;
    int count = m->setup->listener_count;
    m->sets = calloc((size_t)count, sizeof(*m->sets));
    if (m->sets == NULL || !open_signals(m))
        return failed(why, "cannot start");
    /* The lock first: nothing of a master that runs is touched, least of all its Unix sockets. */
    if (!privilege_resolve(process->user, process->group, &m->house.identity, why, WHY_MAX) ||
        !pidfile_create(&m->pidfile, process->pid_file, why, WHY_MAX) || !open_listeners(m, why))
        return false;
    if (!house_open(&m->house, generation_slots(m->setup->listeners, count)))
        return failed(why, "cannot make the scoreboard");
    if (!privilege_reduce())
        return failed(why, "cannot reduce privileges");
    if (!generation_open(&m->generation, 1, m->setup->listeners, m->sets, count))
        return failed(why, "cannot make the lifelines");
    return true;
}

static bool logs_to_stderr(const struct master *m)
{
    return m->setup->process->log == PROCESS_LOG_STDERR;
}

/* The one place where the start is over: whoever waits for us is told here. */
static void master_ready(const struct master *m)
{
    struct record r;
    record_begin(&r, "ready");
    record_number(&r, "listeners", (uint64_t)m->setup->listener_count);
    record_send(&r, LEVEL_NOTICE);
    if (!logs_to_stderr(m) && !log_is_heard())
        dprintf(STDERR_FILENO, PROCESS_IDENT ": runs, but nobody reads its log at %s\n", m->setup->process->log_socket);
    if (m->setup->background >= 0)
        background_ready(m->setup->background, logs_to_stderr(m));
}

/* The terminal hears it as well as the log: until ready, stderr is still the starter's. */
static void complain(const struct master *m, const char *why)
{
    struct record r;
    record_begin(&r, "start-failed");
    record_string(&r, "why", why);
    record_send(&r, LEVEL_ERROR);
    if (!logs_to_stderr(m))
        dprintf(STDERR_FILENO, PROCESS_IDENT ": %s\n", why);
}

static void clean_up(struct master *m)
{
    generation_close(&m->generation);
    pidfile_remove(&m->pidfile);
    for (int i = 0; m->sets != NULL && i < m->setup->listener_count; i++)
        listen_close(&m->sets[i]);
    free(m->sets);
    house_close(&m->house);
    if (m->signals >= 0)
        close(m->signals);
}

/* -- stop */

static const char *run_name(enum run run)
{
    static const char *const names[] = {"serving", "draining", "terminating", "killing", "ended"};
    return names[run];
}

static void enter_run(struct master *m, enum run run, int64_t until_ms)
{
    struct record r;
    record_begin(&r, "stop");
    record_string(&r, "from", run_name(m->run));
    record_string(&r, "to", run_name(run));
    record_number(&r, "workers", (uint64_t)roster_alive(&m->house.roster, 0, m->house.roster.size));
    record_send(&r, LEVEL_NOTICE);
    m->run = run;
    m->run_until_ms = until_ms;
}

/* Lifelines first: a worker that the shut-down listener wakes then finds the reason at once. */
static void drain(struct master *m)
{
    generation_dismiss(&m->generation);
    for (int i = 0; i < m->setup->listener_count; i++)
        listen_shutdown(&m->sets[i]);
    pidfile_remove(&m->pidfile); /* a new master may take the place while the sessions of this one end */
    enter_run(m, RUN_DRAINING, clock_deadline(m->setup->process->drain_timeout_ms));
}

/* One step further towards the end: asked for by a signal, or because the time of this one is over. */
static void stop_harder(struct master *m)
{
    switch (m->run) {
    case RUN_SERVING:
        drain(m);
        break;
    case RUN_DRAINING:
        roster_signal_all(&m->house.roster, WORKER_CUT_SIGNAL);
        enter_run(m, RUN_TERMINATING, clock_deadline(CUT_GRACE_MS));
        break;
    case RUN_TERMINATING:
        roster_signal_all(&m->house.roster, SIGKILL);
        enter_run(m, RUN_KILLING, clock_deadline(KILL_GRACE_MS));
        break;
    case RUN_KILLING:
    case RUN_ENDED:
        enter_run(m, RUN_ENDED, CLOCK_NEVER);
        break;
    }
}

static void go_on_stopping(struct master *m, int64_t now_ms)
{
    if (m->run == RUN_SERVING || m->run == RUN_ENDED)
        return;
    if (roster_alive(&m->house.roster, 0, m->house.roster.size) == 0)
        enter_run(m, RUN_ENDED, CLOCK_NEVER);
    else if (now_ms >= m->run_until_ms)
        stop_harder(m);
}

/* -- loop */

static void refuse_reload(void)
{
    struct record r;
    record_begin(&r, "reload");
    record_string(&r, "refused", "not supported yet: stop and start");
    record_send(&r, LEVEL_WARNING);
}

static void take_signal(struct master *m, uint32_t number)
{
    if (number == SIGHUP)
        refuse_reload();
    /* A third signal changes nothing: who was told to terminate has its second. */
    if ((number == SIGTERM || number == SIGINT) && (m->run == RUN_SERVING || m->run == RUN_DRAINING))
        stop_harder(m);
}

static void take_signals(struct master *m)
{
    struct signalfd_siginfo info;
    while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        take_signal(m, info.ssi_signo);
}

/* Until a signal, a worker that calls, or the time to look again. True when a worker called. */
static bool wait_for_news(struct master *m, int64_t look_ms)
{
    int64_t now_ms = clock_ms();
    bool deaf = now_ms < m->wake_after_ms;
    struct pollfd fds[] = {
        {.fd = m->signals, .events = POLLIN},
        {.fd = deaf ? -1 : m->house.wake_read, .events = POLLIN},
    };
    int64_t until_ms = deaf && m->wake_after_ms < look_ms ? m->wake_after_ms : look_ms;
    if (clock_poll(fds, 2, until_ms) <= 0 || fds[1].revents == 0)
        return false;
    house_drain_wake(&m->house);
    m->wake_after_ms = clock_deadline(WAKE_PAUSE_MS);
    return true;
}

static void check_listeners(struct master *m, int64_t now_ms)
{
    if (m->run != RUN_SERVING || now_ms < m->check_ms)
        return;
    generation_restore_listeners(&m->generation);
    m->check_ms = now_ms + CHECK_MS;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void serve(struct master *m)
{
    int64_t look_ms = generation_look(&m->generation, &m->house, true, clock_ms());
    while (m->run != RUN_ENDED) {
        bool wake = wait_for_news(m, earlier(look_ms, m->run_until_ms));
        take_signals(m);
        int64_t now_ms = clock_ms();
        wake |= reap_workers(&m->house, &m->generation, now_ms);
        check_listeners(m, now_ms); /* as often as that: each crew is looked at every second */
        look_ms = generation_look(&m->generation, &m->house, wake, now_ms);
        go_on_stopping(m, now_ms);
    }
}

int master_run(const struct master_setup *setup, worker_function *worker)
{
    struct master m = {.setup = setup, .signals = -1, .run_until_ms = CLOCK_NEVER};
    m.house = (struct house){.worker = worker, .wake_read = -1, .wake_write = -1};
    m.pidfile.fd = -1;
    char why[WHY_MAX];
    bool started = start(&m, why);
    if (started) {
        master_ready(&m);
        serve(&m);
    } else {
        complain(&m, why);
    }
    clean_up(&m);
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
