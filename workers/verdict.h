/* SPDX-License-Identifier: ISC
 *
 * verdict - what a check says, as a value, and how several become one.
 *
 * Actions are ordered by severity. `allow` is no severity: it ends policy for that client or recipient, but for what
 * binds the allowed, too.
 */
#ifndef POSTERN_WORKERS_VERDICT_H
#define POSTERN_WORKERS_VERDICT_H

#include "workers/smtp/reply.h"

enum action { ACTION_NONE, ACTION_DELAY, ACTION_DEFER, ACTION_REJECT, ACTION_DROP };

/* For whom it holds what a check says. */
enum binds {
    BINDS_UNLESS_ALLOWED, /* an allow ends it */
    BINDS_ALLOWED_TOO,    /* an allow does not: the check looks itself who is allowed by what (check.h) */
    BINDS_EVERYONE        /* nor does the mode of the policy */
};

struct verdict {
    enum action action;
    bool allow;
    enum binds binds;    /* its check's; set by check.c */
    bool at_once;        /* its refusal does not wait for RCPT */
    bool unsure;         /* could not find out: settled in check.c, by configuration */
    bool greylists;      /* puts off who is not known yet, which is no fault of his; kept where it is given */
    struct reply reply;  /* of defer, reject, drop */
    const char *reason;  /* for the log: a constant, or text in the check's memory */
    int score;           /* points, added up over the session */
    int64_t delay_ms;    /* before the answer, of strangers alone (session_is_trusted) */
    int64_t owed_ms;     /* the same of everybody: it is for a limit */
    int64_t listen_ms;   /* for a word of the client, which ends it (session.spoke_early), of strangers; who is dropped
                            needs none. The longest one of the three counts */
    uint32_t rate_bytes; /* a second; 0 = not throttled */
    int spoils;          /* points of a bad reputation for the client's network (standing.h); kept where it is given */
};

extern const struct verdict VERDICT_NONE;

bool verdict_refuses(const struct verdict *verdict);
/* The severer action with its reply and reason; the longer delay, the lower rate, the sum of the scores. */
struct verdict verdict_combine(const struct verdict *a, const struct verdict *b);
const char *action_name(enum action action);

#endif
