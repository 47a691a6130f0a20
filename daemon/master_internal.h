/* SPDX-License-Identifier: ISC
 *
 * What the master units share: the master as a whole; how it starts, here or in the place of another program.
 */
#ifndef POSTERN_DAEMON_MASTER_INTERNAL_H
#define POSTERN_DAEMON_MASTER_INTERNAL_H

#include "daemon/control.h"
#include "daemon/household.h"
#include "daemon/master.h"
#include "daemon/pidfile.h"
#include "daemon/reload.h"
#include "daemon/stop.h"
#include "daemon/succession.h"
#include "daemon/upgrade.h"

enum {
    MASTER_WHY_MAX = RELOAD_WHY_MAX,
    MASTER_SETTLE_MS = 1000 /* for workers of the configuration before, that wait for a client, to leave */
};

struct master {
    const struct master_setup *setup;
    struct plan *first_plan; /* until the succession has it */
    bool log_is_stderr;
    struct house house;
    struct succession succession;
    struct household household, storekeeper;
    struct reload reload;
    struct upgrade upgrade;
    struct stop stop;
    struct pidfile pidfile;
    struct listing listing;
    struct bypass bypass;
    struct control *control;                                           /* NULL: none was wanted */
    const struct generation *generations[SUCCESSION_DRAINING_MAX + 1]; /* for its views */
    int64_t started_ms, reloaded_ms;
    time_t started_wall;
    int reloads;
    bool is_new_board; /* another program's was of another layout */
    int signals;       /* signalfd */
    int64_t settle_ms; /* a reload, or an upgrade, has switched over, and is over then at the latest; 0: none */
    bool is_upgrade;   /* .. which of them */
    int64_t wake_after_ms, ask_after_ms;
    int64_t check_ms; /* when to look at the listeners */
    int64_t reap_ms;  /* when to ask for children that ended; 0: one has */
};

/* False with why, and nothing was said yet. */
bool master_start(struct master *m, char *why);
bool master_take_over(struct master *m, char *why);
/* The one place where the start is over: whoever waits for us is told here. */
void master_ready(struct master *m);
void master_say_taken_over(struct master *m);
void master_clean_up(struct master *m);

/* What they share. */
bool master_open_signals(struct master *m);
bool master_failed(char *why, const char *what); /* with errno's text; false */
struct control_host master_host(struct master *m);
const struct plan *master_plan(const struct master *m);
bool master_is_serving(const struct master *m);
bool master_make_sandbox(struct master *m, char *why);
/* A machine that cannot is no reason not to run, but nobody shall believe in a sandbox that is not there. */
void master_say_sandbox(const struct master *m, const struct plan *plan);
/* A place in the scoreboard that another server has now: before the first worker that knows it as such. */
void master_forget_changed_servers(struct master *m, const struct plan *next);

/* Housekeeper and storekeeper go on by the present plan. */
void master_change_households(struct master *m, int64_t now_ms);

/* An upgrade that was asked for, as far as it goes without waiting. When to look again at the latest. */
int64_t master_look_at_upgrade(struct master *m, int64_t now_ms);

#endif
