/* SPDX-License-Identifier: ISC
 *
 * inside_berth - max_sessions: a session's berth at an inside server, had before it connects and left after it closed.
 *
 * Where all are taken the worker waits, for max_sessions_wait together, in the order of coming (common/berths.h); the
 * client's hang-up ends that, and whoever needs the worker more. A berth is left by inside.c, wherever a connection is
 * closed. A server without a place on the scoreboard has no bound: no configuration that sets one for it is accepted.
 */
#ifndef POSTERN_WORKERS_INSIDE_BERTH_H
#define POSTERN_WORKERS_INSIDE_BERTH_H

#include "workers/inside.h"

/* Said where no berth was to be had: 451. */
extern const struct reply REPLY_INSIDE_BUSY;

bool inside_berth_is_bounded(const struct inside *in); /* of in->server */
bool inside_berth_is_wanted(const struct inside *in);  /* the one it has; by others, who wait for it */
/* At in->server, without waiting. False: all are taken. */
bool inside_berth_take(struct inside *in);
/* At one of the servers, given as bits by their place on the scoreboard, which becomes in->server; by this time.
 * ASKED_LOST with our 451, or with our 421 where the session has to make room: in->made_room. */
enum asked inside_berth_await(struct inside *in, uint64_t full, int64_t until_ms, struct reply *reply_out);
void inside_berth_leave(struct inside *in); /* also when there is none */

#endif
