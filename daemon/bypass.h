/* SPDX-License-Identifier: ISC
 *
 * bypass - everything to watch: while it is on, what checks find is logged and nothing of it done. Ordered through
 * posternctl, at once and for all workers; a reload leaves it on, a start begins without.
 *
 * It is loud: a warning when it changes, and again every BYPASS_SAY_MS, since it is easily forgotten.
 */
#ifndef POSTERN_DAEMON_BYPASS_H
#define POSTERN_DAEMON_BYPASS_H

#include "common/orders.h"

enum { BYPASS_SAY_MS = 10 * 60 * 1000 };

struct bypass {
    bool on;
    int64_t since_ms, say_ms;
};

/* True: it was not so before. */
bool bypass_set(struct bypass *bypass, struct orders *orders, bool on, int64_t now_ms);
int64_t bypass_look(struct bypass *bypass, int64_t now_ms); /* when to look again at the latest */

#endif
