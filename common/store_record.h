/* SPDX-License-Identifier: ISC
 *
 * store_record - what the memory holds, as keys and values, and as lines of text (posternctl store export).
 *
 *   g CLIENT[ SENDER[ RECIPIENT]]   an attempt that the greylist has seen
 *   a CLIENT                        an allowance: so many deliveries of this client
 *   n NETWORK                       the reputation of a network
 *   d DOMAIN                        and of a sender's domain that SPF passed
 *   t NETWORK                       wrote to a trap
 *
 * CLIENT is a network (192.0.2.0/24, 2001:db8::/64) or, where SPF passed, a domain. Keys are text, so that a second
 * host can be given them: parts in lower case, blanks, controls, % and octets above 126 as %xx; a part of more than
 * STORE_PART_MAX octets is cut and ends with %- and a hash of all of it, so that two long ones stay two. Where there is
 * a recipient and no sender, * stands for that (somebody's name that is a * is %2a). A value is
 * 24 octets, integers in the host's order; times are seconds since 1970 in 32 bits (until 2106).
 * A line: KEY, a tab, then name=value with blanks between: first= last= expires= (all three, seconds since 1970;
 * expires=0: never), count=, and for g passed=yes|no, for n and d good= bad= (sixteenths, as of `last`).
 */
#ifndef POSTERN_COMMON_STORE_RECORD_H
#define POSTERN_COMMON_STORE_RECORD_H

#include <time.h>

#include "common/buffer.h"
#include "common/ipaddr.h"
#include "common/reputation.h"
#include "common/store.h"

enum { STORE_PART_MAX = 150, STORE_LINE_MAX = 1024 };

struct store_record {
    uint32_t first_s, last_s; /* seen */
    uint32_t expires_s;       /* 0: never */
    uint32_t count;           /* g: attempts since; a: deliveries; n, d: sessions; t: how often */
    union {
        uint64_t reputation; /* n, d: a value of reputation.h's */
        uint64_t passed;     /* g: 1: it has waited */
    };
};
_Static_assert(sizeof(struct store_record) == sizeof(((struct store_request *)0)->value),
               "a record is a request's value");

/* A key in memory of its own. */
struct store_key {
    char text[STORE_KEY_MAX];
    size_t size;
};
/* `kind` and one to three parts; `sender` and `recipient` may be empty slices: then they are no part of the key. The
 * null sender is the part <>. `client` and `what` are not empty, or it is no key. */
void store_key_grey(struct store_key *key, struct slice client, struct slice sender, struct slice recipient);
void store_key_of(struct store_key *key, enum store_kind kind, struct slice what); /* any but g */
void store_key_network(struct store_key *key, enum store_kind kind, const struct network *network);
/* The key of the allowance of a g key's client. False: it is no g key. */
bool store_key_allowance(struct store_key *key, struct slice grey);
struct slice store_key_slice(const struct store_key *key);

bool store_kind_of(struct slice key,
                   enum store_kind *kind_out); /* false: no key at all: another letter, a blank too many */
char store_kind_letter(enum store_kind kind);

/* Points are kept in it: n, d. */
bool store_kind_is_reputation(enum store_kind kind);

uint32_t store_seconds(time_t at); /* as records have it: 0 for what is before 1970, UINT32_MAX for what is too late */
uint32_t store_later_end(uint32_t a, uint32_t b); /* of two expires_s */
/* Is it over at this time? */
bool store_record_is_over(const struct store_record *record, time_t now);

/* One line without its end. Into `to`, which has room for STORE_LINE_MAX. */
void store_line_print(struct buffer *to, struct slice key, const struct store_record *record);
/* NULL: taken; else what is wrong with it, in words for people. Unknown names are refused; count= may be missing. What
 * people write in another way than it is printed (2001:DB8:0::/64, capitals) becomes the key that would be made. */
const char *store_line_parse(struct slice line, struct store_key *key_out, struct store_record *record_out);

#endif
