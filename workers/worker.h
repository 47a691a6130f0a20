/* SPDX-License-Identifier: ISC
 *
 * worker - an unprivileged process that serves one outside connection after the other.
 *
 * worker_main is a worker_function (common/worker_setup.h): it waits for the listener and the lifeline, accepts before
 * it looks at the lifeline, serves, and ends with an exit status of common/exit_status.h. It never returns.
 */
#ifndef POSTERN_WORKERS_WORKER_H
#define POSTERN_WORKERS_WORKER_H

#include "common/worker_setup.h"

_Noreturn void worker_main(const struct worker_setup *setup);

#endif
