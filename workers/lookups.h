/* SPDX-License-Identifier: ISC
 *
 * lookups - what a session asks DNS: asked early, collected when a check needs it, all of it within one time.
 *
 * `ask` never waits. `await` pumps until the answer is there; what a session waits for DNS, all told, is bounded by
 * resolver_deadline, and starts anew with each message that inside accepted. Whoever spent it on names of its own would
 * have its next sender pass unseen: so each transaction may wait a tenth of it more, where the resolver is not taken to
 * be dead. After that every answer is DNS_FAILED at once, and mail flows on as on_unsure says.
 *
 * A worker that waited in vain twice in a row, the resolver being dead, waits LOOKUP_IMPATIENT_MS a session from then
 * on, until it hears anything from it; a session that heard anything proves that it lives, whatever else was silent. A
 * hang-up outside ends the wait, too, and so does room that is needed.
 *
 * All memory is the session's and fixed: an answer that does not fit is DNS_FAILED, but however long others are there
 * is room for LOOKUP_RESERVED_BYTES of each. What a scope holds lasts until it ends: the session, the transaction; of
 * LOOKUP_ONCE one may be gone with the next. What both were answered is known for LOOKUP_FRESH_MS more, for whoever
 * sends one message after the other, as long as there is room and nothing was in vain.
 */
#ifndef POSTERN_WORKERS_LOOKUPS_H
#define POSTERN_WORKERS_LOOKUPS_H

#include "workers/client_name.h"
#include "workers/dns.h"

enum lookup_scope { LOOKUP_SESSION, LOOKUP_TRANSACTION, LOOKUP_ONCE, LOOKUP_SCOPES };
enum { LOOKUP_SILENCES_MAX = 2, LOOKUP_IMPATIENT_MS = 1000, LOOKUP_FRESH_MS = 30000, LOOKUP_TRANSACTION_SHARE = 10 };
enum { LOOKUPS_MAX = 80, LOOKUP_ARENA_BYTES = 24576, LOOKUP_RESERVED_BYTES = 256 };

struct lookup {
    enum lookup_scope scope;
    enum dns_type type;
    enum dns_status status;
    const char *name;
    const struct dns_record *records;
    int count;
    bool cut;         /* there were more records */
    bool was_late;    /* DNS_FAILED because the time for it was over */
    int64_t asked_ms; /* clock_ms() */
    uint32_t took_ms; /* to the answer */
    bool timed;       /* for who counts answers: already counted */
};

/* How a session is waited for DNS in: told before and after, as other waits are. */
struct lookup_host {
    void (*begin_wait)(void *context);
    void (*end_wait)(void *context);
    void *context;
    /* For who wants to hear of each question that is put and what came of it; NULL: nobody. */
    void (*asked)(void *context, const struct lookup *lookup);
    void (*answered)(void *context, const struct lookup *lookup);
};

struct lookups {
    struct dns *dns;                /* NULL: nothing can be asked, everything is DNS_FAILED */
    const struct lookup_host *host; /* NULL: none */
    int64_t allowed_ms, waited_ms;  /* for DNS, since it began anew */
    int64_t extra_ms;               /* .. what this transaction may wait beyond that */
    enum io interrupted;            /* what ended a wait before its time: IO_GONE, IO_ROOM; IO_OK: nothing did */
    uint32_t serial;                /* tells what was asked in this scope from what was asked before */
    struct lookup_set {
        int count, open; /* questions; those without an answer yet */
        uint32_t serial;
        int64_t since_ms; /* its first question */
        size_t used;
    } sets[LOOKUP_SCOPES];
    bool answered; /* something, in this session */
    bool failed;   /* something that was waited for, or said to be in vain */
    int silences;  /* waits in a row, of any session, that ended without any answer at all */
    struct client_name client_name;
    /* From here on nothing is cleared. */
    struct lookup items[LOOKUP_SCOPES][LOOKUPS_MAX];
    _Alignas(16) char arenas[LOOKUP_SCOPES][LOOKUP_ARENA_BYTES];
};

void lookups_begin_session(struct lookups *l, struct dns *dns, const struct lookup_host *host, int64_t allowed_ms);
void lookups_begin_transaction(struct lookups *l);
void lookups_end_session(struct lookups *l); /* nothing is open any more */
void lookups_renew_time(struct lookups *l);  /* a message was accepted */

/* Never NULL. The same question in the same scope is the same lookup, and so it is where a scope that lasts longer
 * asked it within LOOKUP_FRESH_MS, and not in vain. What may not be asked for (dns_question_is_valid) is DNS_NO_NAME at
 * once; where no time is left nothing is asked any more. */
const struct lookup *lookups_ask(struct lookups *l, enum lookup_scope scope, enum dns_type type, const char *name);
/* The status, which is not DNS_ASKED any more. */
enum dns_status lookups_await(struct lookups *l, const struct lookup *lookup);
/* The same, but no longer than until then: for what is not worth all of the session's time. */
enum dns_status lookups_await_until(struct lookups *l, const struct lookup *lookup, int64_t deadline_ms);
/* Both: for what one question leads to, one after the other. */
const struct lookup *lookups_resolve(struct lookups *l, enum lookup_scope scope, enum dns_type type, const char *name);
void lookup_set_timed(const struct lookup *lookup); /* whoever counts answers has counted this one */
int64_t lookups_left_ms(const struct lookups *l);

#endif
