/* SPDX-License-Identifier: ISC */
#include "workers/nowhere.h"

enum { ADDRESS_TYPES = 2, LINK_LOCAL_BITS = 0xC0, MULTICAST = 224 };
static const enum dns_type address_types[ADDRESS_TYPES] = {DNS_A, DNS_AAAA};

static bool holds_v4(const uint8_t *o)
{
    return o[0] == 0 || o[0] == 127 || (o[0] == 169 && o[1] == 254) || o[0] >= MULTICAST;
}

static bool holds_v6(const uint8_t *o)
{
    bool is_zero = true;
    for (int i = 0; i < 15; i++)
        is_zero = is_zero && o[i] == 0;
    bool is_link_local = o[0] == 0xFE && (o[1] & LINK_LOCAL_BITS) == 0x80;
    return (is_zero && o[15] <= 1) || is_link_local || o[0] == 0xFF;
}

bool nowhere_holds(const struct ipaddr *address)
{
    return address->family == 4 ? holds_v4(address->bytes) : holds_v6(address->bytes);
}

bool nowhere_holds_all(const struct lookup *addresses)
{
    for (int i = 0; i < addresses->count; i++)
        if (!nowhere_holds(&addresses->records[i].address))
            return false;
    return true;
}

enum nowhere nowhere_of_servers(struct lookups *l, const struct lookup *mx)
{
    const struct lookup *addresses[NOWHERE_SERVERS_MAX * ADDRESS_TYPES];
    int count = 0;
    bool failed = false;
    for (int i = 0; i < mx->count && i < NOWHERE_SERVERS_MAX; i++)
        for (int type = 0; type < ADDRESS_TYPES; type++)
            addresses[count++] = lookups_ask(l, LOOKUP_TRANSACTION, address_types[type], mx->records[i].name);
    for (int i = 0; i < count; i++) {
        failed = lookups_await(l, addresses[i]) == DNS_FAILED || failed;
        if (!nowhere_holds_all(addresses[i]))
            return NOWHERE_NOT;
    }
    if (mx->count > NOWHERE_SERVERS_MAX)
        return NOWHERE_NOT;
    return failed ? NOWHERE_UNKNOWN : NOWHERE_ALL;
}
