/* SPDX-License-Identifier: ISC
 *
 * sandbox_internal - what the sandbox units share: the list as rules, and what is made of it.
 */
#ifndef POSTERN_COMMON_SANDBOX_INTERNAL_H
#define POSTERN_COMMON_SANDBOX_INTERNAL_H

#include <linux/filter.h>
#include <seccomp.h>
#include <stdint.h>

#include "common/sandbox.h"

enum { SANDBOX_CALLS_MAX = 512, SANDBOX_PROGRAM_MAX = 256, SANDBOX_RULE_ARGUMENTS = 3, SANDBOX_PATCHES_MAX = 4 };

/* Stands for the process's own number, which is known after the fork only: put into the program when it is loaded. */
#define SANDBOX_OWN_PID UINT32_C(0x7fabcdef)

enum sandbox_answer {
    SANDBOX_ALLOW,
    SANDBOX_FAIL /* with `error`, as on a kernel that has not got it */
};

enum sandbox_descriptor {
    SANDBOX_ANY,
    SANDBOX_NO_LISTENER, /* which others have, too */
    SANDBOX_OWN,         /* nor stderr: where it is a socket, the master and all others write to the same */
    SANDBOX_DESCRIPTORS
};

/* A call for which no rule fits is refused. */
struct sandbox_rule {
    int call;
    unsigned who; /* bits, 1 << enum sandbox_role */
    enum sandbox_answer answer;
    int error;
    enum sandbox_descriptor descriptor; /* the first argument, where it is one */
    struct {
        enum scmp_compare how; /* 0: no condition */
        uint64_t a, b;
    } arguments[SANDBOX_RULE_ARGUMENTS];
};

extern const struct sandbox_rule sandbox_rules[];
extern const size_t sandbox_rule_count;

struct sandbox_program {
    struct sock_filter code[SANDBOX_PROGRAM_MAX];
    unsigned short count;                        /* 0: none */
    unsigned short own_pid[SANDBOX_PATCHES_MAX]; /* where SANDBOX_OWN_PID stands */
    unsigned short own_pid_count;
};

struct sandbox {
    const char *missing;
    int landlock;
    uint32_t machine; /* whose numbers `names` has; another's (32 bits, x32) mean other calls */
    struct sandbox_program programs[SANDBOX_MODES][SANDBOX_ROLES];
    char names[SANDBOX_CALLS_MAX][SANDBOX_CALL_NAME_MAX]; /* of all calls, by number; resolving takes memory */
};

/* False: the library would not; nothing is said of why. */
bool sandbox_compile(struct sandbox_program *program, enum sandbox_mode mode, enum sandbox_role role);
void sandbox_name_calls(struct sandbox *sandbox);

#endif
