/* SPDX-License-Identifier: ISC
 *
 * transcript - what both sides of a session say, line by line, into the log: when an administrator ordered it for this
 * client (posternctl trace).
 *
 * Never a message, only its size; never a credential: the argument of AUTH and what follows until its last answer are
 * [hidden]. So is every line that is no command once AUTH was tried, and after a DATA until a message came, since a
 * client that lost its step says its password then, or the message that nobody takes. Lines are cut at
 * TRANSCRIPT_LINE_MAX. Between inside's answer to a message and its way outside nothing is logged (L1): what is said
 * then is held and logged after.
 */
#ifndef POSTERN_WORKERS_TRANSCRIPT_H
#define POSTERN_WORKERS_TRANSCRIPT_H

#include "common/buffer.h"
#include "common/ipaddr.h"
#include "workers/smtp/reply.h"

struct orders;

enum { TRANSCRIPT_LINE_MAX = 512, TRANSCRIPT_HELD_MAX = 2048 };

enum transcript_side { TRANSCRIPT_CLIENT, TRANSCRIPT_SERVER, TRANSCRIPT_SIDES };
enum transcript_direction { TRANSCRIPT_IN, TRANSCRIPT_OUT };

/* All zero: nobody wants to know. */
struct transcript {
    const struct orders *orders; /* NULL: nobody can */
    const struct ipaddr *client;
    const char *session_id;
    bool on;
    bool after_auth;               /* AUTH was tried */
    bool after_data;               /* DATA was said, and no message was taken */
    bool secret[TRANSCRIPT_SIDES]; /* the command's side owes a line of AUTH, not a command */
    bool holds;
    struct buffer held;
    char held_text[TRANSCRIPT_HELD_MAX];
};

void transcript_begin(struct transcript *t, const struct orders *orders, const struct ipaddr *client,
                      const char *session_id);

/* A line of commands from the client: also looks again whether the trace is wanted. */
void transcript_command(struct transcript *t, struct slice line);
/* Lines with their ends, from or to inside, or of the client's AUTH. `t` may be NULL in all of these. */
void transcript_lines(struct transcript *t, enum transcript_side side, enum transcript_direction direction,
                      struct slice lines);
void transcript_reply(struct transcript *t, const struct reply *reply); /* to the client */
void transcript_data(struct transcript *t, enum transcript_side side, enum transcript_direction direction,
                     uint64_t size);

void transcript_hold(struct transcript *t);
void transcript_release(struct transcript *t);

#endif
