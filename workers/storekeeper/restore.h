/* SPDX-License-Identifier: ISC
 *
 * restore - a reputation of the memory on disk into the scoreboard, where sessions look: all of them at the start, and
 * what an administrator puts there. Where the scoreboard knows of a network or domain already, the larger points count,
 * unless he has it forgotten.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_RESTORE_H
#define POSTERN_WORKERS_STOREKEEPER_RESTORE_H

#include "common/scoreboard.h"
#include "common/store_record.h"

/* No-op for records of other kinds, and where it is over. */
void restore_reputation(const struct scoreboard *board, struct slice key, const struct store_record *record,
                        time_t now);
/* No-op for keys of other kinds. */
void restore_forget(const struct scoreboard *board, struct slice key);

#endif
