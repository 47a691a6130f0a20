/* SPDX-License-Identifier: ISC
 *
 * limit_verdict - what follows from being over a limit: the verdict, its reply, and who is told of it.
 */
#ifndef POSTERN_WORKERS_LIMITS_LIMIT_VERDICT_H
#define POSTERN_WORKERS_LIMITS_LIMIT_VERDICT_H

#include "workers/check.h"
#include "workers/limits/limit.h"

enum { LIMIT_TEXT_MAX = LIMIT_REPLY_MAX + LIMIT_REASON_MAX + 48 };

/* Without its reply: of several verdicts one is said. */
struct verdict limit_verdict(const struct limit *limit, const struct limit_answer *answer);
/* "Too many connections (limit rate), try again in 24 s" */
struct reply limit_reply(const struct limit *limit, enum stage stage, const struct limit_answer *answer,
                         char text[LIMIT_TEXT_MAX]);
/* On the scoreboard; and into the log, where it is enforced and this key has not been over this limit lately. True
 * then, whether it is enforced or not. */
bool limit_tell(const struct limit_case *c, const struct limit_answer *answer, bool is_enforced);
void limit_count(struct scoreboard *board); /* a verdict that counts, in the own slot */

#endif
