/* SPDX-License-Identifier: ISC
 *
 * ipaddr - IPv4 and IPv6 addresses and networks, as values; pure.
 *
 * An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is turned into IPv4 on the way in: one client has one address.
 */
#ifndef POSTERN_COMMON_IPADDR_H
#define POSTERN_COMMON_IPADDR_H

#include "common/slice.h"

enum { IPADDR_TEXT_MAX = 46, NETWORK_TEXT_MAX = IPADDR_TEXT_MAX + 4 }; /* with the NUL */

struct ipaddr {
    uint8_t family; /* 4, 6, or 0 for none */
    uint8_t bytes[16];
};

struct network {
    struct ipaddr address; /* host bits are zero */
    uint8_t prefix;        /* 0..32, 0..128 */
};

bool ipaddr_parse(struct slice text, struct ipaddr *out);
void ipaddr_from_octets(struct ipaddr *out, uint8_t family, const uint8_t *octets); /* 4 or 16, as on the wire */
void ipaddr_print(const struct ipaddr *a, char text[IPADDR_TEXT_MAX]);
bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b);
bool ipaddr_is_loopback(const struct ipaddr *a);
/* "192.0.2.0/24", "2001:db8::/32", or an address alone. Host bits that are not zero are refused. */
bool network_parse(struct slice text, struct network *out);
struct network network_of(const struct ipaddr *a, unsigned prefix); /* a prefix beyond the address's bits: all of it */
void network_print(const struct network *n, char text[NETWORK_TEXT_MAX]); /* an address alone where that is all of it */
/* As octets, for hashing: equal networks have equal ones. */
struct slice network_octets(const struct network *n);
bool network_equal(const struct network *a, const struct network *b);
bool network_holds(const struct network *n, const struct ipaddr *a);

#endif
