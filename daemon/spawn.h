/* SPDX-License-Identifier: ISC
 *
 * spawn - one fork, and everything that makes a worker, the housekeeper or the storekeeper out of a copy of the master.
 *
 * In the child, in this order: dispositions and mask of signals as after exec, but INT, HUP, TERM and PIPE ignored:
 * what a terminal or a supervisor sends to all is the master's business, who cuts a session by WORKER_CUT_SIGNAL; so is
 * SPAWN_KILL_SIGNAL, until the worker is ready to look at the order that it stands for (orders.h); a process
 * group of its own, where the master has a terminal a session of its own without one; /dev/null for stdin, stdout and
 * (unless the log needs it) stderr; every descriptor closed that the child has no use for; privileges dropped for good;
 * then the child's function. What fails there is logged by the child, which ends with WORKER_BROKEN. Its pipes are
 * opened anew: a worker's by the master, before the fork.
 */
#ifndef POSTERN_DAEMON_SPAWN_H
#define POSTERN_DAEMON_SPAWN_H

#include <signal.h>
#include <sys/types.h>

#include "common/scoreboard.h"
#include "common/worker_setup.h"

#include "daemon/privilege.h"

enum { WORKER_CUT_SIGNAL = SIGUSR1 }; /* its default action ends a worker */
enum { SPAWN_KILL_SIGNAL = SIGUSR2 }; /* there is an order to end a session */

/* What ps and top show of each; the master is called as its program. At most 15 octets. */
#define SPAWN_NAME_HOUSEKEEPER "posternd-house"
#define SPAWN_NAME_STOREKEEPER "posternd-store"

/* The child's pid, or -1 with errno. */
pid_t spawn_worker(worker_function *function, const struct identity *identity, const struct worker_setup *setup);
pid_t spawn_housekeeper(housekeeper_function *function, const struct identity *identity,
                        const struct housekeeper_setup *setup);
pid_t spawn_storekeeper(storekeeper_function *function, const struct identity *identity,
                        const struct storekeeper_setup *setup);

/* For other children of the master. All signals as after exec, but INT, HUP, TERM, PIPE and SPAWN_KILL_SIGNAL ignored.
 */
void spawn_reset_signals(void);
bool spawn_leave_terminal(void); /* false with errno */
/* Everything is closed but stdin, stdout, stderr and these; -1 among them is none. False with errno. */
bool spawn_close_others(const int *kept, int count);

#endif
