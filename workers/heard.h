/* SPDX-License-Identifier: ISC
 *
 * heard - the EHLO keywords of inside servers, remembered on the scoreboard.
 *
 * What a backend is known to offer is the intersection over its servers and the last hour, as heard after the client
 * was passed on. It lets EHLO be answered outside while inside is still untouched. Rumour like all of the scoreboard:
 * a wrong memory costs a 421 and ten minutes in which inside is asked first, or a keyword that is not offered for
 * an hour. Nobody is refused by it.
 */
#ifndef POSTERN_WORKERS_HEARD_H
#define POSTERN_WORKERS_HEARD_H

#include "workers/backend.h"
#include "workers/smtp/extensions.h"

struct scoreboard;

/* `board` may be NULL: nothing is remembered then. */
void heard_remember(struct scoreboard *board, const struct server *server, const struct extensions *offers);
bool heard_recall(struct scoreboard *board, const struct backend *backend, struct extensions *offers_out);
void heard_distrust(struct scoreboard *board, const struct backend *backend);

#endif
