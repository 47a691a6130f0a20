/* SPDX-License-Identifier: ISC */
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "workers/rules.h"
#include "workers/service.h"

/* clang-format off */
const struct option session_option_rows[] = {
    {"backend", OPTION_REFERENCE, offsetof(struct session_options, backend), NULL, "backend",
     "The inside servers that get the sessions of this listener.", .required = true},
    {"policy", OPTION_REFERENCE, offsetof(struct session_options, policy), NULL, "policy",
     "The checks that its sessions pass.", .required = true},
    {"command_timeout", OPTION_TIME, offsetof(struct session_options, command_timeout_ms), "5m", "1s..1h",
     "How long a client may take for a whole command line (RFC 5321 asks for 5m)."},
    {"data_timeout", OPTION_TIME, offsetof(struct session_options, data_timeout_ms), "3m", "1s..1h",
     "How long a client may be silent while it sends a message, or fall behind min_data_rate."},
    {"min_data_rate", OPTION_SIZE, offsetof(struct session_options, min_data_rate), "500", "0..1G",
     "Octets a second that a client has to send of a message, on average: what it takes longer is taken off its "
     "data_timeout, which is given back as octets come. Time that the server needs does not count. 0: any octet gives "
     "all of it back."},
    {"message_timeout", OPTION_TIME, offsetof(struct session_options, message_timeout_ms), "1h", "1s..1d",
     "How long a message may take as a whole, from 354 to its end."},
    {"message_size_limit", OPTION_SIZE, offsetof(struct session_options, message_size_limit), "0", "0..1024G",
     "The largest message, in octets; 0: whatever inside takes. The smaller of this and inside's SIZE is offered and "
     "held."},
    {"max_recipients", OPTION_COUNT, offsetof(struct session_options, max_recipients), "1000", "100..100000",
     "Recipients of one message; more are answered 452 (RFC 5321 asks for 100 at least)."},
    {"max_errors", OPTION_COUNT, offsetof(struct session_options, max_errors), "20", "1..1000",
     "Malformed and misplaced commands in a session; then 421."},
    {"max_commands", OPTION_COUNT, offsetof(struct session_options, max_commands), "200", "10..100000",
     "Commands that bring no message forward (NOOP, RSET, refused recipients ..) between two messages; then 421."},
    {"stress_timeout", OPTION_TIME, offsetof(struct session_options, stress_timeout_ms), "10s", "0s..5m",
     "While four in five of max_workers are busy, or others wait for its place inside (max_sessions): how long a client "
     "may take for a command line or a TLS handshake, or fall behind min_data_rate, before it makes room for others "
     "(421). Then max_errors is 1 at most, too, and "
     "max_commands 10 where no recipient was accepted. 0s: stress changes nothing."},
    {"tarpit_share", OPTION_COUNT, offsetof(struct session_options, tarpit_share), "50", "0..100",
     "Percent of max_workers that may hold a client by delay at the same time; beyond that those held longest are let go "
     "with 421. While more than four in five of max_workers are busy it falls to nothing, and delays with it."},
    {"sessions_per_worker", OPTION_COUNT, offsetof(struct session_options, sessions_per_worker), "10000", "1..1000000000",
     "A worker leaves after so many sessions and is replaced."},
    {"received", OPTION_FLAG, offsetof(struct session_options, received), "yes", NULL,
     "Add a Received line to each message (RFC 5321 section 4.4)."},
    {"authentication_results", OPTION_FLAG, offsetof(struct session_options, authentication_results), "yes", NULL,
     "Add to each message what checks found of it, where they found anything (Authentication-Results, RFC 8601), and "
     "remove such fields of its header that claim to be ours. no: neither, as behind another gate that has done it."},
    {"authserv_id", OPTION_HOSTNAME, offsetof(struct session_options, authserv_id), NULL, NULL,
     "The name under which that is said, by which it is known inside; where it is not set: hostname."},
    {"received_spf", OPTION_FLAG, offsetof(struct session_options, received_spf), "no", NULL,
     "Add what SPF found as a Received-SPF field, too, for filters inside that read only that (RFC 7208 section 9.1)."},
    {"proxy_from", OPTION_NETWORKS, offsetof(struct session_options, proxy_from), NULL, NULL,
     "Load balancers that say who the client is, by a header of the PROXY protocol, version 1 or 2, before anything "
     "else. From them a connection without one is closed; from others none is taken."},
    {"xclient_from", OPTION_NETWORKS, offsetof(struct session_options, xclient_from), NULL, NULL,
     "Gates and filters that say by Postfix's XCLIENT command who the client is, and whom it logged in as. Who is "
     "listed may claim to be anybody."},
    {"xforward_from", OPTION_NETWORKS, offsetof(struct session_options, xforward_from), NULL, NULL,
     "Gates and filters that say by Postfix's XFORWARD command from whom they got a message. It is logged here, and "
     "passed on where inside offers XFORWARD; nobody is judged by it."},
    {"tls", OPTION_BLOCK, offsetof(struct session_options, tls), .block = &tls_server_block},
    {"auth", OPTION_BLOCK, offsetof(struct session_options, auth), .block = &auth_block},
    {0},
};
/* clang-format on */

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

/* Who must use TLS needs a listener that has it. */
static bool check_tls(struct config *config, const void *listener, const struct session_options *options)
{
    const char *who = rules_who_needs_tls(&options->policy->clients);
    if (who == NULL || options->tls.mode != TLS_MODE_NONE)
        return true;
    return config_refuse(config, listener, "policy",
                         "policy %s says client %s { tls = require }, but this listener has no TLS; "
                         "set tls { mode = may .. }",
                         options->policy->name, who);
}

/* Where AUTH needs TLS there must be TLS. */
static bool check_auth(struct config *config, const struct session_options *options)
{
    if (options->auth.mode == AUTH_MODE_NONE || options->auth.plaintext || options->tls.mode != TLS_MODE_NONE)
        return true;
    return config_refuse(
        config, &options->auth, "mode",
        "nobody could use AUTH, which needs TLS, and this listener has none: set up its tls { }, or say "
        "plaintext = yes (passwords can then be read on the way)");
}

bool service_check(struct config *config, const void *listener, const struct session_options *options)
{
    if (!check_tls(config, listener, options) || !check_auth(config, options))
        return false;
    const struct backend *backend = options->backend;
    if (backend->pass_client != PASS_CLIENT_NONE || policy_stops_relaying(options->policy))
        return true;
    for (size_t i = 0; i < backend->servers.count; i++) {
        const struct server *server = block_at(&backend->servers, i);
        if (would_be_trusted(&server->address))
            return config_refuse(config, listener, "backend",
                                 "backend %s has pass_client = none, and its server %s would take every client for a "
                                 "trusted host and relay for it; say in policy %s recipient { relay_domains = { .. } } "
                                 "which domains are yours (\"*\" means: I know), or use pass_client = xclient, "
                                 "proxy-v1 or proxy-v2",
                                 backend->name, server->name, options->policy->name);
    }
    return true;
}
