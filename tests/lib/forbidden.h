/* SPDX-License-Identifier: ISC
 *
 * forbidden - what somebody who runs his code in a worker would try, a system call each. Made without a sandbox none of
 * them does any harm.
 */
#ifndef TESTS_LIB_FORBIDDEN_H
#define TESTS_LIB_FORBIDDEN_H

#include <stdbool.h>
#include <stdint.h>

struct forbidden {
    const char *what;
    const char *call; /* as the log names it */
    long number;
    int error;        /* it fails with that, and nothing else happens; 0: whoever calls it dies of SIGSYS */
    bool on_listener; /* the first argument is the number of a listener */
    bool on_parent;   /* .. of the parent process */
    bool hidden;      /* .. with bits set that the kernel does not look at */
    uintptr_t arguments[6];
};

extern const struct forbidden forbidden_calls[];
extern const int forbidden_count;

/* True: it was done. False with errno. */
bool forbidden_try(const struct forbidden *call, int listener);

#endif
