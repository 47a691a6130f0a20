/* SPDX-License-Identifier: ISC
 *
 * phase - where the conversation of a session stands. Its worker moves it (workers/session.h); slots show it.
 */
#ifndef POSTERN_COMMON_PHASE_H
#define POSTERN_COMMON_PHASE_H

enum phase {
    PHASE_GREETING, /* nothing but the banner was said */
    PHASE_HELLO,    /* HELO or EHLO accepted */
    PHASE_MAIL,     /* MAIL accepted, no recipient yet */
    PHASE_RCPT,     /* at least one recipient accepted */
    PHASE_REFUSED,  /* MAIL was refused: what was pipelined behind it is no fault of the client's */
    PHASE_LOST,     /* inside was lost in the transaction: 451 until RSET or MAIL (L1) */
    PHASE_MESSAGE,  /* after 354, or in a chunk: no command is heard before its end */
    PHASE_CHUNK,    /* between the chunks of a message (BDAT) */
    PHASE_COMMIT,   /* the final dot went inside: its answer is awaited, whoever hangs up (L9) */
    PHASE_CLOSED,
    PHASES
};

const char *phase_name(enum phase phase);

#endif
