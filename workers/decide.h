/* SPDX-License-Identifier: ISC
 *
 * decide - from what the checks of a stage say to what is done about it.
 *
 * Here, and nowhere else: the session's score against the policy's thresholds, the refusal that waits for RCPT
 * (decide = rcpt), recipients that are exempt from it, and the delay, which tarpit.h serves. Nothing is asked inside
 * before this said yes.
 */
#ifndef POSTERN_WORKERS_DECIDE_H
#define POSTERN_WORKERS_DECIDE_H

#include "workers/session.h"

/* Asks the checks of this stage, and holds the session for as long as they want. False: *reply_out is said in place of
 * what was asked for (code 0: nothing is, the session is over); the session may have ended with it (drop). `recipient`
 * is NULL but at STAGE_RCPT. */
bool decide_stage(struct session *s, enum stage stage, const struct path *recipient, struct reply *reply_out);

#endif
