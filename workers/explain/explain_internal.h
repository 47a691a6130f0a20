/* SPDX-License-Identifier: ISC
 *
 * What the units of explain share: the answer, and the session that is made for it.
 */
#ifndef POSTERN_WORKERS_EXPLAIN_INTERNAL_H
#define POSTERN_WORKERS_EXPLAIN_INTERNAL_H

#include "common/control.h"
#include "workers/explain/explain_ask.h"
#include "workers/observer.h"
#include "workers/session.h"

enum { EXPLAIN_BUFFER = 4 * CONTROL_RECORD_MAX, EXPLAIN_TEXT_MAX = 512 };

/* Whose question a lookup was. */
struct explain_question {
    const char *check;
    bool told;
};

/* Zero is valid. */
struct explain {
    int fd;
    int64_t deadline_ms;
    struct explain_ask ask;
    struct session_setup setup;
    struct wait wait;
    struct wait_guest asker; /* whoever hung up is not answered any more */
    struct observer observer;
    struct lookup_host names;
    struct session *session;
    enum stage stage;  /* that is under way */
    const char *check; /* that asks or judges */
    struct explain_question questions[LOOKUP_SCOPES][LOOKUPS_MAX];
    struct buffer out;
    char memory[EXPLAIN_BUFFER];
};

/* A record begins; what is there already leaves where it would not fit behind it. Who does not read ends the child. */
struct buffer *explain_record(struct explain *x, const char *kind);
void explain_flush(struct explain *x);
/* The same for a record that belongs to a stage. */
struct buffer *explain_record_of(struct explain *x, const char *kind, enum stage stage);
void explain_put_reply(struct buffer *to, const struct reply *reply); /* "554 5.7.1 No"; none: left out */

/* From here on x hears what the checks of its session say, and says it. */
void explain_listen(struct explain *x);
/* What was asked and not told yet, its answer come or not. */
void explain_tell_left(struct explain *x);

#endif
