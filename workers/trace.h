/* SPDX-License-Identifier: ISC
 *
 * trace - the header lines that Postern adds (RFC 5321 section 4.4, RFC 8601). Pure but for the time. One that does not
 * fit is left out: false.
 */
#ifndef POSTERN_WORKERS_TRACE_H
#define POSTERN_WORKERS_TRACE_H

#include "workers/session.h"

/* "Received: from .. by .. with ESMTPS id SESSION; date" CRLF, folded, in L3's language, with a comment on TLS and the
 * client's certificate. What the client said of itself only where it is a host name or an address literal. */
bool trace_received(struct buffer *to, const struct session *s, time_t now);
/* "Authentication-Results: ID; result; result" CRLF, a line for each, folded; nothing where checks left none. Those
 * that come later than the message's first octets come too late. */
bool trace_results(struct buffer *to, const struct session *s);
/* "Received-SPF: .." CRLF, folded; nothing where SPF was not asked. */
bool trace_spf(struct buffer *to, const struct session *s);
const char *trace_authserv_id(const struct session *s);

#endif
