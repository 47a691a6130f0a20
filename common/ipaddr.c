/* SPDX-License-Identifier: ISC */
#include "common/ipaddr.h"

#include <string.h>

#include <arpa/inet.h>

#include "common/buffer.h"

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

static unsigned family_bits(const struct ipaddr *a)
{
    return a->family == 4 ? 32 : a->family == 6 ? 128 : 0;
}

static bool parse_as_written(struct slice text, struct ipaddr *out)
{
    char copy[IPADDR_TEXT_MAX];
    if (text.size == 0 || text.size >= sizeof copy || slice_has(text, '\0'))
        return false;
    memcpy(copy, text.at, text.size);
    copy[text.size] = '\0';
    bool is_ipv6 = slice_has(text, ':');
    *out = (struct ipaddr){.family = is_ipv6 ? 6 : 4};
    return inet_pton(is_ipv6 ? AF_INET6 : AF_INET, copy, out->bytes) == 1;
}

/* True when it was an IPv4-mapped one. */
static bool unmap(struct ipaddr *a)
{
    if (a->family != 6 || memcmp(a->bytes, mapped_prefix, sizeof mapped_prefix) != 0)
        return false;
    struct ipaddr ipv4 = {.family = 4};
    memcpy(ipv4.bytes, a->bytes + sizeof mapped_prefix, 4);
    *a = ipv4;
    return true;
}

bool ipaddr_parse(struct slice text, struct ipaddr *out)
{
    struct ipaddr parsed;
    if (!parse_as_written(text, &parsed))
        return false;
    unmap(&parsed);
    *out = parsed;
    return true;
}

void ipaddr_from_octets(struct ipaddr *out, uint8_t family, const uint8_t *octets)
{
    *out = (struct ipaddr){.family = family};
    memcpy(out->bytes, octets, family_bits(out) / 8);
    unmap(out);
}

/* By hand: inet_ntop prints this by printf, and it is done for each session. */
static void print_v4(const struct ipaddr *a, char text[IPADDR_TEXT_MAX])
{
    struct buffer to;
    buffer_init(&to, text, IPADDR_TEXT_MAX);
    for (int i = 0; i < 4; i++) {
        buffer_put_number(&to, a->bytes[i], 1);
        buffer_put_char(&to, i < 3 ? '.' : '\0');
    }
}

void ipaddr_print(const struct ipaddr *a, char text[IPADDR_TEXT_MAX])
{
    if (a->family == 4)
        print_v4(a, text);
    else if (a->family == 0 || !inet_ntop(AF_INET6, a->bytes, text, IPADDR_TEXT_MAX))
        memcpy(text, "none", sizeof "none");
}

bool ipaddr_equal(const struct ipaddr *a, const struct ipaddr *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, family_bits(a) / 8) == 0;
}

bool ipaddr_is_loopback(const struct ipaddr *a)
{
    static const struct ipaddr ipv6 = {.family = 6, .bytes = {[15] = 1}};
    return (a->family == 4 && a->bytes[0] == 127) || ipaddr_equal(a, &ipv6);
}

/* Are `a` and `b` the same in bits `from` to `to`, counted from the first? */
static bool bits_are_equal(const uint8_t *a, const uint8_t *b, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        if ((a[i / 8] ^ b[i / 8]) & (0x80 >> i % 8))
            return false;
    return true;
}

static bool parse_prefix(struct slice text, bool was_mapped, unsigned bits, uint8_t *prefix_out)
{
    uint64_t prefix;
    unsigned mapped_bits = was_mapped ? 8 * sizeof mapped_prefix : 0;
    if (text.size > 3 || !slice_to_number(text, &prefix) || prefix < mapped_bits || prefix - mapped_bits > bits)
        return false;
    *prefix_out = (uint8_t)(prefix - mapped_bits);
    return true;
}

bool network_parse(struct slice text, struct network *out)
{
    static const uint8_t zero[16];
    bool has_prefix = slice_has(text, '/');
    struct network parsed;
    if (!parse_as_written(slice_take_until(&text, '/'), &parsed.address))
        return false;
    bool was_mapped = unmap(&parsed.address);
    unsigned bits = family_bits(&parsed.address);
    parsed.prefix = (uint8_t)bits;
    if (has_prefix && !parse_prefix(text, was_mapped, bits, &parsed.prefix))
        return false;
    if (!bits_are_equal(parsed.address.bytes, zero, parsed.prefix, bits))
        return false;
    *out = parsed;
    return true;
}

bool network_equal(const struct network *a, const struct network *b)
{
    return a->prefix == b->prefix && ipaddr_equal(&a->address, &b->address);
}

/* Whole octets first: lists of thousands are gone through for each session. */
bool network_holds(const struct network *n, const struct ipaddr *a)
{
    unsigned octets = n->prefix / 8;
    return n->address.family == a->family && a->family != 0 && memcmp(n->address.bytes, a->bytes, octets) == 0 &&
           bits_are_equal(n->address.bytes, a->bytes, octets * 8, n->prefix);
}

struct network network_of(const struct ipaddr *a, unsigned prefix)
{
    struct network n = {.address = *a, .prefix = (uint8_t)(prefix < family_bits(a) ? prefix : family_bits(a))};
    for (unsigned octet = n.prefix / 8, keep = n.prefix % 8; octet < sizeof(n.address.bytes); octet++, keep = 0)
        n.address.bytes[octet] &= (uint8_t) ~(0xFFu >> keep);
    return n;
}

void network_print(const struct network *n, char text[NETWORK_TEXT_MAX])
{
    char address[IPADDR_TEXT_MAX];
    struct buffer to;
    ipaddr_print(&n->address, address);
    buffer_init(&to, text, NETWORK_TEXT_MAX);
    buffer_put_text(&to, address);
    if (n->prefix < family_bits(&n->address)) {
        buffer_put_char(&to, '/');
        buffer_put_number(&to, n->prefix, 1);
    }
    buffer_put_char(&to, '\0');
}

_Static_assert(sizeof(struct network) == sizeof(struct ipaddr) + 1, "no octet between that nobody has set");

struct slice network_octets(const struct network *n)
{
    return slice_make((const char *)n, sizeof(*n));
}
