/* SPDX-License-Identifier: ISC
 *
 * limits_internal - the same questions to a machine of the test's own: `root` is put before /proc and /sys.
 */
#ifndef POSTERN_DAEMON_LIMITS_INTERNAL_H
#define POSTERN_DAEMON_LIMITS_INTERNAL_H

int limits_check_at(const char *root, int processes, int descriptors);

#endif
