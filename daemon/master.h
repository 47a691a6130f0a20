/* SPDX-License-Identifier: ISC
 *
 * master - root's process: binds, forks, waits, replaces, reloads, stops. Reads nothing that comes from the network and
 * acts on nothing that a worker can write (L7).
 *
 * HUP: the configuration is read anew, and workers forked from it take the place of those there are (reload.h,
 * succession.h). What is wrong with it is said, and nothing changes.
 *
 * posternctl upgrade: the program that is installed by then is executed in the place of this one, in the same process,
 * and is left all there is (upgrade.h).
 *
 * TERM or INT: listeners shut down, the pid file given up, workers leave when idle and finish when busy; at
 * drain_timeout, or at a second TERM or INT, they get WORKER_CUT_SIGNAL, and a second later SIGKILL.
 */
#ifndef POSTERN_DAEMON_MASTER_H
#define POSTERN_DAEMON_MASTER_H

#include "common/worker_setup.h"

#include "daemon/plan.h"
#include "daemon/program.h"
#include "daemon/takeover.h"

struct master_setup {
    const struct planner *planner;
    struct plan *plan; /* the first one; the master's from now on */
    worker_function *worker;
    housekeeper_function *housekeeper; /* NULL: none */
    int background;                    /* from background_enter, or -1: in the foreground */
    const struct program *program;
    struct takeover *takeover;         /* what there was before us, which may be nothing */
    explainer_function *explainer;     /* NULL: none */
    storekeeper_function *storekeeper; /* NULL: none */
    teller_function *teller;           /* NULL: none */
};

/* From binding, or from taking over what another program has bound, to the end. The exit status of the process: 0 after
 * a stop that was asked for, 1 when it could not start, which is then said on stderr and in the log. */
int master_run(const struct master_setup *setup);

#endif
