/* SPDX-License-Identifier: ISC
 *
 * notify - telling the service manager how we are: sd_notify(3)'s protocol, by hand, a datagram to $NOTIFY_SOCKET (a
 * path, or @name in the abstract name space).
 *
 * Without one nothing is said. Never fails. Each message opens its own socket: no descriptor is there to inherit. A
 * state waits NOTIFY_WAIT_MS at most, where the manager's queue is full; a status never waits.
 */
#ifndef POSTERN_DAEMON_NOTIFY_H
#define POSTERN_DAEMON_NOTIFY_H

#include <stdbool.h>

enum { NOTIFY_WAIT_MS = 1000 };

void notify_open(void);    /* once, early: looks at the environment and takes the variable out of it */
void notify_hand_on(void); /* puts it back: another program takes our place (upgrade.h) */
/* False: nobody listens. */
bool notify_is_on(void);
void notify_ready(void);     /* READY=1 and MAINPID; also when a reload is over, however it ended */
void notify_reloading(void); /* RELOADING=1 and MONOTONIC_USEC; always followed by notify_ready */
void notify_stopping(void);
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2))); /* a line for people */

#endif
