/* SPDX-License-Identifier: ISC
 *
 * spf_term - one term of an SPF record, checked to the letter of RFC 7208 section 12. Pure.
 *
 * libspf2 takes for good what the grammar forbids, and leaves out in silence what is too long for it; so a term goes
 * there only after it was taken apart here. Beside the grammar a domain-spec has a size: what libspf2 makes of it has
 * to fit its fixed memory with room to spare.
 */
#ifndef POSTERN_WORKERS_SPF_TERM_H
#define POSTERN_WORKERS_SPF_TERM_H

#include "common/ipaddr.h"

enum spf_kind {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
    SPF_REDIRECT,
    SPF_EXP,
    SPF_UNKNOWN /* a modifier that nobody has to know */
};

enum {
    SPF_SPEC_MAX = 480,     /* octets of a domain-spec */
    SPF_LITERAL_MAX = 250,  /* .. between two of its macros; libspf2 has room for 255 */
    SPF_COMPILED_MAX = 480, /* .. as libspf2 lays it down, in 511 */
    SPF_MACRO_PARTS_MAX = 128
};

struct spf_term {
    enum spf_kind kind;
    char qualifier;         /* of a mechanism: + - ? ~ */
    struct slice spec;      /* domain-spec, or the network as written; empty where there is none */
    int prefix4, prefix6;   /* of a and mx, in bits; 32 and 128 where none are said */
    struct network network; /* of ip4 and ip6; an IPv4-mapped one stays IPv6: it matches nobody */
};

/* `text` holds no blank. False: *why_out says what is wrong with it. */
bool spf_term_parse(struct slice text, struct spf_term *out, const char **why_out);
const char *spf_kind_name(enum spf_kind kind); /* "include" */
bool spf_kind_asks(enum spf_kind kind);        /* does it count to the ten that may ask DNS (section 4.6.4)? */

#endif
