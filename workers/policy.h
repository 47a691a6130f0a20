/* SPDX-License-Identifier: ISC
 *
 * policy - the configuration of a named set of checks.
 */
#ifndef POSTERN_WORKERS_POLICY_H
#define POSTERN_WORKERS_POLICY_H

#include "workers/check.h"

struct policy {
    const char *name;
    int mode;                              /* enum mode: caps the mode of every check but those that always hold */
    const void *check_options[CHECKS_MAX]; /* as in check_table; each begins with struct check_options */
};

/* Titled; fills struct policy. Put together from check_table at the first call. */
const struct block *policy_block(void);

#endif
