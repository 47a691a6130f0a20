/* SPDX-License-Identifier: ISC
 *
 * master - root's process: binds, forks, waits, replaces, stops. Reads nothing that comes from the network and acts on
 * nothing that a worker can write (L7).
 *
 * TERM or INT: listeners shut down, the pid file given up, workers leave when idle and finish when busy; at
 * drain_timeout, or at a second TERM or INT, they get WORKER_CUT_SIGNAL, and a second later SIGKILL.
 */
#ifndef POSTERN_DAEMON_MASTER_H
#define POSTERN_DAEMON_MASTER_H

#include "common/worker_setup.h"

#include "daemon/generation.h"
#include "daemon/process.h"

struct master_setup {
    const struct process_options *process;
    const struct listener_plan *listeners;
    int listener_count;
    int background; /* from background_enter, or -1: in the foreground */
};

/* From binding to the end. The exit status of the process: 0 after a stop that was asked for, 1 when it could not
 * start, which is then said on stderr and in the log. */
int master_run(const struct master_setup *setup, worker_function *worker);

#endif
