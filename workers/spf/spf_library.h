/* SPDX-License-Identifier: ISC
 *
 * spf_library - libspf2, and only here: given rewritten terms, one at a time, it evaluates; what it asks of DNS goes
 * through the run.
 *
 * Its own resolver, cache, local policy, explanations and comments are not used. The record of the domain itself is
 * evaluated term by term, so that it is known which one decided; those of includes and redirects are put together here.
 */
#ifndef POSTERN_WORKERS_SPF_LIBRARY_H
#define POSTERN_WORKERS_SPF_LIBRARY_H

#include "workers/spf/spf_run.h"

/* The run is over after that. */
void spf_library_run(struct spf_run *run, const char *domain);

#endif
