/* SPDX-License-Identifier: ISC
 *
 * spf_record - the SPF record among a name's TXT, checked as a whole, and rewritten into what libspf2 evaluates right.
 * Pure.
 *
 * libspf2 fails 58 of the 203 cases of the suite for RFC 7208, and of what is too much for its 511 octets it drops
 * terms in silence: 64 times ip4 and then -all is neutral there. So it never hears what the network said. What is
 * decided without DNS is decided here: an address that cannot match is left out, and behind one that does, or `all`,
 * nothing follows. redirect= goes last, and nowhere beside `all`. exp= and what nobody knows are checked
 * and dropped: an explanation is somebody else's text in our reply. A prefix of 0 bits, which libspf2 refuses, becomes
 * `all`, or SPF_MARK_ANY before the domain: whoever asks DNS for libspf2 then answers with the client's own address
 * when there is any. At most one term more than may ask DNS is left: at that one the evaluation ends.
 */
#ifndef POSTERN_WORKERS_SPF_RECORD_H
#define POSTERN_WORKERS_SPF_RECORD_H

#include "common/buffer.h"
#include "common/ipaddr.h"

/* A label that no record, sender or name of DNS can hold, since this octet is refused everywhere. */
#define SPF_MARK_ANY "\001."

enum { SPF_LOOKUPS_MAX = 10, SPF_VOIDS_MAX = 2, SPF_NAMES_MAX = 10 }; /* names: of an MX or PTR */
enum { SPF_TERMS_MAX = SPF_LOOKUPS_MAX + 2, SPF_REWRITTEN_MAX = 8192 };

/* Begins it with "v=spf1" and a blank or nothing (section 4.5)? */
bool spf_record_is_one(struct slice text);

/* The terms, without "v=spf1", one blank between them, SPF_TERMS_MAX at most. False: permerror, *why_out says why and
 * *culprit_out which term (empty: none). */
bool spf_record_rewrite(struct slice text, const struct ipaddr *client, struct buffer *out, const char **why_out,
                        struct slice *culprit_out);

#endif
