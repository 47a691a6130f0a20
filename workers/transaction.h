/* SPDX-License-Identifier: ISC
 *
 * transaction - MAIL, RCPT, DATA and RSET, and the one inside connection that a transaction lives and dies with (L1).
 *
 * Each function finds the one reply to its command: parse, rule, checks, inside asked, translated.
 */
#ifndef POSTERN_WORKERS_TRANSACTION_H
#define POSTERN_WORKERS_TRANSACTION_H

#include "workers/session.h"

/* Empties the session's transaction. */
void transaction_begin(struct session *s);

struct reply transaction_mail(struct session *s, const struct command *command);
struct reply transaction_rcpt(struct session *s, const struct command *command);
/* Moves the phase itself: what follows 354 is more than a reply. */
struct reply transaction_data(struct session *s, const struct command *command);
struct reply transaction_rset(struct session *s, const struct command *command);

/* What is open is dropped, inside too (RSET, or the connection broken off), and logged as `why`. */
void transaction_drop(struct session *s, const char *why);
/* Says how it ended, once, and forgets it. */
void transaction_close(struct session *s, const char *verdict);
/* The reply that decides; kept for the log. */
void transaction_note_reply(struct session *s, const struct reply *reply, const char *reason);

#endif
