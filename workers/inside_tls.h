/* SPDX-License-Identifier: ISC
 *
 * inside_tls - TLS with an inside server: STARTTLS as a client (RFC 3207), or at once.
 *
 * Only 220 starts TLS, and only with nothing behind it: what was sent in the clear must never be taken for something
 * said in TLS (L6). A handshake that fails is own trouble, whatever the mode: nobody falls back to the clear because
 * somebody disturbed it. Once TLS is on, all keywords that were heard before are forgotten.
 */
#ifndef POSTERN_WORKERS_INSIDE_TLS_H
#define POSTERN_WORKERS_INSIDE_TLS_H

#include "workers/inside.h"

bool inside_tls_is_asked_for(const struct inside *in); /* by STARTTLS: mode is may or require */
/* mode = implicit: the handshake, before inside greets. ASKED_ANSWERED otherwise, too. */
enum asked inside_tls_at_once(struct inside *in, int64_t deadline_ms, struct reply *reply_out);
/* Our own EHLO was answered. STARTTLS and the handshake, or, with mode = may, ASKED_ANSWERED without them: *reply_out
 * is of no interest then. */
enum asked inside_tls_start(struct inside *in, int64_t deadline_ms, struct reply *reply_out);

#endif
