/* SPDX-License-Identifier: ISC
 *
 * tickets - when the keys of TLS session tickets change (common/ticket_keys.h).
 *
 * What it goes by lies beside the keys on the scoreboard, not here: a housekeeper that was restarted, or made by a
 * reload, goes on where the last one was, and a row of restarts is no row of new keys. Logs that it was done and how
 * often, never a key.
 */
#ifndef POSTERN_WORKERS_HOUSEKEEPER_TICKETS_H
#define POSTERN_WORKERS_HOUSEKEEPER_TICKETS_H

#include "common/ticket_keys.h"

enum { TICKETS_RETRY_MS = 60 * 1000 };

/* Rotates when the newest key is as old as that. When to call again; at any other time it does no harm. */
int64_t tickets_step(struct ticket_keys *keys, int64_t lifetime_ms, int64_t now_ms);

#endif
