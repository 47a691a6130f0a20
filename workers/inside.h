/* SPDX-License-Identifier: ISC
 *
 * inside - one connection to an inside server, as a client of SMTP (RFC 5321), from connect to QUIT.
 *
 * One command goes out, its reply comes in; nothing is ever pipelined. Before each command the buffer and the socket
 * must be empty (L1). After a time-out, garbage or a code that nobody asked for the connection is dead: it is closed
 * and never spoken to again. All failures become replies: own trouble is 451; what exactly happened is logged here,
 * once, and kept in `trouble` for the line of the message.
 *
 * Opening (inside_open.c) goes through the servers of the backend in order, those that the housekeeper found to be down
 * last, as long as nothing was said for the transaction. Where max_sessions are with one already, it waits for its turn
 * (inside_berth.h).
 */
#ifndef POSTERN_WORKERS_INSIDE_H
#define POSTERN_WORKERS_INSIDE_H

#include "common/health.h"
#include "common/log.h"
#include "common/stream.h"
#include "workers/backend.h"
#include "workers/smtp/attributes.h"
#include "workers/smtp/extensions.h"
#include "workers/transcript.h"

struct scoreboard;

enum {
    INSIDE_IN_BYTES = 8192,
    INSIDE_OUT_BYTES = 16384, /* a line of AUTH has 12,288 octets */
    INSIDE_NAME_MAX = 256,
    INSIDE_TROUBLE_MAX = 384,
    INSIDE_WORDS_MAX = 96
};

enum inside_state {
    INSIDE_CLOSED,
    INSIDE_REACHED, /* 220 heard, and the client was passed on; no EHLO with the client's name yet */
    INSIDE_READY    /* EHLO answered */
};

/* Whom inside is to hear of. */
struct inside_client {
    const struct endpoint *client;
    const struct endpoint *local;
    const char *hostname; /* ours */
    const char *session_id;
    const struct attribute_value *name, *reverse_name; /* that it has; NULL, NOT_SAID: nobody has looked */
    const char *helo;                                  /* that it gave itself; NULL, "": nothing yet */
    const bool *esmtp;                                 /* .. by EHLO */
    const char *login;                                 /* that somebody we trust vouched for before; NULL or "": none */
    struct transcript *transcript;                     /* or NULL */
};

/* Whoever holds the session, while it waits for other sessions to leave the inside server. */
struct inside_host {
    void (*wait_begins)(void *context);
    void (*wait_ends)(void *context, int64_t waited_ms);
    const struct reply *(*makes_room)(void *context); /* it was asked to go: what is to be said for that */
    void *context;
};

struct inside {
    struct stream stream;
    enum inside_state state;
    const struct backend *backend;
    struct tls_client *tls; /* NULL: none */
    const struct inside_client *who;
    const struct health *health; /* SCOREBOARD_SERVERS_MAX, by place; NULL: nothing is known. Set after inside_init */
    struct scoreboard *board;    /* whose berths are had; NULL: no server has a bound. Set after inside_init, as is */
    const struct inside_host *host; /* or NULL */
    int64_t opening_ms;             /* when it was to be opened: its turn is by that */
    bool keeps_berth;               /* it is closed to be opened anew at once */
    bool made_room;                 /* it shall not be opened: others need the worker more */
    const struct server *server;    /* of this connection, or the last one */
    const char *secured;            /* the version of TLS, "none" where it was wanted but could do without; or NULL */
    bool hailed;                    /* our own EHLO was said in this layer of security: no second one (L6) */
    bool quitting;                  /* QUIT was said */
    bool passed;                    /* the client was passed on: refusals are for it */
    uint64_t quiet_in;              /* the wait's moment in which nothing unasked was there */
    bool hushed;       /* trouble is not logged before inside_unhush: the client's answer comes first (L1) */
    enum level unsaid; /* how loud it will be then */
    struct extensions offers;
    uint32_t forwarded;         /* enum attribute: what XFORWARD said of a message that has not ended there */
    char name[INSIDE_NAME_MAX]; /* that EHLO said inside */
    char trouble[INSIDE_TROUBLE_MAX];
    struct reply_reader reader;
    char in[INSIDE_IN_BYTES];
    char out[INSIDE_OUT_BYTES];
};

/* How asking ended. */
enum asked {
    ASKED_ANSWERED, /* *reply_out is inside's, with a code that was asked for */
    ASKED_LOST,     /* the connection is gone; *reply_out is our 451 */
    ASKED_GONE      /* the outside hung up meanwhile; the connection is closed */
};

/* What may answer a command besides 4yz and 5yz. */
enum expect {
    EXPECT_25X, /* 250, 251, 252: a 220 or 221 out of step is no yes */
    EXPECT_220,
    EXPECT_354,
    EXPECT_AUTH,    /* 334, 235 */
    EXPECT_REFUSAL, /* nothing else */
    EXPECT_ANY
};

extern const struct reply REPLY_INSIDE_LOST; /* 451 4.4.2 */
extern const struct reply REPLY_INSIDE_AWAY; /* 451 4.4.1 */
extern const struct reply REPLY_NOT_PASSED;  /* 451 4.3.5 */

/* `who` is kept: it must live as long as the session. */
void inside_init(struct inside *in, struct wait *wait, const struct backend *backend, struct tls_client *tls,
                 const struct inside_client *who);

/* Connects, hears 220, begins TLS and passes the client on, as configured; the next server where that fails.
 * ASKED_ANSWERED with INSIDE_CLOSED: *reply_out stood in place of the 220, as inside's refusal of this client. */
enum asked inside_reach(struct inside *in, struct reply *reply_out);
/* inside_reach where it is needed, then EHLO with the client's own name (HELO where inside knows no EHLO). A reply of
 * 4yz or 5yz with ASKED_ANSWERED is inside's refusal of this client. */
enum asked inside_open(struct inside *in, struct slice name, struct reply *reply_out);

/* A command line begins: nothing unasked may be there. False, with our 451: the connection is lost, or there was none.
 */
bool inside_line(struct inside *in, struct reply *reply_out);
/* What lies in stream.out goes out, a reply comes in. 421 closes. */
enum asked inside_ask(struct inside *in, enum expect expect, int64_t timeout_ms, struct reply *reply_out);
/* The same within command_timeout, but not beyond the deadline of an opening. */
enum asked inside_ask_by(struct inside *in, enum expect expect, int64_t deadline_ms, struct reply *reply_out);
int64_t inside_sooner(int64_t deadline_ms, int64_t wait_ms); /* the deadline, or `wait_ms` from now */
/* Only the second half: hears a reply that is due, or that came early. */
enum asked inside_hear(struct inside *in, enum expect expect, int64_t deadline_ms, struct reply *reply_out);

void inside_quit(struct inside *in);      /* QUIT unless that was said, a short wait, close */
void inside_say_quit(struct inside *in);  /* before something else is done: its answer comes meanwhile */
void inside_break_off(struct inside *in); /* by us: a reset, no end of data, no further word */
/* By its fault, which is logged: broken off. Always ASKED_LOST, with our 451. */
enum asked inside_lost(struct inside *in, enum level level, const char *what, const char *more,
                       struct reply *reply_out);
/* The client was not passed on: as inside_lost, with an alarm and REPLY_NOT_PASSED (L11). */
enum asked inside_not_passed(struct inside *in, const char *what, const char *more, struct reply *reply_out);
void inside_unhush(struct inside *in);
/* What was said in both directions is wiped; nobody holds a reply of inside's any more. */
void inside_wipe(struct inside *in);
/* What inside said, for the log: its own words are the shortest way to the line that is missing there. */
const char *inside_words(const struct reply *reply, char text[INSIDE_WORDS_MAX]);

#endif
