/* SPDX-License-Identifier: ISC
 *
 * store_watch - says in the log, once, that the storekeeper does not answer any more, and that it does again: workers
 * go on without asking then, and nobody would notice that nothing is remembered.
 */
#ifndef POSTERN_WORKERS_HOUSEKEEPER_STORE_WATCH_H
#define POSTERN_WORKERS_HOUSEKEEPER_STORE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/store.h"
#include "common/store_options.h"

enum { STORE_WATCH_MS = 1000, STORE_WATCH_PATIENCE_MS = 5000 /* for one that begins, or another in its place */ };

struct store_watch {
    const struct store_board *board;
    const struct store_options *options; /* its directory NULL: there is nothing to watch */
    bool is_told;
    int64_t look_ms, heard_ms;
};

void store_watch_init(struct store_watch *watch, const struct store_board *board, const struct store_options *options,
                      int64_t now_ms);
/* When to look again. */
int64_t store_watch_step(struct store_watch *watch, int64_t now_ms);

#endif
