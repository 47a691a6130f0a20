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

/* Attributes of XCLIENT that inside offers. */
enum xclient_attribute {
    XCLIENT_NAME = 1 << 0,
    XCLIENT_ADDR = 1 << 1,
    XCLIENT_PORT = 1 << 2,
    XCLIENT_PROTO = 1 << 3,
    XCLIENT_HELO = 1 << 4,
    XCLIENT_LOGIN = 1 << 5,
    XCLIENT_DESTADDR = 1 << 6,
    XCLIENT_DESTPORT = 1 << 7,
    XCLIENT_REVERSE_NAME = 1 << 8
};

struct extensions {
    uint32_t keywords;
    uint64_t size_limit; /* of SIZE; 0 = none said */
    uint32_t xclient;
};

/* From a 250 reply to EHLO: the first line is the greeting. "SIZE" alone, "SIZE 0" and a doubled SIZE are understood
 * (the smaller); "XCLIENT=NAME .." is not a keyword. */
void extensions_parse(const struct reply *reply, struct extensions *out);
/* The text of our 250 to EHLO: `greeting` as the first line, then a keyword a line. */
bool extensions_print(struct buffer *to, struct slice greeting, const struct extensions *offered);

#endif
