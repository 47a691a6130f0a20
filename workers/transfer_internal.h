/* SPDX-License-Identifier: ISC
 *
 * transfer_internal - what the transfer*.c files share; nobody else includes it.
 */
/* clang-format off
 *
 *   transfer          the outside's octets: read, cut into runs, counted; when a message or a chunk ends
 *   transfer_gather   .. into pieces, our own header lines among them, without those that claim to be ours
 *   transfer_inside   what was gathered of them: judged, then written inside; refusals, also inside's own
 *   transfer_end      the dot, its answer, and everything that waits for that
 */
/* clang-format on */
#ifndef POSTERN_WORKERS_TRANSFER_INTERNAL_H
#define POSTERN_WORKERS_TRANSFER_INTERNAL_H

#include "workers/transfer.h"

void transfer_keep_answer(struct transfer *t, const struct reply *answer);
void transfer_lose_client(struct transfer *t, const char *why);
void transfer_time_out(struct transfer *t);
void transfer_make_room(struct transfer *t); /* for others, who need it more */
/* Inside spoke, or its connection failed, before the dot: a refusal is its answer, all else is a fault. */
void transfer_hear_early(struct transfer *t);
/* The same while the outside is read, when only a message by DATA may be refused. */
void transfer_hear_unasked(struct transfer *t);
void transfer_watch(struct transfer *t, bool on); /* is inside looked at while something else is waited for? */

/* Ours, or what inside said on this very connection, if that is smaller; 0: none. */
uint64_t transfer_size_limit(const struct session *s);
/* One that would be too big with so many octets more is refused before any of them is read. */
void transfer_weigh(struct transfer *t, uint64_t more);
/* What speaks against what was gathered; `ended`: there will be no more. */
void transfer_judge(struct transfer *t, bool ended);

/* A run goes to what was gathered, its header is looked at; where there is no room, what was gathered goes inside. */
void transfer_begin_gathering(struct transfer *t); /* before the first one */
void transfer_gather(struct transfer *t, struct slice run);
void transfer_end_header(struct transfer *t); /* behind the last run, or before: what is still held of the header */
void transfer_begin_message(struct transfer *t, struct slice first); /* before the first run: our own lines */
void transfer_add(struct transfer *t, struct slice octets);
void transfer_forward(struct transfer *t); /* all that was gathered, as the framing says */
void transfer_write(struct transfer *t);   /* .. as it is */

/* The last octets were taken. The dot goes inside if nothing speaks against it; the answer outside, then into the log.
 */
void transfer_end(struct transfer *t);

#endif
