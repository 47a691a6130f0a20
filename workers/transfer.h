/* SPDX-License-Identifier: ISC
 *
 * transfer - a message from 354 to the answer to its dot, streamed.
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

#endif
