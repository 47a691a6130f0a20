/* SPDX-License-Identifier: ISC
 *
 * proxy_from - the header by which a listed load balancer says whose connection it relays, before anything else.
 *
 * Of those that the listener's proxy_from lists a header is awaited, and nothing but it is read: what follows is for
 * TLS or the dialog. Without it, late or malformed, the session ends and nothing is said. From others no header is
 * taken: what looks like one is a command that nobody knows.
 *
 * A client that the balancer does not tell of may talk, but no mail is taken from it: inside would hear of somebody
 * else (L11).
 */
#ifndef POSTERN_WORKERS_PROXY_FROM_H
#define POSTERN_WORKERS_PROXY_FROM_H

#include "workers/session.h"

extern const struct reply REPLY_CLIENT_UNTOLD; /* 451 4.3.5 */

/* The client is the one that it tells of from here on. False: the session is over. */
bool proxy_from_hear(struct session *s);
/* Nobody knows who it is, so nothing goes inside for it: to be answered with REPLY_CLIENT_UNTOLD. Logs that once. */
bool proxy_from_keeps_out(struct session *s);

#endif
