/* SPDX-License-Identifier: ISC
 *
 * stop - the way to the end: draining (sessions go on), terminating (they were told by WORKER_CUT_SIGNAL), killing,
 * ended. One step further when asked, or when the time of a stage is over; at the end when nobody is left.
 */
#ifndef POSTERN_DAEMON_STOP_H
#define POSTERN_DAEMON_STOP_H

#include "daemon/house.h"

enum stop_stage { STOP_NONE, STOP_DRAINING, STOP_TERMINATING, STOP_KILLING, STOP_ENDED };

struct stop {
    enum stop_stage stage;
    int64_t until_ms; /* when this stage is over; CLOCK_NEVER while serving */
};

const char *stop_stage_name(enum stop_stage stage); /* "serving" .. */

/* The listeners are closed and the workers dismissed. */
void stop_begin(struct stop *stop, const struct house *house, int64_t drain_ms);
/* One stage further: cuts, then kills. */
void stop_harder(struct stop *stop, struct house *house);
/* `left`: processes that are still waited for. */
void stop_look(struct stop *stop, struct house *house, int left, int64_t now_ms);

#endif
