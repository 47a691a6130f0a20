/* SPDX-License-Identifier: ISC
 *
 * inherited - listening sockets that a service manager handed over (sd_listen_fds(3): $LISTEN_PID, $LISTEN_FDS from
 * descriptor 3 on), matched to configured addresses by where they are bound.
 *
 * They stay the manager's: never shut down, and open again for the next of us.
 */
#ifndef POSTERN_DAEMON_INHERITED_H
#define POSTERN_DAEMON_INHERITED_H

#include "common/net.h"

enum { INHERITED_MAX = 32 };

/* Once, early: looks at the environment and takes the variables out of it. False, with why: what was handed over is no
 * listening stream socket. */
bool inherited_take(char *why, size_t why_size);
/* The socket that listens at this address, or -1. It stays open here: who uses it makes a copy (F_DUPFD_CLOEXEC). */
int inherited_find(const struct endpoint *at);
int inherited_count(void);
/* After all listeners were opened: closes what no configured address asked for; how many there were. */
int inherited_close_unused(void);

#endif
