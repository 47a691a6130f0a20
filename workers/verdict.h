/* SPDX-License-Identifier: ISC
 *
 * verdict - what a check says, as a value, and how several become one.
 *
 * Actions are ordered by severity. `allow` is no severity: it ends policy for that client or recipient, but for the
 * checks that hold for everyone (struct check, `always`).
 */
#ifndef POSTERN_WORKERS_VERDICT_H
#define POSTERN_WORKERS_VERDICT_H

#include "workers/smtp/reply.h"

enum action { ACTION_NONE, ACTION_DELAY, ACTION_DEFER, ACTION_REJECT, ACTION_DROP };

struct verdict {
    enum action action;
    bool allow;
    bool always;         /* by a check that holds for everyone; set by check.c */
    bool outlasts_allow; /* by a check that an allow does not end (struct check, sees_allowed); set by check.c */
    bool unsure;         /* could not find out: settled in check.c, by configuration */
    struct reply reply;  /* of defer, reject, drop */
    const char *reason;  /* for the log: a constant, or text in the check's memory */
    int score;           /* points, added up over the session */
    int64_t delay_ms;    /* before the answer */
    bool owed;           /* .. by everybody, a client of good name too: it is for a limit */
    int64_t listen_ms;   /* for a word of the client, which ends it (session.spoke_early); who is dropped needs none */
    uint32_t rate_bytes; /* a second; 0 = not throttled */
};

extern const struct verdict VERDICT_NONE;

bool verdict_refuses(const struct verdict *verdict);
/* The severer action with its reply and reason; the longer delay, the lower rate, the sum of the scores. */
struct verdict verdict_combine(const struct verdict *a, const struct verdict *b);
const char *action_name(enum action action);

#endif
