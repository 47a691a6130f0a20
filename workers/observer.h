/* SPDX-License-Identifier: ISC
 *
 * observer - who wants to hear, step by step, what the checks of a session say and what becomes of it: posternctl
 * explain.
 *
 * A session has one where its session_setup names one; everybody else pays for the question whether there is one. It
 * hears, and changes nothing. All functions must be there.
 */
#ifndef POSTERN_WORKERS_OBSERVER_H
#define POSTERN_WORKERS_OBSERVER_H

#include "workers/check.h"

/* What one check said at one stage. */
struct judgement {
    const struct check_call *call;
    enum stage stage;
    enum mode mode;             /* in force: the check's own under the cap of its policy and of bypass; MODE_OFF: it was
                                   not asked, since the client is allowed */
    const struct verdict *said; /* by the check; settled: on_unsure and exempt recipients taken into account */
    const struct verdict *settled;
};

/* What is done at a stage, all checks and the score together. */
struct decision {
    enum stage stage;
    const struct verdict *verdict;
    int64_t held_ms; /* before the answer */
    bool waits;      /* its refusal is said at RCPT (decide = rcpt) */
};

struct observer {
    void *context;
    void (*begins)(void *context, const struct check_call *call, enum stage stage); /* it asks, or judges, next */
    void (*noted)(void *context, const struct check_call *call, const char *text);
    void (*judged)(void *context, const struct judgement *judgement);
    /* A part of a check, with a mode of its own, or the score of a watched policy: what it would have done. */
    void (*watched)(void *context, const struct check_call *call, enum stage stage, const struct verdict *verdict);
    void (*decided)(void *context, const struct decision *decision);
};

#endif
