/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/sandbox.h"

#include "daemon/background.h"
#include "daemon/inherited.h"
#include "daemon/master_internal.h"
#include "daemon/notify.h"
#include "daemon/storedir.h"

static bool open_control(struct master *m, char *why)
{
    const struct process_options *process = m->first_plan->process;
    struct control_host host = master_host(m);
    if (process->control_socket == NULL)
        return true;
    m->control = control_open(process->control_socket, process->control_group, &host, why, MASTER_WHY_MAX);
    return m->control != NULL;
}

bool master_open_signals(struct master *m)
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

bool master_failed(char *why, const char *what)
{
    snprintf(why, MASTER_WHY_MAX, "%s: %s", what, strerror(errno));
    return false;
}

static void say_unused(int sockets)
{
    if (sockets == 0)
        return;
    struct record r;
    record_begin(&r, "inherited-unused");
    record_number(&r, "sockets", (uint64_t)sockets);
    record_string(&r, "why", "no listener has the address of a socket that was handed over");
    record_send(&r, LEVEL_WARNING);
}

bool master_make_sandbox(struct master *m, char *why)
{
    m->house.sandbox = sandbox_new();
    return m->house.sandbox != NULL || master_failed(why, "cannot make the sandbox");
}

/* The lock first: nothing of a master that runs is touched, least of all its Unix sockets. */
bool master_start(struct master *m, char *why)
{
    const struct process_options *process = m->first_plan->process;
    privilege_empty_cores();
    tzset(); /* here: it reads a file, and in each child it would touch ten pages of a heap that is shared until then */
    notify_open();
    if (!master_open_signals(m))
        return master_failed(why, "cannot start");
    if (!inherited_take(why, MASTER_WHY_MAX))
        return false;
    if (!privilege_resolve(process->user, process->group, &m->house.identity, why, MASTER_WHY_MAX) ||
        !pidfile_create(&m->pidfile, process->pid_file, why, MASTER_WHY_MAX))
        return false;
    if (!open_control(m, why))
        return false;
    const struct scoreboard_options *scoreboard = m->first_plan->scoreboard;
    const struct scoreboard_size size = {SCOREBOARD_SLOTS_MAX, scoreboard->rates, scoreboard->reputations};
    if (!house_open(&m->house, &size))
        return master_failed(why, "cannot make the scoreboard");
    listing_open(&m->listing, m->house.board.listed, process->listed_file, !m->log_is_stderr);
    if (!household_open(&m->household, &m->house, &household_housekeeper) ||
        !household_open(&m->storekeeper, &m->house, &household_storekeeper))
        return master_failed(why, "cannot make the housekeeper's pipe");
    storedir_make(m->first_plan->store, &m->house.identity);
    if (!master_make_sandbox(m, why))
        return false;
    scoreboard_hide(&m->house.board);
    struct plan *first = m->first_plan;
    m->first_plan = NULL;
    if (!succession_begin(&m->succession, &m->house, first, why, MASTER_WHY_MAX))
        return false;
    say_unused(inherited_close_unused());
    if (!privilege_reduce())
        return master_failed(why, "cannot reduce privileges");
    master_change_households(m, clock_ms());
    return true;
}

void master_say_sandbox(const struct master *m, const struct plan *plan)
{
    const char *missing = sandbox_missing(m->house.sandbox);
    if (plan_sandbox(plan) == SANDBOX_OFF || missing == NULL)
        return;
    struct record r;
    record_begin(&r, "no-sandbox");
    record_string(&r, "why", missing);
    record_send(&r, LEVEL_WARNING);
}

/* The one place where the start is over: whoever waits for us is told here. */
void master_ready(struct master *m)
{
    struct record r;
    enum sandbox_mode mode = plan_sandbox(master_plan(m));
    plan_check_limits(master_plan(m));
    master_say_sandbox(m, master_plan(m));
    record_begin(&r, "ready");
    record_number(&r, "listeners", (uint64_t)master_plan(m)->listener_count);
    record_string(&r, "sandbox", sandbox_in_force(m->house.sandbox, mode));
    record_number(&r, "landlock", (uint64_t)sandbox_landlock(m->house.sandbox, mode));
    record_send(&r, LEVEL_NOTICE);
    if (!m->log_is_stderr && !log_is_heard())
        dprintf(STDERR_FILENO, PROCESS_IDENT ": runs, but nobody reads its log at %s\n",
                master_plan(m)->process->log_socket);
    if (m->setup->takeover->how != TAKEOVER_NONE)
        master_say_taken_over(m);
    if (m->setup->background >= 0)
        background_ready(m->setup->background, m->log_is_stderr);
    notify_ready();
}

void master_clean_up(struct master *m)
{
    succession_close(&m->succession);
    if (m->first_plan != NULL)
        m->setup->planner->drop(m->setup->planner, &m->first_plan);
    household_close(&m->household);
    household_close(&m->storekeeper);
    control_close(&m->control);
    pidfile_remove(&m->pidfile);
    house_close(&m->house);
    sandbox_free(&m->house.sandbox);
    if (m->signals >= 0)
        close(m->signals);
}
