/* SPDX-License-Identifier: ISC
 *
 * attempt - what the greylist decides of an attempt, and when a client has earned its allowance. Pure.
 *
 * First seen: written down, come again after `delay_s`. Again too early: the same, its time is not begun anew. Again in
 * time, within `window_s` of the first: it passes, and every further one within `lifetime_s` of the last. After that,
 * or who does not come within the window, is new. A time stamp in the future (a clock that was set back) counts as now.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_ATTEMPT_H
#define POSTERN_WORKERS_STOREKEEPER_ATTEMPT_H

#include "common/store_record.h"

enum { ATTEMPT_COUNTS_EVERY_S = 3600 }; /* deliveries within one count once for the allowance */

struct attempt_terms {
    uint32_t delay_s, window_s, lifetime_s, allow_after;
};

/* `known` NULL: nothing is remembered. *record_out is what is to be remembered from now on; false in *changed_out: as
 * before, nothing to write. */
struct store_answer attempt_decide(const struct attempt_terms *terms, const struct store_record *known, time_t now,
                                   struct store_record *record_out, bool *changed_out);

/* An allowance's record: does it let pass (not over, allow_after deliveries)? One of UINT32_MAX deliveries is an order
 * of the administrator's, and does so also where none can be earned. */
bool attempt_is_allowed(const struct attempt_terms *terms, const struct store_record *allowance, time_t now);
/* A delivery: the allowance that is there from now on (known NULL: none so far). False: as before. A use of an
 * allowance extends its life as a delivery does. */
bool attempt_delivered(const struct attempt_terms *terms, const struct store_record *known, time_t now,
                       struct store_record *record_out);

#endif
