/* SPDX-License-Identifier: ISC
 *
 * greylist_options - greylist { } in a policy: what has to come again, when, and which networks of clients are one.
 */
#ifndef POSTERN_WORKERS_GREYLIST_OPTIONS_H
#define POSTERN_WORKERS_GREYLIST_OPTIONS_H

#include "common/prefixes.h"

#include "workers/policy.h"

enum greylist_key { KEY_CLIENT, KEY_SENDER, KEY_RECIPIENT };
#define GREYLIST_KEY_CHOICES "client|sender|recipient"

struct greylist_options {
    struct check_options common;
    int key; /* enum greylist_key */
    int64_t delay_ms, window_ms, lifetime_ms, allow_after;
    int64_t ipv4_prefix, ipv6_prefix;
};

extern const struct block greylist_block;

/* The lengths of the clients' networks in keys: those of all policies (struct policy) that have a greylist; where none
 * has one, those that it would have. */
struct prefixes greylist_prefixes(const struct block_list *policies);

#endif
