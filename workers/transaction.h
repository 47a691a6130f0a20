/* SPDX-License-Identifier: ISC
 *
 * transaction - the life of a transaction's memory: begun with MAIL, closed with its log line.
 */
#ifndef POSTERN_WORKERS_TRANSACTION_H
#define POSTERN_WORKERS_TRANSACTION_H

#include "workers/session.h"

/* Empties the session's transaction. */
void transaction_begin(struct session *s);
/* "deferred" or "refused", by the reply's class. */
const char *transaction_refusal(const struct reply *reply);
/* The reply that decides; kept for the log. */
void transaction_note_reply(struct session *s, const struct reply *reply, const char *reason);
/* The same, or a recipient's: a refusal for good is an event (check.h). Grammar's own are errors instead. */
void transaction_tell_refusal(struct session *s, const struct reply *reply);
/* Says in the log how it ended, once, and forgets it. A verdict that is already there stands. */
void transaction_close(struct session *s, const char *verdict);

#endif
