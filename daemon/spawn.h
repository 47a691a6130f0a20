/* SPDX-License-Identifier: ISC
 *
 * spawn - one fork, and everything that makes a worker out of a copy of the master.
 *
 * In the child, in this order: dispositions and mask of signals as after exec, but INT, HUP and PIPE ignored (a
 * terminal's signals are the master's business); the pipes opened anew, every descriptor closed that the worker has no
 * use for; privileges dropped for good; then the worker's function. What fails there is logged by the child, which ends
 * with WORKER_BROKEN.
 */
#ifndef POSTERN_DAEMON_SPAWN_H
#define POSTERN_DAEMON_SPAWN_H

#include <sys/types.h>

#include "common/scoreboard.h"
#include "common/worker_setup.h"

#include "daemon/privilege.h"

struct spawn {
    worker_function *function;
    const struct identity *identity;
    struct worker_setup setup;
};

/* The child's pid, or -1 with errno. */
pid_t spawn_worker(const struct spawn *spawn);

#endif
