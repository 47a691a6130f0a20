/* SPDX-License-Identifier: ISC
 *
 * spf_trace - what SPF found of a transaction, kept for its trace: Received-SPF (RFC 7208 section 9.1).
 *
 * Pure. What comes from outside is printed as a dot-atom where it is one, else in a quoted string; octets that are no
 * printable ASCII become '?'. libspf2's own line is not used: it is cut in the middle, and quotes nothing.
 */
#ifndef POSTERN_WORKERS_SPF_TRACE_H
#define POSTERN_WORKERS_SPF_TRACE_H

#include "common/buffer.h"
#include "workers/spf/spf.h"

enum spf_identity { SPF_MAILFROM, SPF_HELO };

/* Zero: nothing was found. */
struct spf_trace {
    bool is_known;
    enum spf_identity identity;
    struct spf_answer answer;
};

struct session;

/* The field's value, without its name, folded with CRLF and a tab, without a CRLF at its end. False where nothing is
 * known, or it does not fit: nothing is written then. */
bool spf_trace_print(struct buffer *to, const struct session *s);

#endif
