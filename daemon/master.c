/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#include "daemon/heap.h"
#include "daemon/master_internal.h"
#include "daemon/notify.h"
#include "daemon/reap.h"
#include "daemon/wayback.h"

enum {
    WAKE_PAUSE_MS = 5, /* between two answers to the wake pipe: workers that call without end cost no more than that */
    ASK_PAUSE_MS = 1000, /* .. and to the housekeeper's */
    CHECK_MS = 1000,     /* between two looks whether listeners still listen */
    SETTLE_LOOK_MS = 20
};

const struct plan *master_plan(const struct master *m)
{
    return m->succession.present->plan;
}

bool master_is_serving(const struct master *m)
{
    return m->stop.stage == STOP_NONE;
}

static const char *state_name(const struct master *m)
{
    if (upgrade_is_running(&m->upgrade))
        return "upgrading";
    return reload_is_running(&m->reload) ? "reloading" : stop_stage_name(m->stop.stage);
}

/* -- what posternctl may ask */

static void show_view(void *context, struct control_view *out)
{
    struct master *m = context;
    int count = 0;
    m->generations[count++] = m->succession.present;
    for (int i = 0; i < m->succession.draining_count; i++)
        m->generations[count++] = m->succession.draining[i];
    *out = (struct control_view){
        .house = &m->house,
        .plan = master_plan(m),
        .generations = m->generations,
        .generation_count = count,
        .state = state_name(m),
        .started_ms = m->started_ms,
        .started_wall = m->started_wall,
        .reloaded_ms = m->reloaded_ms,
        .reloads = m->reloads,
        .last_refusal = m->reload.why[0] != '\0' ? m->reload.why : NULL,
        .housekeeper = m->household.pid,
        .housekeeper_restarts = m->household.restarts,
        .storekeeper = m->storekeeper.pid,
        .storekeeper_restarts = m->storekeeper.restarts,
        .log_dropped = log_dropped(),
        .planner = m->setup->planner,
        .listing = &m->listing,
        .bypass = &m->bypass,
    };
}

static bool reload_by_control(void *context)
{
    struct master *m = context;
    if (master_is_serving(m))
        reload_ask(&m->reload, RELOAD_BY_CONTROL);
    return master_is_serving(m);
}

static bool upgrade_by_control(void *context)
{
    struct master *m = context;
    if (master_is_serving(m))
        upgrade_ask(&m->upgrade);
    return master_is_serving(m);
}

static void ask_to_stop(struct master *m);

static void stop_by_control(void *context)
{
    ask_to_stop(context);
}

struct control_host master_host(struct master *m)
{
    return (struct control_host){m, show_view, reload_by_control, upgrade_by_control, stop_by_control};
}

/* -- stop */

/* Lifelines first: a worker that the shut-down listener wakes then finds the reason at once. */
static void drain(struct master *m)
{
    notify_stopping();
    reload_stop(&m->reload);
    upgrade_stop(&m->upgrade);
    m->settle_ms = 0;
    household_change(&m->household, NULL, 0, clock_ms());
    generation_dismiss(m->succession.present);
    generation_shut(m->succession.present, NULL);
    control_reload_over(m->control, false, "posternd is stopping");
    control_upgrade_refused(m->control, "posternd is stopping");
    control_yield(m->control);
    listing_yield(&m->listing);
    pidfile_remove(&m->pidfile); /* a new master may take the place while the sessions of this one end */
    stop_begin(&m->stop, &m->house, master_plan(m)->process->drain_timeout_ms);
}

static void ask_to_stop(struct master *m)
{
    if (master_is_serving(m))
        drain(m);
    else if (m->stop.stage == STOP_DRAINING) /* a third changes nothing: who was told to terminate has its second */
        stop_harder(&m->stop, &m->house);
}

static void go_on_stopping(struct master *m, int64_t now_ms)
{
    int workers = roster_total(&m->house.roster);
    int left = workers + (m->household.pid != 0) + (m->storekeeper.pid != 0);
    if (m->stop.stage == STOP_TERMINATING)
        household_kill(&m->household);
    if (m->stop.stage != STOP_NONE && workers == 0 && m->storekeeper.plan != NULL) /* they told it until now */
        household_change(&m->storekeeper, NULL, 0, now_ms);
    stop_look(&m->stop, &m->house, left, now_ms);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* -- reload */

/* A place in the scoreboard that another server has now: before the first worker that knows it as such. */
void master_forget_changed_servers(struct master *m, const struct plan *next)
{
    for (int i = 0; i < next->server_count; i++)
        if (next->servers[i].slot >= 0 && !plan_has_server(master_plan(m), &next->servers[i]))
            scoreboard_forget_server(&m->house.board, next->servers[i].slot);
}

void master_change_households(struct master *m, int64_t now_ms)
{
    const struct generation *present = m->succession.present;
    household_change(&m->household, present->plan, present->number, now_ms);
    household_change(&m->storekeeper, present->plan, present->number, now_ms);
}

/* What the child found good is read once more, here: it may have changed since, and what is made of it must be ours. */
static bool switch_over(struct master *m, int64_t now_ms, char *why)
{
    heap_empty();
    struct plan *plan = reload_plan(&m->reload, master_plan(m), why, MASTER_WHY_MAX);
    if (plan == NULL) {
        heap_fill();
        return false;
    }
    master_forget_changed_servers(m, plan);
    log_set_level((enum level)plan->process->log_level); /* workers have it from their fork on */
    bool changed = succession_change(&m->succession, &m->house, plan, now_ms, why, MASTER_WHY_MAX);
    if (changed) {
        plan_check_limits(plan);
        master_say_sandbox(m, plan);
        master_change_households(m, now_ms);
    }
    log_set_level((enum level)master_plan(m)->process->log_level);
    return changed;
}

static void say_end(struct master *m, bool good, const char *why)
{
    if (m->is_upgrade) {
        m->is_upgrade = false;
        control_upgrade_over(m->control, m->setup->takeover->version);
        return;
    }
    if (reload_over(&m->reload, m->succession.present->number, good ? NULL : why))
        control_reload_over(m->control, good, why);
    notify_ready();
}

static void take_news(struct master *m, int64_t now_ms)
{
    char why[MASTER_WHY_MAX];
    enum reload_news news = reload_take_news(&m->reload);
    if (news == RELOAD_NOTHING)
        return;
    bool good = news == RELOAD_GOOD && switch_over(m, now_ms, why);
    if (news == RELOAD_BAD)
        snprintf(why, sizeof(why), "%s", m->reload.why);
    if (!good) {
        say_end(m, false, why);
        return;
    }
    m->reloads++;
    m->reloaded_ms = now_ms;
    m->settle_ms = now_ms + MASTER_SETTLE_MS;
}

/* Who waited under the configuration before may be woken for one client more. Once nobody does, whoever connects finds
 * the new one, and the reload is over. That nobody does is rumour, hence the bound. */
static int64_t settle(struct master *m, int64_t now_ms)
{
    if (m->settle_ms == 0)
        return CLOCK_NEVER;
    if (now_ms < m->settle_ms && !succession_is_settled(&m->succession, &m->house))
        return now_ms + SETTLE_LOOK_MS;
    m->settle_ms = 0;
    say_end(m, true, NULL);
    return now_ms;
}

static int64_t look_at_reload(struct master *m, int64_t now_ms)
{
    if (!master_is_serving(m))
        return CLOCK_NEVER;
    take_news(m, now_ms);
    int64_t settle_ms = settle(m, now_ms);
    if (upgrade_is_running(&m->upgrade) || m->is_upgrade)
        return settle_ms;
    bool was_running = reload_is_running(&m->reload);
    int64_t look_ms = reload_look(&m->reload, master_plan(m), succession_has_room(&m->succession), now_ms);
    if (!was_running && reload_is_running(&m->reload))
        notify_reloading();
    return earlier(look_ms, settle_ms);
}

/* -- loop */

static void take_signal(struct master *m, uint32_t number)
{
    if (number == SIGCHLD)
        m->reap_ms = 0;
    if (number == SIGHUP && master_is_serving(m))
        reload_ask(&m->reload, RELOAD_BY_SIGNAL);
    if (number == SIGTERM || number == SIGINT)
        ask_to_stop(m);
}

static void take_signals(struct master *m)
{
    struct signalfd_siginfo info;
    while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
        take_signal(m, info.ssi_signo);
}

/* A pipe that others write to without end is not listened to all the time. */
static struct pollfd listen_to(int fd, int64_t after_ms, int64_t now_ms, int64_t *look_ms)
{
    if (now_ms >= after_ms)
        return (struct pollfd){.fd = fd, .events = POLLIN};
    *look_ms = earlier(*look_ms, after_ms);
    return (struct pollfd){.fd = -1};
}

/* Until a signal, a worker that calls, the housekeeper that asks, or the time to look again. True when a worker
 * called. */
static bool wait_for_news(struct master *m, int64_t look_ms)
{
    enum { SIGNALS, WAKE, ASK, FDS };
    int64_t now_ms = clock_ms();
    struct pollfd fds[FDS + CONTROL_FDS] = {
        [SIGNALS] = {.fd = m->signals, .events = POLLIN},
        [WAKE] = listen_to(m->house.wake_read, m->wake_after_ms, now_ms, &look_ms),
        [ASK] = listen_to(m->household.ask_read, m->ask_after_ms, now_ms, &look_ms),
    };
    nfds_t count = FDS + (nfds_t)control_poll_fds(m->control, fds + FDS);
    if (clock_poll(fds, count, look_ms) <= 0)
        return false;
    if (fds[ASK].revents != 0 && household_has_asked(&m->household)) {
        reload_ask(&m->reload, RELOAD_BY_FILE);
        m->ask_after_ms = clock_deadline(ASK_PAUSE_MS);
    }
    if (fds[WAKE].revents == 0)
        return false;
    house_drain_wake(&m->house);
    m->wake_after_ms = clock_deadline(WAKE_PAUSE_MS);
    return true;
}

/* All children that have ended by now; never waits. True when one was a worker. Each question goes through all children
 * that there are, so it is asked when one has said that it ended, and now and then. */
static bool reap(struct master *m, int64_t now_ms)
{
    bool any = false;
    int status;
    if (now_ms < m->reap_ms)
        return false;
    m->reap_ms = now_ms + CHECK_MS;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (reap_worker(&m->house, &m->succession, pid, status, now_ms))
            any = true;
        else if (!control_reaped(m->control, pid, status) && !household_reaped(&m->household, pid, status, now_ms) &&
                 !household_reaped(&m->storekeeper, pid, status, now_ms) && !upgrade_reaped(&m->upgrade, pid, status))
            reload_reaped(&m->reload, pid, status); /* or nobody of ours: inherited from who executed us */
    }
    return any;
}

static void check_listeners(struct master *m, int64_t now_ms)
{
    if (!master_is_serving(m) || now_ms < m->check_ms)
        return;
    if (generation_restore_listeners(m->succession.present) && !reload_is_running(&m->reload))
        reload_ask(&m->reload, RELOAD_BY_LISTENER);
    m->check_ms = now_ms + CHECK_MS;
}

/* Everything that has its time; when to look again at the latest. */
static int64_t look(struct master *m, bool wake)
{
    int64_t now_ms = clock_ms();
    wake |= reap(m, now_ms);
    check_listeners(m, now_ms); /* as often as that: each crew is looked at every second */
    control_step(m->control, now_ms);
    int64_t look_ms = earlier(look_at_reload(m, now_ms), master_look_at_upgrade(m, now_ms));
    look_ms = earlier(look_ms, control_next_ms(m->control));
    look_ms = earlier(look_ms, generation_look(m->succession.present, &m->house, wake, now_ms));
    look_ms = earlier(look_ms, succession_look(&m->succession, &m->house, now_ms));
    go_on_stopping(m, now_ms); /* before the households are looked at, which it may tell to leave */
    look_ms = earlier(look_ms, household_look(&m->household, now_ms));
    look_ms = earlier(look_ms, household_look(&m->storekeeper, now_ms));
    look_ms = earlier(look_ms, listing_look(&m->listing, now_ms));
    look_ms = earlier(look_ms, bypass_look(&m->bypass, now_ms));
    return earlier(look_ms, m->stop.until_ms);
}

static void serve(struct master *m)
{
    int64_t look_ms = look(m, true);
    while (m->stop.stage != STOP_ENDED) {
        bool wake = wait_for_news(m, look_ms);
        take_signals(m);
        look_ms = look(m, wake);
    }
}

/* The terminal hears it as well as the log: until ready, stderr is still the starter's. */
static void complain(const struct master *m, const char *why)
{
    struct record r;
    bool on_trial = m->setup->takeover->how == TAKEOVER_TRIAL;
    record_begin(&r, "start-failed");
    record_string(&r, "why", why);
    if (!on_trial) /* or it would look like the end of who serves */
        record_send(&r, LEVEL_ERROR);
    if (!m->log_is_stderr || on_trial)
        dprintf(STDERR_FILENO, PROCESS_IDENT ": %s\n", why);
}

/* The program before, where there is one. Who is back already, and cannot fork now, or has no memory, tries again:
 * until then the workers that there are serve. */
static void go_back(const struct master *m, const char *why)
{
    if (m->setup->takeover->how == TAKEOVER_BACK && !wayback_wait())
        return;
    wayback_say(why);
    wayback_go();
}

int master_run(const struct master_setup *setup)
{
    struct master m = {.setup = setup, .signals = -1, .stop = {STOP_NONE, CLOCK_NEVER}};
    m.house = (struct house){.worker = setup->worker,
                             .housekeeper = setup->housekeeper,
                             .storekeeper = setup->storekeeper,
                             .explainer = setup->explainer,
                             .teller = setup->teller,
                             .wake_read = -1,
                             .wake_write = -1,
                             .store_read = -1,
                             .store_write = -1};
    m.household = (struct household){.kind = &household_housekeeper, .lifeline = -1, .ask_read = -1, .ask_write = -1};
    m.storekeeper = (struct household){.kind = &household_storekeeper, .lifeline = -1, .ask_read = -1, .ask_write = -1};
    m.succession = (struct succession){.planner = setup->planner};
    m.first_plan = setup->plan;
    m.log_is_stderr = setup->plan->process->log == PROCESS_LOG_STDERR;
    m.pidfile.fd = -1;
    m.started_ms = clock_ms();
    m.started_wall = clock_wall();
    reload_open(&m.reload, setup->planner);
    upgrade_open(&m.upgrade, setup->program, setup->planner);
    char why[MASTER_WHY_MAX];
    bool started = setup->takeover->how == TAKEOVER_NONE ? master_start(&m, why) : master_take_over(&m, why);
    if (started) {
        master_ready(&m);
        serve(&m);
    } else {
        complain(&m, why);
        go_back(&m, why);
    }
    master_clean_up(&m);
    log_report_drops();
    return started ? EXIT_SUCCESS : EXIT_FAILURE;
}
