/* SPDX-License-Identifier: ISC
 *
 * auth - AUTH (RFC 4954): carried line by line between the client and inside, which alone decides.
 *
 * Each line is checked to be base64 and printed anew; nothing of it is kept, logged or understood but the login's name.
 * Once inside has said 235 the session lives and dies with that inside connection: nothing of what let the client in is
 * kept, so it cannot be opened anew (L1). All trouble of ours is 4yz.
 */
#ifndef POSTERN_WORKERS_AUTH_H
#define POSTERN_WORKERS_AUTH_H

#include "workers/session.h"

/* What EHLO may offer now, of the mechanisms (enum keyword) that inside offers. */
uint32_t auth_offers(const struct session *s, uint32_t inside);
/* Where AUTH must go before this command, the reply that says so; or NULL. */
const struct reply *auth_demand(const struct session *s, enum verb verb);
/* It is required, not there, and TLS, which it would need, cannot be had any more. */
bool auth_is_impossible(const struct session *s);
/* False: it is bound to a connection that is not there any more: the session is over, *reply_out says so (L1). */
bool auth_lives(struct session *s, struct reply *reply_out);
/* May EHLO or HELO bring this name? False, with *reply_out: AUTH has succeeded under another one, or what it succeeded
 * on is lost. */
bool auth_bears_name(struct session *s, struct slice name, struct reply *reply_out);

/* AUTH is required, and inside has been asked and offers none: an alarm. */
void auth_miss_offers(const struct session *s);

struct reply auth_answer(struct session *s, const struct command *command);

#endif
