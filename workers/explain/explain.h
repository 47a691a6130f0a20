/* SPDX-License-Identifier: ISC
 *
 * explain - what the checks of a policy would ask, hear and say of a client that is not there, and what would be done:
 * the answer to posternctl explain, as records of common/control.h.
 *
 * explain_main is an explainer_function (common/worker_setup.h), called in a child of the master's own that has dropped
 * its privileges; it enters a worker's sandbox, and only then looks at what was asked. The session that it holds has no
 * client and no inside (session_setup.looks_only): limits and reputations are read and not charged, nothing is learnt
 * or logged, nobody is held. DNS is asked, for EXPLAIN_DNS_MS at most. What needs a message is not asked.
 *
 * Records, in their order: `explained` once; for each stage any number of `dns` (a question, and its answer), `note`
 * (what a check says it found), `part` (a part of a check with a mode of its own, or the score, that is only watched)
 * and `check` (what one check said, and whether it counts), then one `stage` (what would be done); `rule` for what is
 * no check's business; and one `outcome`. `stage` tells where a record belongs.
 */
#ifndef POSTERN_WORKERS_EXPLAIN_H
#define POSTERN_WORKERS_EXPLAIN_H

#include "common/worker_setup.h"

enum { EXPLAIN_DNS_MS = 20000 };

_Noreturn void explain_main(const struct explainer_setup *setup);

#endif
