/* SPDX-License-Identifier: ISC
 *
 * witness - sees every octet of a session on both sides at the moment it is read or written, and holds it to the laws.
 *
 *   witness_inside    one inside connection: commands, replies, the language of L3, nothing said to who is dead (L1)
 *   witness_outside   the outside's commands and the replies to them, one each (L9), and where its messages end
 *   witness_message   what both have to do with each other: a message inside and the one outside (L1, L2, L10)
 *
 * It knows the protocol by itself: nothing of workers/ is in it.
 */
#ifndef POSTERN_TESTS_FUZZ_WITNESS_H
#define POSTERN_TESTS_FUZZ_WITNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

enum {
    WITNESS_INSIDE_MAX = 12,
    WITNESS_MESSAGE_BYTES = 1 << 17,
    WITNESS_TAKEN_BYTES = 1 << 17,
    WITNESS_LINE_BYTES = 16384
};

/* What was said, and so what a reply answers. */
enum said {
    SAID_NOTHING,
    SAID_CONNECT, /* answered by the greeting */
    SAID_EHLO,
    SAID_HELO,
    SAID_MAIL,
    SAID_RCPT,
    SAID_DATA,
    SAID_END, /* of the data */
    SAID_BDAT,
    SAID_RSET,
    SAID_QUIT,
    SAID_AUTH,
    SAID_ANSWER, /* to a challenge of AUTH */
    SAID_XCLIENT,
    SAID_XFORWARD,
    SAID_OTHER,
    SAID_KINDS
};
enum said said_of(struct slice line); /* by its first word */
const char *said_name(enum said said);

struct witness;

/* Reads replies: SMTP's grammar, and the limits that workers/smtp/reply.h names. */
struct reply_eye {
    char line[2064];
    size_t size;
    int lines, code;
    size_t text_size;
    bool bad;
};
/* One octet. The code of a reply that is complete with it, 0: not yet, -1: this is no reply. */
int reply_eye_see(struct reply_eye *eye, char octet);

struct witness_inside {
    struct witness *w;
    enum { INSIDE_PROXY, INSIDE_COMMANDS, INSIDE_DATA, INSIDE_CHUNK } mode;
    enum said pending;   /* the reply to it is due */
    bool answered;       /* .. and was sent, at least in part: the server's own */
    const char *dead;    /* why nothing may be said any more */
    bool may_helo;       /* .. but this */
    bool body_may_go_on; /* .. but octets of a message, which were on their way: never its end */
    bool passed, ready, open, binary, in_message, spoke_early, in_auth, quit;
    int recipients;
    int proxy_left; /* octets of the header */
    struct reply_eye eye;
    char line[WITNESS_LINE_BYTES];
    size_t line_size;
    enum { LINE_START, IN_LINE, LINE_CR, LINE_DOT, LINE_DOT_CR } data;
    uint64_t chunk_left;
};

struct witness_outside {
    struct witness *w;
    enum { OUTSIDE_COMMAND, OUTSIDE_AWAITS, OUTSIDE_BODY, OUTSIDE_CHUNK, OUTSIDE_CHALLENGED, OUTSIDE_OVER } state;
    enum said pending;
    bool bad_chunk, is_last; /* of BDAT */
    bool in_refused;         /* what follows belongs to a line that was refused */
    bool too_early;          /* what is pending must be refused for that (L6) */
    bool names_auth;         /* the reply to EHLO that is being said */
    bool knows_no_auth;      /* .. to the last one was 250, and did not */
    bool mail_is_due;        /* MAIL was accepted, and inside has not accepted it */
    bool has_begun;          /* MAIL was said, and its transaction is not over */
    uint64_t chunk_left;
    char taken[WITNESS_TAKEN_BYTES];
    size_t size, at; /* .. and walked */
    size_t seen;     /* .. and looked through for an end that was not there */
    size_t body_begin;
    struct reply_eye eye;
    char line[WITNESS_LINE_BYTES];
    size_t line_size;
    int replies, refused_lines; /* those end, by L9's reading, where the input does: it matters what came together */
    bool gone, ended;           /* we reset it; we said FIN */
    bool deaf;                  /* it did not read for a while, so replies are seen late */
    bool blind;                 /* which reply is whose can no longer be told */
};

/* What inside did while one command of the outside was under way. */
struct window {
    bool yes[SAID_KINDS];    /* inside's 2yz (354, 334) to that */
    int refusal[SAID_KINDS]; /* .. and the last code of 4yz or 5yz */
    bool trouble;            /* a connection was lost, or could not be had */
    bool permanent;          /* inside said 5yz */
};

struct witness {
    /* how the session is set up */
    bool mends, received, by_xclient;
    bool waits;       /* all recipients may be refused, but the postmaster: MAIL may be accepted without inside */
    bool refuses_all; /* .. and they are, as long as nobody logs in */
    uint64_t size_limit;
    struct slice proxy;   /* the header that inside must hear first; empty: none */
    struct slice address; /* "ADDR=198.51.100.7": in each XCLIENT; empty: nobody knows */
    /* what happens */
    struct witness_outside outside;
    struct witness_inside inside[WITNESS_INSIDE_MAX];
    int inside_count;
    struct window window;
    /* the message under way */
    char outside_body[WITNESS_MESSAGE_BYTES]; /* as it came; with its final dot where it has one */
    size_t outside_size;
    char inside_body[2 * WITNESS_MESSAGE_BYTES + 4096]; /* as it went: mended, stuffed, with our line */
    size_t inside_size;
    int ends, commits, final_code;
    int messages;       /* inside has said yes to */
    bool chunk_refused; /* of the message under way */
    bool is_ambiguous;  /* one was refused that could have been for another reason as well */
    /* what can be compared with another run */
    struct slice_log {
        char text[1 << 20];
        size_t size;
    } outside_said, inside_heard;
};

void witness_begin(struct witness *w);
extern size_t (*witness_unread)(const struct witness_outside *outside); /* of the outside, in the socket; the rig's */

/* inside */
struct witness_inside *witness_connect(struct witness *w); /* NULL: too many */
void witness_connect_failed(struct witness *w);
void witness_inside_takes(struct witness_inside *in, struct slice octets);
void witness_inside_wrote(struct witness_inside *in, struct slice octets);
void witness_inside_dies(struct witness_inside *in, const char *why);
void witness_inside_closed(struct witness_inside *in, bool by_reset);

/* outside */
void witness_outside_takes(struct witness_outside *out, struct slice octets);
void witness_outside_wrote(struct witness_outside *out, struct slice octets);
void witness_outside_walk(struct witness_outside *out); /* as far as can be seen; before each wait */
void witness_outside_finished(struct witness_outside *out);

/* between them */
void witness_may_say(struct witness *w, enum said said);
void witness_message_begins(struct witness *w);
void witness_message_ends_inside(struct witness *w, const struct witness_inside *in);
void witness_message_answered(struct witness *w, int code);

void witness_log(struct slice_log *log, const char *text, size_t size);

#endif
