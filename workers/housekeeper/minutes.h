/* SPDX-License-Identifier: ISC
 *
 * minutes - fills the history (common/history.h): looks once a second how many are served and held, and at the end of
 * each minute of the wall clock at what all workers have done since the last one.
 *
 * It adds up what has ended and what lives; only slots that somebody is at are read, since reading a page that was
 * never used would make it. Where workers end so fast that no sum holds, what was done is counted with the next minute;
 * what was done while there was no housekeeper, with the minute in which the last one died. A clock that is set back
 * writes its minutes anew.
 */
#ifndef POSTERN_WORKERS_HOUSEKEEPER_MINUTES_H
#define POSTERN_WORKERS_HOUSEKEEPER_MINUTES_H

#include "common/scoreboard.h"

enum { MINUTES_LOOK_MS = 1000 };

/* When to call again at the latest; at any other time it does no harm. */
int64_t minutes_step(const struct scoreboard *board, int64_t now_ms);

#endif
