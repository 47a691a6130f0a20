/* SPDX-License-Identifier: ISC
 *
 * rest - what a worker gives back that waits for long (struct wait's rest): what questions to DNS need, the
 * pages that malloc has free then, and those of the stack that lie deeper than it is now. All of it comes back by
 * itself.
 */
#ifndef POSTERN_WORKERS_REST_H
#define POSTERN_WORKERS_REST_H

#include <stdbool.h>

bool rest(void *dns); /* of struct dns; NULL is fine. False: not all of it yet */

#endif
