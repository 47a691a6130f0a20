/* SPDX-License-Identifier: ISC
 *
 * session - one connection's conversation: octets heard go in, replies come out; no socket is touched here.
 *
 * Severe where RFC 5321 leaves a choice: lines end with CRLF alone, commands are what section 4.1.1 prints. What the
 * language does not know is refused with a reply and counted; what it forbids between 354 and the dot is taken as
 * content, counted and said. Memory is bounded but for `out`, which is bounded by what one session_hear was given.
 */
#ifndef SINK_SESSION_H
#define SINK_SESSION_H

#include "tests/sink/data.h"
#include "tests/sink/house.h"
#include "tests/sink/maildir.h"

enum { COMMAND_MAX = 4096 }; /* with CRLF; RFC 5321's 512 and room for paths that are longer than they should be */

enum phase { PHASE_GREETED, PHASE_HELLO, PHASE_MAIL, PHASE_RCPT, PHASE_DATA, PHASE_LEFT };

struct session {
    const struct house *house;
    uint64_t number; /* of the connection, from 1 */
    enum phase phase;
    bool extended; /* EHLO was said */
    bool may_xclient;
    bool smtputf8;     /* of this transaction */
    int mark;          /* its sender's, -1: none */
    uint64_t messages; /* begun in this connection */
    struct data data;
    struct maildir_message kept;

    char line[COMMAND_MAX];
    size_t line_size;
    bool line_too_long; /* its rest is thrown away up to CRLF */
    char line_last;     /* its last octet so far */
    bool more_behind;   /* something stands behind the line that is being answered */

    char *out; /* replies not yet written */
    size_t out_size, out_capacity;
    bool out_failed; /* no memory: the connection must end */
};

void session_begin(struct session *s, const struct house *house, uint64_t number);
void session_hear(struct session *s, const char *octets, size_t size);
bool session_is_over(const struct session *s); /* write what is in `out`, then close */
bool session_wants_data(const struct session *s);
void session_end(struct session *s, const char *why);

#endif
