/* SPDX-License-Identifier: ISC
 *
 * program - which program this process runs and how it was started: for executing it again, or the one that lies in its
 * place by then (upgrade.h).
 */
#ifndef POSTERN_DAEMON_PROGRAM_H
#define POSTERN_DAEMON_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

struct program {
    char path[PATH_MAX]; /* as it was started, absolute, without symbolic links resolved; empty: not known */
    char config[PATH_MAX];
    char **argv;
    int fd; /* of the program itself, which may be replaced or removed by now; O_PATH, -1: none */
};

/* Early in main, where it was executed from. `config` is found later. */
void program_find(struct program *program, char **argv);
/* Without symbolic links resolved: who changes a configuration by changing a link means the new one at a reload. */
bool program_make_absolute(const char *path, char absolute[PATH_MAX]);

#endif
