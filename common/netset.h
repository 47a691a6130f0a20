/* SPDX-License-Identifier: ISC
 *
 * netset - a compiled set of networks, IPv4 and IPv6, with a value behind each: of those that hold an address the
 * longest prefix counts, and of equal ones the one that was added first.
 *
 * Compiled it is sorted starts of pieces of the address space, in one sealed region that is read-only for everybody
 * (region_freeze): a look is a search in it, and takes no lock, no memory and no system call. A million networks are 8
 * to 17 MiB of IPv4, 40 MiB of IPv6. Whoever fills one may be out of memory; whoever asks cannot fail.
 */
#ifndef POSTERN_COMMON_NETSET_H
#define POSTERN_COMMON_NETSET_H

#include "common/ipaddr.h"

#define NETSET_NONE UINT32_MAX /* is no value */

/* What was added so far: in plain memory. Zero: nothing. */
struct netset_pile {
    struct netset_item *items;
    size_t count, room;
};
struct netset_draft {
    struct netset_pile ipv4, ipv6;
};

/* Zero: holds nothing. */
struct netset {
    const void *memory;
    size_t size;
    const struct netset_head *head;
};

bool netset_add(struct netset_draft *draft, const struct network *network, uint32_t value); /* false: no memory */
/* Clears the draft, whatever comes of it. False with errno: *set_out is zero. */
bool netset_compile(struct netset_draft *draft, struct netset *set_out);
void netset_clear_draft(struct netset_draft *draft);
void netset_clear(struct netset *set);

uint32_t netset_find(const struct netset *set, const struct ipaddr *address); /* NETSET_NONE: in none of them */

#endif
