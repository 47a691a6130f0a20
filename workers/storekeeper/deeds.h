/* SPDX-License-Identifier: ISC
 *
 * deeds - what the storekeeper does for each kind of request (common/store.h): looked up, decided, and put into the
 * ledger.
 *
 * Never waits, never logs. Numbers in a request are a worker's word: they are taken as they come, and kept in range.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_DEEDS_H
#define POSTERN_WORKERS_STOREKEEPER_DEEDS_H

#include <time.h>

#include "common/store.h"
#include "workers/storekeeper/ledger.h"

/* Of a request that store_is_request has let pass, but for STORE_FLUSH. A key that is none of this deed's: UNSURE. */
struct store_answer deeds_do(struct ledger *ledger, const struct store_request *request, time_t now);

#endif
