/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "workers/proxy_header.h"

enum { FIXED_BYTES = 16, SIGNATURE_BYTES = 12, TLV_BYTES = 3, LINE_LEAST = sizeof("PROXY UNKNOWN\r\n") - 1 };

static const char SIGNATURE[] = "\r\n\r\n\0\r\nQUIT\n";
static const char WORD[] = "PROXY ";

/* Is what is there of the beginning the beginning? */
static bool begins_as(struct slice octets, const char *beginning, size_t size)
{
    return memcmp(octets.at, beginning, octets.size < size ? octets.size : size) == 0;
}

/* -- version 1 -- */

static bool parse_address(struct slice text, bool is_ipv6, struct endpoint *out)
{
    out->kind = ENDPOINT_IP;
    return slice_has(text, ':') == is_ipv6 && ipaddr_parse(text, &out->address);
}

/* No zero leads it: an octal number, to some. */
static bool parse_port(struct slice text, struct endpoint *out)
{
    uint64_t port;
    if (!slice_to_number(text, &port) || port > UINT16_MAX || (text.at[0] == '0' && text.size > 1))
        return false;
    out->port = (uint16_t)port;
    return true;
}

static bool parse_ends(struct slice rest, bool is_ipv6, struct proxy_header *out)
{
    enum { FIELDS = 4 };
    struct slice fields[FIELDS];
    for (int i = 0; i < FIELDS; i++) {
        if (slice_has(rest, ' ') != (i < FIELDS - 1))
            return false;
        fields[i] = slice_take_until(&rest, ' ');
    }
    out->kind = PROXY_CLIENT;
    return parse_address(fields[0], is_ipv6, &out->client) && parse_address(fields[1], is_ipv6, &out->local) &&
           parse_port(fields[2], &out->client) && parse_port(fields[3], &out->local);
}

/* What stands between "PROXY " and CRLF. */
static bool parse_words(struct slice rest, struct proxy_header *out)
{
    bool alone = !slice_has(rest, ' ');
    struct slice protocol = slice_take_until(&rest, ' ');
    if (slice_equal(protocol, slice_of("UNKNOWN"))) {
        out->kind = PROXY_UNKNOWN; /* whatever follows */
        return true;
    }
    if (alone)
        return false;
    if (slice_equal(protocol, slice_of("TCP4")))
        return parse_ends(rest, false, out);
    return slice_equal(protocol, slice_of("TCP6")) && parse_ends(rest, true, out);
}

static size_t line_needs(struct slice octets)
{
    if (octets.size < LINE_LEAST)
        return LINE_LEAST - octets.size;
    return octets.at[octets.size - 1] == '\r' ? 1 : 2;
}

static enum proxy_progress parse_line(struct slice octets, struct proxy_header *out, size_t *count_out)
{
    enum { WORD_BYTES = sizeof(WORD) - 1 };
    if (!begins_as(octets, WORD, WORD_BYTES))
        return PROXY_BAD;
    size_t seen = octets.size < PROXY_LINE_MAX ? octets.size : PROXY_LINE_MAX;
    const char *lf = memchr(octets.at, '\n', seen);
    if (lf == NULL) {
        *count_out = line_needs(octets);
        return octets.size + *count_out > PROXY_LINE_MAX ? PROXY_BAD : PROXY_MORE;
    }
    size_t size = (size_t)(lf - octets.at) + 1;
    if (size < LINE_LEAST || lf[-1] != '\r')
        return PROXY_BAD;
    *count_out = size;
    return parse_words(slice_make(octets.at + WORD_BYTES, size - WORD_BYTES - 2), out) ? PROXY_DONE : PROXY_BAD;
}

static bool print_line(struct buffer *to, const struct endpoint *client, const struct endpoint *local)
{
    char from[IPADDR_TEXT_MAX], at[IPADDR_TEXT_MAX];
    ipaddr_print(&client->address, from);
    ipaddr_print(&local->address, at);
    return buffer_print(to, "PROXY TCP%c %s %s %u %u\r\n", client->address.family == 6 ? '6' : '4', from, at,
                        client->port, local->port);
}

/* -- version 2 -- */

static size_t number_at(struct slice octets, size_t at)
{
    return (size_t)(unsigned char)octets.at[at] << 8 | (unsigned char)octets.at[at + 1];
}

/* Nothing in them is of interest. */
static bool tlvs_are_whole(struct slice rest)
{
    while (rest.size > 0) {
        if (rest.size < TLV_BYTES || rest.size - TLV_BYTES < number_at(rest, 1))
            return false;
        slice_drop(&rest, TLV_BYTES + number_at(rest, 1));
    }
    return true;
}

static bool take_inet(struct slice block, uint8_t family, struct proxy_header *out)
{
    size_t size = family == 6 ? 16 : 4;
    out->kind = PROXY_CLIENT;
    out->client.kind = out->local.kind = ENDPOINT_IP;
    ipaddr_from_octets(&out->client.address, family, (const uint8_t *)block.at);
    ipaddr_from_octets(&out->local.address, family, (const uint8_t *)block.at + size);
    out->client.port = (uint16_t)number_at(block, 2 * size);
    out->local.port = (uint16_t)number_at(block, 2 * size + 2);
    return true;
}

static bool take_inet4(struct slice block, struct proxy_header *out)
{
    return take_inet(block, 4, out);
}

static bool take_inet6(struct slice block, struct proxy_header *out)
{
    return take_inet(block, 6, out);
}

static bool take_unknown(struct slice block, struct proxy_header *out)
{
    (void)block;
    out->kind = PROXY_UNKNOWN;
    return true;
}

/* Streams only: nobody speaks SMTP in datagrams. */
static const struct family {
    unsigned char code;
    size_t size; /* of its addresses */
    bool (*take)(struct slice block, struct proxy_header *out);
} FAMILIES[] = {
    {0x00, 0, take_unknown}, /* UNSPEC: what follows is nobody's business */
    {0x11, 12, take_inet4},
    {0x21, 36, take_inet6},
    {0x31, 216, take_unknown}, /* AF_UNIX */
};

static bool take_block(unsigned char code, struct slice block, struct proxy_header *out)
{
    for (size_t i = 0; i < sizeof(FAMILIES) / sizeof(*FAMILIES); i++) {
        const struct family *family = &FAMILIES[i];
        if (family->code != code)
            continue;
        struct slice tlvs = block;
        if (block.size < family->size)
            return false;
        slice_drop(&tlvs, family->size);
        return (family->size == 0 || tlvs_are_whole(tlvs)) && family->take(block, out);
    }
    return false;
}

enum command { COMMAND_LOCAL = 0x20, COMMAND_PROXY = 0x21 }; /* and the version */

static enum proxy_progress parse_binary(struct slice octets, struct proxy_header *out, size_t *count_out)
{
    if (!begins_as(octets, SIGNATURE, SIGNATURE_BYTES))
        return PROXY_BAD;
    unsigned char command = octets.size > SIGNATURE_BYTES ? (unsigned char)octets.at[SIGNATURE_BYTES] : COMMAND_PROXY;
    if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
        return PROXY_BAD;
    size_t length = octets.size >= FIXED_BYTES ? number_at(octets, FIXED_BYTES - 2) : 0;
    if (length > PROXY_LENGTH_MAX)
        return PROXY_BAD;
    if (octets.size < FIXED_BYTES + length) {
        *count_out = FIXED_BYTES + length - octets.size;
        return PROXY_MORE;
    }
    *count_out = FIXED_BYTES + length;
    if (command == COMMAND_LOCAL) {
        out->kind = PROXY_LOCAL; /* its family and addresses, if any, mean nothing */
        return PROXY_DONE;
    }
    struct slice block = slice_make(octets.at + FIXED_BYTES, length);
    return take_block((unsigned char)octets.at[SIGNATURE_BYTES + 1], block, out) ? PROXY_DONE : PROXY_BAD;
}

static bool print_fixed(struct buffer *to, enum command command, unsigned char family, size_t length)
{
    return buffer_put(to, slice_make(SIGNATURE, SIGNATURE_BYTES)) && buffer_put_char(to, (char)command) &&
           buffer_put_char(to, (char)family) && buffer_put_char(to, (char)(length >> 8)) &&
           buffer_put_char(to, (char)length);
}

static void print_port(struct buffer *to, uint16_t port)
{
    buffer_put_char(to, (char)(port >> 8));
    buffer_put_char(to, (char)port);
}

static bool print_binary(struct buffer *to, const struct endpoint *client, const struct endpoint *local)
{
    bool is_ipv6 = client->address.family == 6;
    size_t size = is_ipv6 ? 16 : 4;
    print_fixed(to, COMMAND_PROXY, is_ipv6 ? 0x21 : 0x11, 2 * size + 4);
    buffer_put(to, slice_make((const char *)client->address.bytes, size));
    buffer_put(to, slice_make((const char *)local->address.bytes, size));
    print_port(to, client->port);
    print_port(to, local->port);
    return !to->overflow;
}

/* -- both -- */

enum proxy_progress proxy_header_parse(struct slice octets, struct proxy_header *out, size_t *count_out)
{
    *out = (struct proxy_header){.kind = PROXY_UNKNOWN};
    *count_out = 0;
    if (octets.size == 0) {
        *count_out = LINE_LEAST;
        return PROXY_MORE;
    }
    return octets.at[0] == SIGNATURE[0] ? parse_binary(octets, out, count_out) : parse_line(octets, out, count_out);
}

bool proxy_header_print(struct buffer *to, enum proxy_version version, const struct endpoint *client,
                        const struct endpoint *local)
{
    struct endpoint at = *local;
    if (client->kind != ENDPOINT_IP)
        return false;
    if (local->kind != ENDPOINT_IP)
        at.port = 0;
    if (local->kind != ENDPOINT_IP || local->address.family != client->address.family)
        at.address = (struct ipaddr){.family = client->address.family};
    return version == PROXY_V1 ? print_line(to, client, &at) : print_binary(to, client, &at);
}

bool proxy_header_print_local(struct buffer *to)
{
    return print_fixed(to, COMMAND_LOCAL, 0x00, 0);
}
