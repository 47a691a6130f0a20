/* SPDX-License-Identifier: ISC
 *
 * decide - from what the checks of a stage say to what is done about it.
 *
 * Here, and nowhere else: the session's score against the policy's thresholds, the refusal that waits for RCPT
 * (decide = rcpt), recipients that are exempt from it, and the delay, which tarpit.h serves. Nothing is asked inside
 * before this said yes.
 *
 * A refusal that is found before RCPT waits, but for a drop and for what holds for everyone: no recipient could change
 * either; and but for that of one too many at the same time, who would be there all the while. Up to there the client
 * hears that all is well, and inside hears nothing. Found at CONNECT or HELO it holds for the session, found at MAIL
 * for the transaction; of several the severest is said. An allow, AUTH, and a bypass end it. Before TLS and at AUTH
 * nothing waits, and the score refuses nobody, since AUTH could end that.
 */
#ifndef POSTERN_WORKERS_DECIDE_H
#define POSTERN_WORKERS_DECIDE_H

#include "workers/session.h"

/* Asks the checks of this stage, and holds the session for as long as they want. False: *reply_out is said in place of
 * what was asked for (code 0: nothing is, the session is over); the session may have ended with it (drop). `recipient`
 * is NULL but at STAGE_RCPT. */
bool decide_stage(struct session *s, enum stage stage, const struct path *recipient, struct reply *reply_out);

/* The same of STAGE_HEADER and STAGE_MESSAGE, where nobody is held: what the checks and the score say. */
struct verdict decide_message(struct session *s, enum stage stage);

/* Does a refusal wait for this client's recipients? Then inside is not asked on its behalf. */
bool decide_refuses_all(const struct session *s);
/* .. and which one; NULL: none. */
const struct waiting *decide_waiting(const struct session *s);

#endif
