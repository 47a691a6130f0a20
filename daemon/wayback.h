/* SPDX-License-Identifier: ISC
 *
 * wayback - back to the program that was there before, while its successor in the same process (upgrade.h) has not
 * shown that it serves: it is executed again by its descriptor, with the same legacy and the reason.
 *
 * Taken when the successor crashes, ends, or is not ready after WAYBACK_MS; not by a child of it. What cannot be caught
 * is SIGKILL, and a program that does not get as far as main: the trial before is for that (upgrade.h).
 */
#ifndef POSTERN_DAEMON_WAYBACK_H
#define POSTERN_DAEMON_WAYBACK_H

#include "daemon/legacy.h"

enum { WAYBACK_MS = 15000 };

/* Early in main. `program` is the descriptor of the program before. */
void wayback_arm(int legacy_fd, int program, char **argv);
/* .. of this one, which is back already. There is none before it, and what keeps it from beginning may pass: wayback_go
 * begins anew, and nothing else does. */
void wayback_arm_again(int legacy_fd, int program, char **argv, const char *why);
bool wayback_wait(void);                         /* a moment, before that; false: somebody wants this process to end */
void wayback_watch(const struct legacy *legacy); /* whose descriptors go along */
bool wayback_is_armed(void);
/* Comes back only where there is no way: not armed, in a child, or it cannot be executed. The reason for one that is
 * taken at the end of the process: the first that was said. */
void wayback_say(const char *why);
void wayback_go(void);
void wayback_disarm(void); /* also in a child, as early as it likes */

#endif
