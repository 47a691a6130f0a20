/* SPDX-License-Identifier: ISC
 *
 * bdat - a message in chunks (RFC 3030).
 *
 * Offered whatever inside has: the message goes inside by DATA, in the language of L3; only BODY=BINARYMIME goes by
 * BDAT, cut anew. The octets of a chunk that is refused, for whatever reason, are read away, exactly as many, before
 * the refusal is said: none of them is ever taken for a command. After a refusal every chunk of the message hears the
 * same, since only the last one's reply may be what the client goes by.
 */
#ifndef POSTERN_WORKERS_BDAT_H
#define POSTERN_WORKERS_BDAT_H

#include "workers/session.h"

/* Before anything is made of the command: how many octets follow it. False: nobody knows; the reply has been said, and
 * the session ends. */
bool bdat_begin(struct session *s, const struct command *command);
/* Of a line that should have been BDAT, and is no command: the same end. */
void bdat_break_off(struct session *s);
/* Phase RCPT or CHUNK. Answers the chunk itself (a reply with code 0 says so), or the reply for after bdat_end. */
struct reply bdat_answer(struct session *s, const struct command *command);
/* Phase MAIL: nobody is there to have it. A message that has lost its first chunk is lost, whatever RCPT says later. */
struct reply bdat_answer_unaddressed(struct session *s, const struct command *command);
/* Reads away what was not taken. False: the session is over, no reply is due. */
bool bdat_end(struct session *s, const struct reply *reply);

#endif
