/* SPDX-License-Identifier: ISC
 *
 * Addresses, networks, endpoints, and names of sessions. An address is one where inet_pton says so, and printed as
 * inet_ntop does; what is taken is printed and read again the same; a network holds its own address and none that
 * differs in its prefix.
 */
#include <arpa/inet.h>
#include <string.h>

#include "common/net.h"
#include "common/session_id.h"
#include "tests/fuzz/target.h"

static const unsigned char MAPPED[12] = {[10] = 0xFF, [11] = 0xFF};

/* A copy with a NUL behind it; false: it has one within, or is too long for an address. */
static bool to_text(struct slice input, char *text, size_t size)
{
    if (input.size >= size || (input.size > 0 && memchr(input.at, '\0', input.size) != NULL))
        return false;
    if (input.size > 0)
        memcpy(text, input.at, input.size);
    text[input.size] = '\0';
    return true;
}

static void check_known(struct slice input, const struct ipaddr *address)
{
    char text[64], printed[IPADDR_TEXT_MAX], expected[INET6_ADDRSTRLEN];
    unsigned char octets[16];
    law(to_text(input, text, sizeof text), "an address of %zu octets", input.size);
    int family = inet_pton(AF_INET, text, octets) == 1 ? AF_INET : AF_INET6;
    law(family == AF_INET || inet_pton(AF_INET6, text, octets) == 1, "that is no address: %s", text);
    bool is_mapped = family == AF_INET6 && memcmp(octets, MAPPED, sizeof MAPPED) == 0;
    const unsigned char *at = is_mapped ? octets + sizeof MAPPED : octets;
    bool is_short = family == AF_INET || is_mapped;
    law(address->family == (is_short ? 4 : 6) && memcmp(address->bytes, at, is_short ? 4 : 16) == 0,
        "another address: %s", text);
    ipaddr_print(address, printed);
    inet_ntop(is_short ? AF_INET : AF_INET6, at, expected, sizeof expected);
    law(strcmp(printed, expected) == 0, "printed as %s, not as %s", printed, expected);
}

static void check_address(struct slice input)
{
    char text[64];
    unsigned char octets[16];
    struct ipaddr address = {0};
    if (ipaddr_parse(input, &address))
        check_known(input, &address);
    else
        law(!to_text(input, text, sizeof text) ||
                (inet_pton(AF_INET, text, octets) != 1 && inet_pton(AF_INET6, text, octets) != 1),
            "an address is refused: %s", text);
}

static void check_network(struct slice input)
{
    struct network network;
    if (!network_parse(input, &network))
        return;
    unsigned bits = network.address.family == 4 ? 32 : 128;
    law(network.address.family == 4 || network.address.family == 6, "a network of no family");
    law(network.prefix <= bits && network_holds(&network, &network.address), "a network that does not hold itself");
    for (unsigned bit = 0; bit < bits; bit++) {
        struct ipaddr other = network.address;
        unsigned char mask = (unsigned char)(0x80 >> bit % 8);
        law(bit < network.prefix || (other.bytes[bit / 8] & mask) == 0, "a host's bit in a network");
        other.bytes[bit / 8] ^= mask;
        law(network_holds(&network, &other) == (bit >= network.prefix), "a network of other bits than its prefix's");
    }
}

static void check_endpoint(struct slice input)
{
    struct endpoint endpoint, again;
    char printed[ENDPOINT_TEXT_MAX];
    const char *why = NULL;
    if (!endpoint_parse(input, &endpoint, &why)) {
        law(why != NULL, "refused, and not why");
        return;
    }
    law(endpoint.kind == ENDPOINT_IP || endpoint.kind == ENDPOINT_UNIX, "an endpoint of no kind");
    law(memchr(endpoint.path, '\0', sizeof endpoint.path) != NULL, "a path without end");
    endpoint_print(&endpoint, printed);
    law(endpoint_parse(slice_of(printed), &again, &why) && endpoint_equal(&endpoint, &again), "another endpoint: %s",
        printed);
}

static void check_session_id(struct slice input)
{
    uint64_t number;
    int slot;
    char printed[SESSION_ID_BYTES];
    if (!session_id_parse(input, &number, &slot))
        return;
    session_id_print(number, slot, printed);
    law(law_same(slice_of(printed), input), "another session: %s", printed);
}

FUZZ
{
    check_address(input);
    check_network(input);
    check_endpoint(input);
    check_session_id(input);
}
