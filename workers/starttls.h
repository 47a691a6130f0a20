/* SPDX-License-Identifier: ISC
 *
 * starttls - TLS with the outside: when it is offered and demanded, how it begins, and what is forgotten then.
 *
 * STARTTLS is RFC 3207; a listener with mode = implicit begins with the handshake (RFC 8314 section 3.3) and never
 * offers it. What was there behind STARTTLS before its reply ends the session; a handshake that fails ends it without a
 * word; TLS that has begun lasts until the session's end (L6).
 */
#ifndef POSTERN_WORKERS_STARTTLS_H
#define POSTERN_WORKERS_STARTTLS_H

#include "workers/session.h"

/* mode = implicit: the handshake, before anything is said. False: it failed, and the session is over. */
bool starttls_at_once(struct session *s);

bool starttls_is_offered(const struct session *s); /* by our EHLO */
bool starttls_is_due(const struct session *s);     /* this client must use it, and does not yet */
/* What answers a command that has to wait for TLS; NULL: it need not. */
const struct reply *starttls_demand(const struct session *s, enum verb verb);
/* Answers STARTTLS. After its 220 there is nothing more to say: a reply with code 0, in TLS or at the session's end. */
struct reply starttls_answer(struct session *s, const struct command *command);

#endif
