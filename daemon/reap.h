/* SPDX-License-Identifier: ISC
 *
 * reap - what became of workers that ended: waited for, judged by their exit status, logged once, slot cleared.
 */
#ifndef POSTERN_DAEMON_REAP_H
#define POSTERN_DAEMON_REAP_H

#include "daemon/generation.h"

/* All that have ended by now; never waits. True when there was one. */
bool reap_workers(struct house *house, struct generation *generation, int64_t now_ms);

#endif
