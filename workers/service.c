/* SPDX-License-Identifier: ISC */
#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#include "workers/service.h"

/* Is it an address of the same network as one of this host's own? */
static bool shares_network(const struct ifaddrs *own, const struct ipaddr *address)
{
    size_t size = address->family == 6 ? 16 : 4;
    uint8_t bytes[16], mask[16];
    if (own->ifa_addr == NULL || own->ifa_netmask == NULL ||
        own->ifa_addr->sa_family != (address->family == 6 ? AF_INET6 : AF_INET))
        return false;
    if (address->family == 6) {
        memcpy(bytes, &((const struct sockaddr_in6 *)(const void *)own->ifa_addr)->sin6_addr, size);
        memcpy(mask, &((const struct sockaddr_in6 *)(const void *)own->ifa_netmask)->sin6_addr, size);
    } else {
        memcpy(bytes, &((const struct sockaddr_in *)(const void *)own->ifa_addr)->sin_addr, size);
        memcpy(mask, &((const struct sockaddr_in *)(const void *)own->ifa_netmask)->sin_addr, size);
    }
    for (size_t i = 0; i < size; i++) {
        if (((bytes[i] ^ address->bytes[i]) & mask[i]) != 0)
            return false;
    }
    return true;
}

static bool is_neighbour(const struct ipaddr *address)
{
    struct ifaddrs *all;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return true; /* not known: on the safe side */
    for (const struct ifaddrs *own = all; own != NULL && !found; own = own->ifa_next)
        found = shares_network(own, address);
    freeifaddrs(all);
    return found;
}

/* Would a mail server take a connection from here for one of its own (mynetworks, class R)? */
static bool would_be_trusted(const struct endpoint *server)
{
    return server->kind == ENDPOINT_UNIX || ipaddr_is_loopback(&server->address) || is_neighbour(&server->address);
}

bool service_check(struct config *config, const void *listener, const struct session_options *options)
{
    const struct backend *backend = options->backend;
    if (backend->pass_client != PASS_CLIENT_NONE || policy_stops_relaying(options->policy))
        return true;
    for (size_t i = 0; i < backend->servers.count; i++) {
        const struct server *server = block_at(&backend->servers, i);
        if (would_be_trusted(&server->address))
            return config_refuse(config, listener, "backend",
                                 "backend %s has pass_client = none, and its server %s would take every client for a "
                                 "trusted host and relay for it; say in policy %s recipient { relay_domains = { .. } } "
                                 "which domains are yours (\"*\" means: I know), or use pass_client = xclient",
                                 backend->name, server->name, options->policy->name);
    }
    return true;
}
