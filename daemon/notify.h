/* SPDX-License-Identifier: ISC
 *
 * notify - telling the service manager how we are: sd_notify(3)'s protocol, by hand, a datagram to $NOTIFY_SOCKET.
 *
 * Without one nothing is said. Never waits, never fails.
 */
#ifndef POSTERN_DAEMON_NOTIFY_H
#define POSTERN_DAEMON_NOTIFY_H

void notify_open(void); /* once, early: looks at the environment and takes the variable out of it */
/* False: nobody listens. */
_Bool notify_is_on(void);
void notify_ready(void);     /* READY=1 and MAINPID; also when a reload is over */
void notify_reloading(void); /* RELOADING=1 and MONOTONIC_USEC */
void notify_stopping(void);
void notify_status(const char *format, ...) __attribute__((format(printf, 1, 2))); /* a line for people */

#endif
