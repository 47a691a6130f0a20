/* SPDX-License-Identifier: ISC
 *
 * prepared - what the checks of a policy have made of their options before workers are forked: lists compiled into
 * memory that all of them share (check.h: struct preparation).
 *
 * Made with each plan, anew when a file changes that the options name. What depends on files that are as they were is
 * not made again: it is shared with the plan before, and goes with the last one that has it.
 */
#ifndef POSTERN_WORKERS_PREPARED_H
#define POSTERN_WORKERS_PREPARED_H

#include "workers/policy.h"

struct prepared;

/* What these files are now, in one number; daemon/watch.h has one. */
typedef uint64_t prepared_mark(const char *const *files, int count);

/* `old` was made with this very policy, or is NULL. NULL: what is wrong, and with whose options; options NULL: no
 * memory. */
struct prepared_fault {
    const void *options;
    struct check_fault fault;
};
struct prepared *prepared_new(const struct policy *policy, const struct prepared *old, prepared_mark *mark,
                              struct prepared_fault *fault_out);
void prepared_free(struct prepared **prepared);

const void *prepared_for(const struct prepared *prepared, int check); /* NULL: it has made nothing */
/* The files that they depend on, by number; NULL: there are no more. */
const char *prepared_file(const struct policy *policy, size_t number);

#endif
