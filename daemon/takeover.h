/* SPDX-License-Identifier: ISC
 *
 * takeover - a program that finds itself executed in the place of another one, by its master (upgrade.h): for good; as
 * a child, on trial; or on the way back, since the one that was to take its place has failed.
 */
#ifndef POSTERN_DAEMON_TAKEOVER_H
#define POSTERN_DAEMON_TAKEOVER_H

#include "daemon/legacy.h"
#include "daemon/program.h"

enum takeover_how { TAKEOVER_NONE, TAKEOVER_TO, TAKEOVER_TRIAL, TAKEOVER_BACK };

enum { TAKEOVER_FORMAT = 1, TAKEOVER_VERSION_MAX = 64, TAKEOVER_WHY_MAX = 1024 };

struct takeover {
    enum takeover_how how;
    struct legacy legacy;
    char version[TAKEOVER_VERSION_MAX]; /* of the program that wrote it: on the way back, of this one */
    char why[TAKEOVER_WHY_MAX];         /* on the way back */
};

/* First thing in main. Takes the variable out of the environment; from then on, the way back is open (wayback.h) where
 * there is one. What the legacy says of the program goes to `program`. False with why. */
bool takeover_begin(struct takeover *takeover, struct program *program, char *why, size_t why_size);

/* The first record of a legacy, with which the next program begins. */
void takeover_write(struct legacy *to, const struct program *program);

/* On trial: everything was understood. Ends the process. */
_Noreturn void takeover_pass(void);
#define TAKEOVER_PASSED "able"

/* This program serves: there is no way back any more. */
void takeover_end(struct takeover *takeover);

#endif
