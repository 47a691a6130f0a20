/* SPDX-License-Identifier: ISC
 *
 * prefixes - a set of lengths that networks have, of IPv4 and IPv6 each; a value. Pure.
 */
#ifndef POSTERN_COMMON_PREFIXES_H
#define POSTERN_COMMON_PREFIXES_H

#include "common/ipaddr.h"

enum { PREFIXES_IPV4 = 32 + 1, PREFIXES_IPV6 = 128 + 1, PREFIXES_TEXT_MAX = 64 };

/* Zero is the empty set. */
struct prefixes {
    bool ipv4[PREFIXES_IPV4], ipv6[PREFIXES_IPV6]; /* by length */
};

/* `family`: 4 or 6. A length that no network has is left out. */
void prefixes_add(struct prefixes *prefixes, uint8_t family, int64_t length);
bool prefixes_have(const struct prefixes *prefixes, const struct network *network);
/* The `number`th length, the shortest first, from 0; -1: there are no more. */
int prefixes_at(const struct prefixes *prefixes, uint8_t family, int number);
/* "/24, /28"; what has no room ends with "..". */
void prefixes_print(const struct prefixes *prefixes, uint8_t family, char text[PREFIXES_TEXT_MAX]);

#endif
