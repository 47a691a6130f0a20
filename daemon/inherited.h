/* SPDX-License-Identifier: ISC
 *
 * inherited - listening sockets that a service manager handed over (sd_listen_fds(3): $LISTEN_PID, $LISTEN_FDS from
 * descriptor 3 on), matched to configured addresses by where they are bound; their names are ignored.
 *
 * They stay the manager's: never shut down, and open again for the next of us. An IPv6 wildcard that takes IPv4 as well
 * is refused: [::]:25 is IPv6 alone in postern.conf.
 */
#ifndef POSTERN_DAEMON_INHERITED_H
#define POSTERN_DAEMON_INHERITED_H

#include "common/net.h"

#include "daemon/legacy.h"

enum { INHERITED_MAX = 32 };

/* Once, early, and in the foreground (background_enter closes what the starter left open, and changes the process
 * number): looks at the environment and takes the variables out of it. False, with why: what was handed over is no
 * listening stream socket, or one that cannot be meant. They are then close-on-exec and non-blocking. */
bool inherited_take(char *why, size_t why_size);
/* The socket that listens at this address, or -1. It stays open here: who uses it makes a copy (F_DUPFD_CLOEXEC). Its
 * backlog is the manager's; listen(2) may be called on it again. */
int inherited_find(const struct endpoint *at);
int inherited_count(void); /* that are open */
/* After all listeners were opened: closes what was never asked for; how many there were. Clients that connect there
 * wait at the manager's copy: worth a warning. */
int inherited_close_unused(void);

/* They go along when another program takes our place (upgrade.h). */
void inherited_write(struct legacy *to);
bool inherited_read(struct legacy *from, char *why, size_t why_size); /* false as inherited_take */

#endif
