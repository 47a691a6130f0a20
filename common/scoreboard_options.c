/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "common/scoreboard.h"
#include "common/scoreboard_options.h"

/* clang-format off */
static const struct option rows[] = {
    {"rates", OPTION_COUNT, offsetof(struct scoreboard_options, rates), "262144", "1024..67108864",
     "Entries of the table of rate limits: one for each limit and key that is not at rest; 8 octets each. When it is "
     "full the one that is nearest to rest goes. Cannot change while posternd runs."},
    {"reputations", OPTION_COUNT, offsetof(struct scoreboard_options, reputations), "131072", "1024..67108864",
     "Entries of the table of reputations: one for each network that was heard of lately; 8 octets each. Cannot change "
     "while posternd runs."},
    {"ipv4_prefix", OPTION_COUNT, offsetof(struct scoreboard_options, ipv4_prefix), "32", "8..32",
     "How many bits of an IPv4 address make the network that has a reputation."},
    {"ipv6_prefix", OPTION_COUNT, offsetof(struct scoreboard_options, ipv6_prefix), "64", "16..128",
     "The same of an IPv6 address."},
    {0},
};
/* clang-format on */

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
const struct block scoreboard_block = {
    .name = "scoreboard",
    .meaning = "What all workers remember together, and of whom.",
    .size = sizeof(struct scoreboard_options),
    .groups = groups,
};

struct network scoreboard_network(const struct scoreboard_options *options, const struct ipaddr *address)
{
    return network_of(address, (unsigned)(address->family == 4 ? options->ipv4_prefix : options->ipv6_prefix));
}

uint64_t scoreboard_reputation_of(const struct scoreboard *board, const struct network *network)
{
    return scoreboard_hash(board, slice_of("reputation"), network_octets(network));
}

uint64_t scoreboard_reputation_of_domain(const struct scoreboard *board, struct slice domain)
{
    return scoreboard_hash(board, slice_of("domain"), domain);
}
