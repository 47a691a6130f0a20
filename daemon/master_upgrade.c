/* SPDX-License-Identifier: ISC
 *
 * The master's upgrade, from both ends: the program that goes, and the one that takes its place.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/version.h"

#include "daemon/estate.h"
#include "daemon/master_internal.h"
#include "daemon/notify.h"

enum {
    COMES_UP_MS = 5000, /* for the first workers of a program that takes another one's place */
    COMES_UP_LOOK_MS = 5,
    TAKE_BACK_MS = 500
};

static struct estate estate_of(struct master *m)
{
    return (struct estate){.house = &m->house,
                           .succession = &m->succession,
                           .household = &m->household,
                           .storekeeper = &m->storekeeper,
                           .reload = &m->reload,
                           .pidfile = &m->pidfile,
                           .listing = &m->listing,
                           .bypass = &m->bypass,
                           .started_ms = &m->started_ms,
                           .started_wall = &m->started_wall,
                           .reloaded_ms = &m->reloaded_ms,
                           .reloads = &m->reloads};
}

static bool take_estate(struct master *m, char *why)
{
    struct legacy *legacy = &m->setup->takeover->legacy;
    struct estate estate = estate_of(m);
    struct control_host host = master_host(m);
    if (!estate_read(&estate, legacy, m->first_plan, why, MASTER_WHY_MAX))
        return false;
    if (!control_read(&m->control, legacy, &host))
        return master_failed(why, "cannot take over the control socket");
    m->is_new_board = estate.is_new_board;
    if (m->setup->takeover->how != TAKEOVER_TRIAL)
        estate_take_effect(&estate);
    return legacy_is_good(legacy, why, MASTER_WHY_MAX);
}

/* Or a program whose workers end as soon as they are made would take the place of one that served. */
static bool comes_up(const struct master *m, const struct generation *next, char *why)
{
    int64_t until_ms = clock_deadline(COMES_UP_MS);
    while (!generation_is_up(next, &m->house) && clock_ms() < until_ms)
        clock_poll(NULL, 0, clock_deadline(COMES_UP_LOOK_MS));
    if (generation_is_up(next, &m->house) || m->setup->takeover->how == TAKEOVER_BACK)
        return true;
    snprintf(why, MASTER_WHY_MAX, "the workers of posternd %s do not come up; see its lines in the log",
             postern_version);
    return false;
}

/* Before the way back: the program before makes workers in the same slots, and does not know of these. Who has a client
 * already goes on to the end of the session, unseen: two in one slot spoil no more of it than a worker may. */
static void take_back(struct master *m, struct generation *next)
{
    int64_t until_ms = clock_deadline(TAKE_BACK_MS);
    struct roster *roster = &m->house.roster;
    generation_dismiss(next);
    while (roster_of_generation(roster, next->number) > 0 && clock_ms() < until_ms) {
        for (int slot = 0; slot < roster->end; slot++) {
            const struct roster_entry *entry = &roster->entries[slot];
            if (entry->pid != 0 && entry->generation == next->number &&
                waitpid(entry->pid, NULL, WNOHANG) == entry->pid)
                roster_remove(roster, slot);
        }
        clock_poll(NULL, 0, clock_deadline(COMES_UP_LOOK_MS));
    }
}

/* As a reload does it. What was left by the other program is used up from here on: there is no way back any more. */
static bool succeed(struct master *m, char *why)
{
    struct plan *plan = m->first_plan;
    m->first_plan = NULL;
    master_forget_changed_servers(m, plan);
    struct generation *next = succession_prepare(&m->succession, &m->house, plan, clock_ms(), why, MASTER_WHY_MAX);
    if (next == NULL)
        return false;
    if (!comes_up(m, next, why)) {
        take_back(m, next);
        return false;
    }
    takeover_end(m->setup->takeover);
    succession_switch(&m->succession, next, clock_ms());
    master_change_households(m, clock_ms());
    m->is_upgrade = true;
    m->settle_ms = clock_deadline(MASTER_SETTLE_MS);
    return true;
}

bool master_take_over(struct master *m, char *why)
{
    const struct process_options *process = m->first_plan->process;
    bool on_trial = m->setup->takeover->how == TAKEOVER_TRIAL;
    privilege_empty_cores();
    tzset();
    notify_open();
    if (!master_open_signals(m))
        return master_failed(why, "cannot start");
    if (!on_trial && !privilege_resolve(process->user, process->group, &m->house.identity, why, MASTER_WHY_MAX))
        return false;
    if (!take_estate(m, why))
        return false;
    if (on_trial)
        takeover_pass();
    if (!master_make_sandbox(m, why))
        return false;
    scoreboard_hide(&m->house.board);
    if (!privilege_reduce())
        return master_failed(why, "cannot reduce privileges");
    return succeed(m, why);
}

static const char *board_state(const struct master *m)
{
    return m->is_new_board ? "new" : "kept";
}

static void say_upgraded(const struct master *m)
{
    struct record r;
    record_begin(&r, "upgraded");
    record_string(&r, "from", m->setup->takeover->version);
    record_string(&r, "to", postern_version);
    record_string(&r, "scoreboard", board_state(m));
    record_send(&r, LEVEL_NOTICE);
}

static void say_back(const struct master *m)
{
    struct record r;
    record_begin(&r, "upgrade-failed");
    record_string(&r, "version", postern_version);
    record_string(&r, "scoreboard", board_state(m));
    record_string(&r, "why", m->setup->takeover->why);
    record_send(&r, LEVEL_ERROR);
    control_upgrade_refused(m->control, m->setup->takeover->why);
}

void master_say_taken_over(struct master *m)
{
    if (m->setup->takeover->how == TAKEOVER_BACK)
        say_back(m);
    else
        say_upgraded(m);
}

/* -- and goes */

/* What there is now, for another program. False with errno. */
static bool write_legacy(struct master *m, struct legacy *to)
{
    struct estate estate = estate_of(m);
    if (!legacy_create(to))
        return false;
    takeover_write(to, m->setup->program);
    estate_write(&estate, to);
    control_write(m->control, to);
    return legacy_seal(to);
}

static void refuse_upgrade(struct master *m, const char *why)
{
    struct record r;
    record_begin(&r, "upgrade-failed");
    record_string(&r, "version", postern_version);
    record_string(&r, "why", why);
    record_send(&r, LEVEL_ERROR);
    upgrade_over(&m->upgrade);
    control_upgrade_refused(m->control, why);
    notify_ready();
}

static void begin_upgrade(struct master *m, int64_t now_ms)
{
    struct legacy legacy;
    notify_reloading();
    if (write_legacy(m, &legacy))
        upgrade_begin(&m->upgrade, &legacy, now_ms);
    else
        refuse_upgrade(m, strerror(errno));
    legacy_clear(&legacy);
}

/* What the new program begins with, and this one on the way back: an address that cannot be bound, or slots that are
 * not free, would end them both. The trial may not bind. */
static bool rehearse(struct master *m, char *why)
{
    struct plan *plan = reload_plan(&m->reload, master_plan(m), why, MASTER_WHY_MAX);
    return plan != NULL && succession_rehearse(&m->succession, &m->house, plan, why, MASTER_WHY_MAX);
}

static void leave_all(struct master *m, char *why)
{
    struct legacy legacy;
    log_report_drops();
    if (!write_legacy(m, &legacy))
        snprintf(why, MASTER_WHY_MAX, "cannot write down what there is: %s", strerror(errno));
    else
        upgrade_execute(&m->upgrade, &legacy, why, MASTER_WHY_MAX);
    legacy_clear(&legacy);
}

/* Comes back only when it failed. */
static void execute_upgrade(struct master *m)
{
    char why[MASTER_WHY_MAX];
    if (rehearse(m, why))
        leave_all(m, why);
    refuse_upgrade(m, why);
}

int64_t master_look_at_upgrade(struct master *m, int64_t now_ms)
{
    if (!master_is_serving(m))
        return CLOCK_NEVER;
    enum upgrade_news news = upgrade_take_news(&m->upgrade);
    if (news == UPGRADE_TRIED)
        execute_upgrade(m);
    if (news == UPGRADE_REFUSED)
        refuse_upgrade(m, m->upgrade.why);
    bool may_begin = !reload_is_running(&m->reload) && m->settle_ms == 0;
    if (upgrade_is_wished(&m->upgrade) && may_begin && succession_has_room(&m->succession))
        begin_upgrade(m, now_ms);
    else if (upgrade_is_wished(&m->upgrade) && may_begin) {
        upgrade_stop(&m->upgrade);
        refuse_upgrade(m, "sessions of too many earlier configurations go on");
    }
    return upgrade_look(&m->upgrade, now_ms);
}
