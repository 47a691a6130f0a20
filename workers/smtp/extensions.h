/* SPDX-License-Identifier: ISC
 *
 * extensions - the EHLO keywords as bits, from inside's answer and into ours (RFC 5321 section 4.1.1.1). Pure.
 *
 * Only keywords of the table exist; any other from inside is forgotten (L4: allow-list, never pass-through).
 */
#ifndef POSTERN_WORKERS_SMTP_EXTENSIONS_H
#define POSTERN_WORKERS_SMTP_EXTENSIONS_H

#include "common/keyword.h"
#include "workers/smtp/reply.h"

struct extensions {
    uint32_t keywords;
    uint64_t numbers[KEYWORD_NUMBERS];
    uint32_t xclient, xforward; /* enum attribute */
};

/* From a 250 reply to EHLO: the first line is the greeting. "SIZE" alone, "SIZE 0" and a doubled SIZE are understood
 * (the smaller), as is "AUTH=PLAIN .."; "XCLIENT=NAME .." is not a keyword. A number that is none, or an unknown name
 * of a profile, is as good as left out; FUTURERELEASE without its two limits is not offered. */
void extensions_parse(const struct reply *reply, struct extensions *out);
/* The text of our 250 to EHLO: `greeting` as the first line, then a keyword a line. */
bool extensions_print(struct buffer *to, struct slice greeting, const struct extensions *offered);

#endif
