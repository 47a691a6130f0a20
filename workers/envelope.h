/* SPDX-License-Identifier: ISC
 *
 * envelope - MAIL, RCPT, DATA and RSET, and the one inside connection that a transaction lives and dies with (L1).
 *
 * Each function finds the one reply to its command: parse, rule, checks, inside asked, translated.
 */
#ifndef POSTERN_WORKERS_ENVELOPE_H
#define POSTERN_WORKERS_ENVELOPE_H

#include "workers/session.h"

struct reply envelope_mail(struct session *s, const struct command *command);
struct reply envelope_rcpt(struct session *s, const struct command *command);
/* What follows 354 is more than a reply: the transfer answers it, and a reply with code 0 says so. */
struct reply envelope_data(struct session *s, const struct command *command);
/* The checks of the stage DATA, and (the second) inside's 354 to DATA. False: *reply_out is the answer, and noted. */
bool envelope_allow_message(struct session *s, struct reply *reply_out);
bool envelope_open_message(struct session *s, struct reply *reply_out);
/* What is said to a recipient before any check is asked; NULL: nothing. */
const struct reply *envelope_objection(const struct session *s, const struct path *recipient);
/* After the reply to RCPT was given. */
void envelope_rcpt_learn(struct session *s, const struct reply *reply);
struct reply envelope_rset(struct session *s, const struct command *command);

/* Inside is open, and a line may begin: between transactions a lost connection is opened anew, unless AUTH had
 * succeeded on it. Replies that are due leave before. False: *reply_out answers. */
bool envelope_have_inside(struct session *s, struct reply *reply_out);
/* AUTH has succeeded: is that connection still there? False, with 421: it is not, and the session ends. */
bool envelope_keeps_inside(struct session *s, struct reply *reply_out);

/* What is open is dropped, inside too (RSET, or in the middle of a message the connection broken off), and logged as
 * `why`. */
void envelope_drop(struct session *s, const char *why);

#endif
