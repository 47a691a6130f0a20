/* SPDX-License-Identifier: ISC
 *
 * background - becoming a daemon, early: errors of the start still reach the terminal, and the command that was typed
 * ends with status 0 only when the master is ready.
 */
#ifndef POSTERN_DAEMON_BACKGROUND_H
#define POSTERN_DAEMON_BACKGROUND_H

#include <stdbool.h>

/* Before anything is opened, the plan's watch on files above all: all but stdin, stdout and stderr is closed. */
void background_prepare(void);

/* Comes back in the daemon alone, with the descriptor for background_ready; or in the caller with -1 and errno. The
 * process that was started waits, and ends 0 when ready, else 1. */
int background_enter(void);

/* Lets the waiting process go and leaves its terminal and directory. */
void background_ready(int fd, bool keep_stderr);

#endif
