/* SPDX-License-Identifier: ISC
 *
 * check - the interface of a policy module, and the one place that asks them.
 *
 * A check is one file in workers/checks/ that exports one const struct check, and one row in checks/table.c. It sees
 * the session as const and touches no socket of it. At a stage all `ask` come first (they start questions, DNS say),
 * then all `judge`; what a check asked and heard it notes, for the log and for explanations. `learn` is told how it
 * ended after the reply has left. Whether a verdict counts is its mode's business, not the check's.
 *
 * Where session_setup.looks_only is set nobody is there (posternctl explain): the check says what it would say, and
 * writes nothing to the scoreboard, which is read-only then, nor to the log.
 */
#ifndef POSTERN_WORKERS_CHECK_H
#define POSTERN_WORKERS_CHECK_H

#include "common/config.h"
#include "workers/verdict.h"

struct session;
struct path;
struct policy;
struct lookups;
struct results;
struct spf_trace;

enum stage {
    STAGE_TLS,      /* before a handshake; of implicit TLS it comes first of all */
    STAGE_CONNECT,  /* before the delay that comes before the banner */
    STAGE_GREETING, /* and after that */
    STAGE_HELO,
    STAGE_AUTH,
    STAGE_MAIL,
    STAGE_RCPT,
    STAGE_DATA,
    STAGE_HEADER,
    STAGE_MESSAGE,
    STAGES
};
enum mode { MODE_OFF, MODE_WATCH, MODE_ENFORCE };
#define MODE_CHOICES "off|watch|enforce"

enum {
    CHECKS_MAX = 24,
    NOTES_MAX = 64,
    NOTE_TEXT_MAX = 160,
    CHECK_MEMORY_MAX = 4096,
    CHECK_FAULT_MAX = 512,
    SCORE_MAX = 1000000
};

/* How what the check judged ended. */
enum outcome_kind {
    OUTCOME_RECIPIENT,
    OUTCOME_MESSAGE,
    OUTCOME_TRANSACTION, /* however it ended, and whatever came of it */
    OUTCOME_SESSION
};
struct outcome {
    enum outcome_kind kind;
    const struct reply *reply; /* what the outside heard; NULL when it hung up, and for the end of transaction
                                  and session */
    bool delivered;            /* OUTCOME_MESSAGE: inside accepted it */
    bool deferred;             /* OUTCOME_TRANSACTION: the client was put off, and may come again; OUTCOME_SESSION: it
                                  was greylisted, and did nothing else */
};

/* What happens between the stages, as often as it happens. */
enum event {
    EVENT_ERROR,        /* a malformed or misplaced command */
    EVENT_REFUSAL,      /* a recipient or message that was refused for good, by inside or a check */
    EVENT_AUTH_FAILURE, /* wrong credentials */
    EVENT_OCTETS        /* so many of a message came from the client */
};

/* What was asked and answered in this session, oldest first; full: the rest is not noted. What was noted since MAIL
 * goes with its transaction, whose log line has it. */
struct note {
    const char *check;
    bool lasts; /* for the session, though it was noted in a transaction */
    char text[NOTE_TEXT_MAX];
};
struct notes {
    struct note items[NOTES_MAX];
    int count;
};

struct check_call {
    const struct check *check;
    const void *options;
    const void *prepared; /* what its preparation has made; NULL: it has none */
    const struct session *session;
    const struct path *recipient; /* STAGE_RCPT */
    bool allowed;                 /* policy has ended for this client or recipient: for what BINDS_ALLOWED_TOO */
    bool is_refused;              /* for good, by a check before this one: what it would do for others is idle */
    void *session_memory;         /* zeroed for each session; session_bytes of it */
    void *transaction_memory;     /* zeroed for each transaction */
    struct notes *notes;
    struct lookups *lookups; /* what DNS is asked; lookups.h */
    struct results *results; /* of the session up to AUTH, then of the transaction; results.h */
    struct spf_trace *spf;   /* what SPF found of the transaction; spf/spf_trace.h */
};

/* Every check's options begin with this. */
struct check_options {
    int mode; /* enum mode */
};

/* Why what a check needs could not be made: what is wrong with which of its options. NULL: no memory. */
struct check_fault {
    const char *option;
    char text[CHECK_FAULT_MAX];
};

/* What a check makes of its options before workers are forked, for all of them, and anew when a file changes that the
 * options name (workers/prepared.h). It lies in memory that nobody writes to. */
struct preparation {
    const char *(*file)(const void *options, size_t number);           /* by its whole path; NULL: there are no more */
    void *(*make)(const void *options, struct check_fault *fault_out); /* NULL: cannot be */
    void (*drop)(void *made);
};

struct check {
    const char *name;
    enum binds binds;            /* for whom its verdicts hold */
    const struct block *options; /* a block of this name in `policy`; its struct begins with struct check_options.
                                    NULL: none, the check is enforced and gets constant options */
    bool (*stops_relaying)(
        const void *options); /* with these, foreign recipients are refused here (L11); NULL: never */
    const char *(*needs_store)(
        const void *options);              /* which of these needs the memory on disk (store.h); NULL: none does */
    const struct preparation *preparation; /* NULL: nothing is made before */
    size_t session_bytes;
    size_t transaction_bytes;
    void (*ask[STAGES])(struct check_call *call);
    struct verdict (*judge[STAGES])(struct check_call *call);
    void (*learn)(struct check_call *call, const struct outcome *outcome);
    /* An event. What the verdict says of delay holds at once, and of rate, that no more than a second of it is to be
     * read at a time; a refusal waits for the next stage that judges.
     */
    struct verdict (*tell)(struct check_call *call, enum event event, uint64_t amount);
};

extern const struct check *const check_table[]; /* ends with NULL; checks/table.c */
int check_count(void);

void note(struct check_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same of the session, whenever it is noted. */
void note_lasting(struct check_call *call, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Those since `from` that do not last are forgotten. */
void notes_drop(struct notes *notes, int from);
const char *stage_name(enum stage stage);

/* Everything of one stage: asked, judged, settled by mode, combined. What is only watched is noted and logged, and
 * does not count. `recipient` is NULL but at STAGE_RCPT. */
struct verdict check_stage(struct session *session, enum stage stage, const struct path *recipient);
struct verdict check_tell(struct session *session, enum event event, uint64_t amount);
/* What a verdict of this call would have done, into the log: for a check whose options have modes of their own. */
void check_tell_watched(const struct check_call *call, enum stage stage, const struct verdict *verdict);
/* The same cap as for the check: off, or only watched, by the policy's mode or because of `posternctl bypass on`. */
enum mode check_cap(const struct session *session, enum mode mode);
void check_learn(struct session *session, const struct outcome *outcome, const struct path *recipient);
void check_begin_session(struct session *session);
void check_begin_transaction(struct session *session);

#endif
