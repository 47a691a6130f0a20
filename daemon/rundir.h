/* SPDX-License-Identifier: ISC
 *
 * rundir - the directory in which the pid file and the control socket lie, and the one of the list of who is blocked.
 *
 * Made where it is missing, one level: /run is empty after each boot. It must be root's or our own, and nobody else may
 * put another file in the place of one of ours: who can, says which process is ended by `kill $(cat pid)`, and who is
 * asked by posternctl. A sticky one (/tmp) is good enough.
 */
#ifndef POSTERN_DAEMON_RUNDIR_H
#define POSTERN_DAEMON_RUNDIR_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { RUNDIR_MODE = 0755, RUNDIR_OWN_MODE = 0711 };

/* `path` is a file's in it; `mode` what the directory gets that is made. False with why. */
bool rundir_prepare(const char *path, mode_t mode, char *why, size_t why_size);

#endif
