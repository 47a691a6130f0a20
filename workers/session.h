/* SPDX-License-Identifier: ISC
 *
 * session - one outside connection and its inside session: its memory, and what every unit of it does with it.
 *
 * The phase moves in session_move alone; replies leave through session_reply alone. A check sees all of this as const.
 */
#ifndef POSTERN_WORKERS_SESSION_H
#define POSTERN_WORKERS_SESSION_H

#include "common/phase.h"
#include "common/reputation.h"
#include "common/scoreboard.h"
#include "workers/check.h"
#include "workers/inside.h"
#include "workers/lookups.h"
#include "workers/results.h"
#include "workers/rules.h"
#include "workers/service.h"
#include "workers/smtp/address.h"
#include "workers/smtp/attributes.h"
#include "workers/smtp/body.h"
#include "workers/smtp/command.h"
#include "workers/smtp/header.h"
#include "workers/smtp/header_filter.h"
#include "workers/smtp/parameters.h"
#include "workers/smtp/sasl.h"
#include "workers/spf/spf_trace.h"

enum {
    SESSION_ID_MAX = SESSION_ID_BYTES,
    OUTSIDE_IN_BYTES = 65536,
    OUTSIDE_OUT_BYTES = 16384,
    RECIPIENTS_LOGGED_MAX = 1024,
    REPLY_LOGGED_MAX = 256,
    SAID_MAX = 1536,
    QUEUE_ID_MAX = 64,
    NAMED_MAX = 64,
    ANSWER_TEXT_MAX = 512,
    WAITING_TEXT_MAX = 256,
    SCORE_TEXT_MAX = 24,
    TRACE_MAX = 5120 + 3 * RESULTS_BYTES
};

enum framing {
    FRAMING_DATA,   /* 354 to CRLF.CRLF, inside as well */
    FRAMING_CHUNKS, /* BDAT outside, DATA inside */
    FRAMING_BINARY  /* BDAT on both sides, cut anew: BODY=BINARYMIME (RFC 3030) */
};

/* A refusal that was found before it may be said (decide.h). */
struct waiting {
    enum action action; /* ACTION_NONE: there is none */
    enum binds binds;
    struct reply reply;
    char text[WAITING_TEXT_MAX]; /* of the reply */
    char reason[NOTE_TEXT_MAX];
};
enum { WAITS_SINCE_GREETING, WAITS_SINCE_HELLO, WAITS };

enum { PIECES_MAX = 15 };

/* A message on its way inside; workers/transfer.c's own. */
struct transfer {
    struct session *s;
    enum framing framing;
    struct wait_guest inside_watch;
    int64_t deadline_ms; /* of the whole message */
    int64_t patience_ms; /* left of data_timeout: less while the client is waited for, more with what it sends */
    struct iovec pieces[PIECES_MAX + 1]; /* gathered, not yet written; room for the dot */
    int count;
    bool is_opened;         /* inside was ready to hear it */
    uint64_t chunk_left;    /* octets of this chunk that were not taken yet */
    bool is_last;           /* with it the message ends */
    uint64_t drained_bytes; /* read since the refusal */
    bool begun;             /* the first run was seen */
    bool header_judged;
    bool refused; /* no octet goes inside any more; `answer` is said at the real end */
    struct reply answer;
    const char *verdict;
    bool delivered;
    const char *dropped;   /* why the session ends with the answer, too */
    struct buffer trace;   /* our own lines on top */
    struct buffer held;    /* of its header: whether it goes inside is not known yet */
    bool held_is_gathered; /* what was held last is among the pieces */
};

/* RFC 5321's: MAIL to end of data; dies with RSET. */
struct transaction {
    bool begun;             /* a well-formed MAIL: there is something to log */
    bool open_inside;       /* inside accepted it: RSET is needed there */
    bool mail_is_due;       /* MAIL was accepted by us alone: inside hears it with the first recipient that is exempt */
    bool exempt;            /* the recipient that is being judged is, or all that were accepted */
    int exempt_recipients;  /* of those that were accepted */
    struct waiting waiting; /* found at MAIL */
    struct slice parameters_due; /* .. what else MAIL said: in parameters_text */
    int64_t began_ms;
    struct path sender;    /* slices of sender_text */
    struct path recipient; /* of the RCPT that is being answered: slices of its line */
    struct mail_parameters parameters;
    int accepted_recipients;
    int refused_recipients;
    const char *refusal;      /* of the last of them: "refused" or "deferred" */
    struct buffer recipients; /* for the log: accepted, separated by commas */
    struct buffer refused;    /* and refused */
    struct body body;
    struct header header;
    struct header_filter filter;
    struct transfer transfer;
    /* how it ended, for the log */
    char queue_id[QUEUE_ID_MAX]; /* inside's, when it accepted the message and named one */
    const char *verdict;
    const char *reason;
    struct buffer reply; /* the last one that decided */
    struct results results;
    int score, watched_score; /* of the session's, found since MAIL */
    int first_note;           /* of the session's, that was noted since */
    struct spf_trace spf;
    /* From here on nothing is cleared: all of it is behind slices and buffers that start empty. */
    char sender_text[PATH_MAX_OCTETS + 8];
    char parameters_text[COMMAND_LINE_MAX];
    char recipients_text[RECIPIENTS_LOGGED_MAX];
    char refused_text[RECIPIENTS_LOGGED_MAX];
    char reply_text[REPLY_LOGGED_MAX];
    char answer_text[ANSWER_TEXT_MAX]; /* of transfer.answer, where that is said again */
    char trace_text[TRACE_MAX];
    char held_text[RESULTS_FIELD_MAX];
};

/* What a worker gives to each of its sessions. */
struct session_setup {
    const struct service *service;
    struct scoreboard *board; /* NULL in tests */
    struct wait *wait;
    int slot;
    int pool_first, pool_size;         /* the slots of this listener's workers */
    int min_spare;                     /* of which so many should be free */
    int pressure_read, pressure_write; /* of its pressure pipe (worker_setup.h) */
    struct dns *dns;                   /* NULL: none */
    struct store_client *store;        /* NULL: nothing is remembered on disk */
    const struct observer *observer;   /* of what its checks say; NULL: nobody */
    bool looks_only; /* nobody is there, it is only asked what would be (workers/explain/explain.h): nothing is charged,
                        learnt or logged, and nobody is held */
};

struct session {
    const struct session_setup *setup;
    const struct service *service;
    const struct session_options *options;
    struct rules rules; /* of this client */
    enum phase phase;
    char id[SESSION_ID_MAX];
    int64_t began_ms;
    struct endpoint client, local;       /* where it connected to; both as told by `proxy`, where there is one */
    char client_text[ENDPOINT_TEXT_MAX]; /* the address alone; "local", "unknown" */
    struct endpoint proxy; /* the load balancer, or other gate, that told of the client; ENDPOINT_NONE: none did */
    bool client_untold;    /* .. but not who it is */
    bool client_untold_logged;
    struct attribute_value client_name, client_reverse_name; /* NOT_SAID: nobody has looked them up */
    struct tls_facts tls;                                    /* version NULL: in the clear */
    char why[TLS_WHY_MAX]; /* no header of PROXY, or no handshake of TLS: more of `ending`; or "" */
    struct known {
        int notes, score, watched_score;
        bool allowed;
        struct results results;
    } at_greeting; /* what was known of the client before it said anything */

    const char *auth;                       /* the mechanism by which AUTH succeeded, or XCLIENT; NULL: it did not */
    bool auth_vouched;                      /* by XCLIENT: no connection inside is bound to it */
    char login[SASL_LOGIN_MAX + 1];         /* .. and for whom; "" where that is not known */
    char vouched_login[SASL_LOGIN_MAX + 1]; /* for whom XCLIENT does: this alone goes inside by XCLIENT */
    bool renamed;                           /* XCLIENT has named the client */
    bool may_forward;                       /* it may say XFORWARD */
    struct attributes forwarded;            /* .. and said by it of the next message, or of this one */

    bool esmtp;                   /* EHLO, not HELO */
    char name[HELO_NAME_MAX + 1]; /* that the client gave itself; "" before */
    struct extensions offered;    /* by our EHLO */
    struct buffer said;           /* the text of a reply that was put together here */

    bool in_refused_line; /* a bare LF was refused, the line goes on */
    struct chunk {
        uint64_t size; /* of the BDAT that is being answered */
        bool is_last;
        bool is_unread; /* its octets are still to come */
    } chunk;
    int errors;         /* malformed and misplaced commands */
    int idle_commands;  /* since the last message that was accepted */
    int64_t dawdled_ms; /* .. its commands were waited for */
    int messages, refused_messages;
    int unheard;                     /* answers to a dot that the client had hung up before */
    int score;                       /* points of the client, of its last HELO, and of the transaction */
    char score_text[SCORE_TEXT_MAX]; /* in words, once it was too much */
    int score_most;                  /* that it had at any time */
    int watched_score;               /* points that a watched policy would have given */
    int hello_score, hello_watched;  /* of both, found at HELO */
    enum action watched;             /* .. and the most that would have been done for them */
    struct waiting waiting[WAITS];   /* by when it was found */
    enum standing standing;          /* of the client's network */
    bool spoke_early;                /* before the banner */
    uint32_t rate_bytes;             /* a second, in each direction; 0: not throttled */
    uint32_t portion_bytes;          /* of a message at a time, while a pace is shared with others; 0: any number */
    bool held;                       /* at least once, in the tarpit */
    bool in_tarpit;                  /* now */
    int64_t held_ms;                 /* altogether */
    int64_t throttled_ms;            /* waited because of a rate */
    int64_t inside_wait_ms;          /* waited for a berth at an inside server */
    struct wait_queue queue;         /* of the pressure pipe */
    struct pace {
        uint64_t seen;         /* octets that were counted */
        int64_t paid_until_us; /* .. and until when the rate allows for them */
    } pace_in, pace_out;
    bool allowed;       /* by a check before RCPT, or AUTH: policy has ended for this client */
    const char *ending; /* why the session ended; NULL: still on */

    struct deeds {
        int delivered, refused_messages; /* refused: for good, by inside or a check */
        int accepted_recipients, refused_recipients;
        int errors_before; /* errors that were somebody else's: the gate's, or of whom it named before */
        bool left_message; /* hung up in the middle of one */
        bool left_held;    /* hung up while it was held */
        bool sat_idle;     /* had the word, and said nothing for too long */
        bool put_off;      /* heard 4yz, which is no fault of its own */
        bool greylisted;   /* .. since it was not known yet */
        bool wore_out;     /* too many errors, or commands that led nowhere */
        int spoilt;        /* points that checks gave it for what it did (verdict.spoils) */
        bool spoke_early;  /* where it had to wait for a reply (L6) */
    } deeds;               /* of the client: what its network will be remembered for (standing.h) */

    struct results results; /* of checks up to AUTH */
    struct inside_client who;
    struct inside_host host;
    struct lookup_host lookup_host;
    struct wait_guest outside_watch; /* asked while inside works */
    struct stream outside;
    /* From here on others clear what is read of it: transcript_begin, check_begin_session and transaction_begin. */
    struct transcript transcript;
    struct notes notes;
    struct transaction transaction;
    _Alignas(16) unsigned char check_session[CHECK_MEMORY_MAX];
    _Alignas(16) unsigned char check_transaction[CHECK_MEMORY_MAX];
    /* From here on nothing is cleared between sessions: all of it is behind buffers that start empty. */
    struct lookups lookups;
    struct inside inside;
    char said_text[SAID_MAX];
    char outside_in[OUTSIDE_IN_BYTES];
    char outside_out[OUTSIDE_OUT_BYTES];
};

/* Said to more than one command. */
extern const struct reply REPLY_NOT_PROVIDED;  /* 502: not to this client, or not by this listener */
extern const struct reply REPLY_NESTED;        /* 503: a transaction is under way */
extern const struct reply REPLY_NO_RECIPIENTS; /* 554 */

/* Who is served, from here on: for the log, the trace, the checks and inside. */
void session_set_client(struct session *s, const struct endpoint *client, const struct endpoint *local);
/* The same in a session that has begun, when somebody who may say so named another client than the one that connected:
 * the scoreboard shows that one, too. Before anything is judged by who it is, or goes inside. */
void session_change_client(struct session *s, const struct endpoint *client, const struct endpoint *local);
bool session_client_is_in(const struct session *s, const struct network_list *networks);
/* What was found at HELO is forgotten: another name is said. */
void session_forget_hello(struct session *s);
/* A client with a good name, one that was allowed, or has logged in: what is for strangers does not hit it. */
bool session_is_trusted(const struct session *s);
/* AUTH has succeeded, and the session lives and dies with the inside connection on which it did. */
bool session_is_bound(const struct session *s);
/* The inside connection ends in order. Replies that are due leave before that is waited for (RFC 2920 section 3.2). */
void session_leave_inside(struct session *s);
/* What was said so far may have been said by somebody else, or of somebody else: it is forgotten, phase GREETING. An
 * inside server that heard of it hears no more. The counts of faults stay. */
void session_start_over(struct session *s);
uint32_t session_tag_of(const struct endpoint *client); /* of a worker that serves it */

void session_move(struct session *s, enum phase to);
void session_end(struct session *s, const char *why); /* the first why counts; phase becomes PHASE_CLOSED */
/* A reply goes into the outside's buffer. A 421 ends the session, as does a failing outside. */
void session_reply(struct session *s, const struct reply *reply);
enum io session_flush(struct session *s);
void session_watch_outside(struct session *s); /* from the next wait on its hang-up is news */
/* The client's next line, as stream_read_line gives it; its hang-up is noticed meanwhile, and while inside works. Under
 * stress it is late before the deadline; session_why_late tells, for the log. */
enum io session_read_line(struct session *s, size_t limit, int64_t deadline_ms, struct slice *line_out) IO_MUST_USE;
const char *session_why_late(int64_t deadline_ms);
void session_wipe(struct session *s); /* what was said on both sides, and is dealt with: it may have been secret (L8) */
/* Something is there that should not be before our reply (L6): says 554, ends the session. */
bool session_spoke_early(struct session *s);
/* A command that is malformed or misplaced, to be answered with `reply`: counted, and 421 in its place when it was one
 * too many. */
struct reply session_blame(struct session *s, const struct reply *reply);
/* The same where inside has refused, which the client should hear: if stress alone makes it one too many, the session
 * ends behind the reply. */
struct reply session_blame_refused(struct session *s, const struct reply *reply);
/* A command that led nowhere, to be answered with `reply`: counted, and 421 in its place when there were too many. */
struct reply session_count_idle(struct session *s, const struct reply *reply);
/* The same, with the word that it is about behind the reply; what is not printable ASCII in it becomes '?'. An empty
 * one: none is to blame. */
struct reply session_blame_word(struct session *s, const struct reply *reply, struct slice word);

#endif
