/* SPDX-License-Identifier: ISC
 *
 * limits - can the machine bear what the configuration allows? Asked at start and at reload; a warning says which limit
 * is in the way and where it is raised, nothing is refused for it.
 */
#ifndef POSTERN_DAEMON_LIMITS_H
#define POSTERN_DAEMON_LIMITS_H

enum { LIMITS_WHY_MAX = 256 };

/* Logs event=limit for each that is too low: pids.max of our cgroup and of those around it (v2 and v1), threads-max,
 * pid_max, descriptors of one process and of the machine. `processes`: all max_workers, the master, the housekeeper,
 * and as many again as may still be busy when a reload brings new ones. How many were too low. */
int limits_check(int processes, int descriptors);

#endif
