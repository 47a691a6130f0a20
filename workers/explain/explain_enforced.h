/* SPDX-License-Identifier: ISC
 *
 * explain_enforced - a listener's service as it would be if its policy were switched on: mode = enforce for the policy,
 * and for each check and limit in it that is watched. What is off stays off.
 */
#ifndef POSTERN_WORKERS_EXPLAIN_ENFORCED_H
#define POSTERN_WORKERS_EXPLAIN_ENFORCED_H

#include "workers/service.h"

/* A copy for the life of the process; NULL: no memory. */
const struct service *explain_enforced(const struct service *service);

#endif
