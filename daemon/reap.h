/* SPDX-License-Identifier: ISC
 *
 * reap - what became of a worker that ended: judged by its exit status, logged once, its slot cleared.
 */
#ifndef POSTERN_DAEMON_REAP_H
#define POSTERN_DAEMON_REAP_H

#include "daemon/succession.h"

/* A child that was waited for; false: it is no worker. */
bool reap_worker(struct house *house, const struct succession *succession, pid_t pid, int status, int64_t now_ms);

#endif
