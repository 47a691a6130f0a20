/* SPDX-License-Identifier: ISC
 *
 * transfer - a message on its way inside: from 354 to the answer to its dot, or chunk by chunk.
 *
 * Octets go inside as they come, in the language of L3; the dot is held back until every check agreed and the outside
 * ended the message cleanly (L2). Inside is watched meanwhile: who answers before the dot has refused (4yz, 5yz) or is
 * at fault; a refusal of whatever kind breaks the inside connection off, drains the outside to its end (bounded) and is
 * said there. Nothing waits, looks up or logs between inside's answer to the dot and its write outside (L1).
 */
#ifndef POSTERN_WORKERS_TRANSFER_H
#define POSTERN_WORKERS_TRANSFER_H

#include "workers/session.h"

/* Inside has answered 354, and so have we. Answers the message outside (written and flushed, unless the outside is
 * gone), logs it, and leaves the phase at HELLO or CLOSED. */
void transfer_streamed(struct session *s);

/* Before the first chunk, when inside is ready for the message: has answered 354, or (FRAMING_BINARY) RCPT. */
void transfer_begin_chunks(struct session *s, enum framing framing);
/* The octets of s->chunk, read and carried inside. Behind the last one as above, and a reply with code 0; else the
 * phase is CHUNK, and the reply is that to the chunk: also when the message is refused. Then every later chunk is read
 * away and answered alike. */
struct reply transfer_chunk(struct session *s);
/* There is no such transfer inside (it refused DATA): what is to be answered to each chunk of the message. */
void transfer_refuse_chunks(struct session *s, const struct reply *answer);
/* Between chunks: the client was waited for, and sent so much. It is time that its message takes. */
void transfer_waited(struct session *s, int64_t waited_ms, uint64_t came);
/* Between chunks: the client gives the message up, and with it the inside connection is broken off. */
void transfer_abandon(struct session *s);
/* s->chunk is read away: nobody wants it. False: the session is over, and the answer was said if it could be. */
bool transfer_skip_chunk(struct session *s, const struct reply *answer);

#endif
