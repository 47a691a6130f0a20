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

/* Attributes of a client, as XCLIENT and XFORWARD name them. */
enum attribute {
    ATTRIBUTE_NAME = 1 << 0,
    ATTRIBUTE_ADDR = 1 << 1,
    ATTRIBUTE_PORT = 1 << 2,
    ATTRIBUTE_PROTO = 1 << 3,
    ATTRIBUTE_HELO = 1 << 4,
    ATTRIBUTE_LOGIN = 1 << 5,
    ATTRIBUTE_DESTADDR = 1 << 6,
    ATTRIBUTE_DESTPORT = 1 << 7,
    ATTRIBUTE_REVERSE_NAME = 1 << 8,
    ATTRIBUTE_IDENT = 1 << 9,
    ATTRIBUTE_SOURCE = 1 << 10
};
enum { ATTRIBUTES = 11 };
extern const struct keyword_row attribute_rows[ATTRIBUTES];
uint32_t attribute_of(struct slice name); /* its bit, in any case of letters; 0: not known */

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
