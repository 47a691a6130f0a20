/* SPDX-License-Identifier: ISC
 *
 * inside_proxy - the client passed on by a PROXY header: the first octets of an inside connection, before TLS and 220.
 *
 * Nothing answers a header. A server that does not expect one takes it for an early talker, or for a command: then its
 * "unknown command" comes where the answer to our EHLO is due, and each further answer belongs to the question before.
 * So inside is believed only while all it says fits: what looks like the answer to a header ends the connection with
 * our 451 and an alarm, a HELO is never tried after an EHLO that failed, and nothing unasked may be there (L11).
 */
#ifndef POSTERN_WORKERS_INSIDE_PROXY_H
#define POSTERN_WORKERS_INSIDE_PROXY_H

#include "workers/inside.h"

bool inside_proxy_is_used(const struct inside *in);
/* Can this client be passed on? With our 451 and an alarm where it cannot. */
bool inside_proxy_may(struct inside *in, struct reply *reply_out);
/* The header leaves; the client counts as passed on. ASKED_ANSWERED otherwise, too. */
enum asked inside_proxy_say(struct inside *in, int64_t deadline_ms, struct reply *reply_out);
/* Inside waits for an EHLO now. False, with our 451: it spoke already. */
bool inside_proxy_is_quiet(struct inside *in, struct reply *reply_out);
/* What came in place of 220, or of a yes to EHLO: does inside refuse the client that was passed on? False, with our
 * 451: it is an answer to the header, which was not understood. */
bool inside_proxy_is_refusal(struct inside *in, struct reply *reply);

#endif
