/* SPDX-License-Identifier: ISC
 *
 * pidfile - the file that says which process is the master, locked as long as it lives.
 *
 * It is never opened through a symbolic link or in a directory where others may write (rundir.h), never taken over when
 * it is not a plain file of our own with one name, and a file left over from a crash is used again. The lock is the
 * process's own: workers do not inherit it.
 */
#ifndef POSTERN_DAEMON_PIDFILE_H
#define POSTERN_DAEMON_PIDFILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct pidfile {
    char path[PATH_MAX]; /* a copy: the configuration it comes from may change */
    int fd;              /* -1: none */
};

/* `path` NULL: none is wanted. False with the reason in `why`. */
bool pidfile_create(struct pidfile *file, const char *path, char *why, size_t why_size);

/* Removes it, if it is still the one that was created. */
void pidfile_remove(struct pidfile *file);

#endif
