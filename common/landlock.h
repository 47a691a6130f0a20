/* SPDX-License-Identifier: ISC
 *
 * landlock - no file is opened, made, renamed or removed any more, whatever its permissions: for a process that has all
 * it needs open. By raw calls, since the C library has none.
 *
 * Sockets with a path can be connected to as before (the log, a backend). Where the kernel can, abstract sockets and
 * signals to processes outside are refused as well.
 */
#ifndef POSTERN_COMMON_LANDLOCK_H
#define POSTERN_COMMON_LANDLOCK_H

#include <stdbool.h>

int landlock_abi(void); /* what the kernel can do; 0: nothing, or it is switched off */
/* For good, and for children. `abi` as landlock_abi said it; with 0 nothing happens. False with errno. */
bool landlock_enter(int abi);

#endif
