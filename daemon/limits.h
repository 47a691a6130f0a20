/* SPDX-License-Identifier: ISC
 *
 * limits - can the machine bear what the configuration allows? Asked at start and at reload; a warning says which limit
 * is in the way and where it is raised, nothing is refused for it. What cannot be read is no limit.
 */
#ifndef POSTERN_DAEMON_LIMITS_H
#define POSTERN_DAEMON_LIMITS_H

/* Logs event=limit for each that is too low: pids.max of our cgroup and of those around it (v2 and v1), threads-max,
 * pid_max, processes of our user (unless root), descriptors of one process and open files of the machine, and
 * somaxconn, which cuts LISTEN_BACKLOG silently. What others use there now is counted to what is needed. `processes`:
 * all max_workers, the master, the housekeeper, and as many again as may still be busy when a reload brings new ones.
 * How many were too low. */
int limits_check(int processes, int descriptors);

#endif
