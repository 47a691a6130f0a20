/* SPDX-License-Identifier: ISC
 *
 * scoreboard_options - postern.conf's scoreboard { }: how much is remembered, and of whom.
 */
#ifndef POSTERN_COMMON_SCOREBOARD_OPTIONS_H
#define POSTERN_COMMON_SCOREBOARD_OPTIONS_H

#include "common/config.h"

struct scoreboard_options {
    int64_t rates, reputations;       /* entries; fixed while posternd runs */
    int64_t ipv4_prefix, ipv6_prefix; /* which addresses share a reputation */
};

extern const struct block scoreboard_block; /* fills struct scoreboard_options */

struct scoreboard;

/* The network that an address is remembered as. */
struct network scoreboard_network(const struct scoreboard_options *options, const struct ipaddr *address);
/* .. and where in the table of reputations that is. */
uint64_t scoreboard_reputation_of(const struct scoreboard *board, const struct network *network);
/* The same of a domain, as it stands in a key of the store (store_record.h): lower case, escaped, cut. */
uint64_t scoreboard_reputation_of_domain(const struct scoreboard *board, struct slice domain);

#endif
