/* SPDX-License-Identifier: ISC
 *
 * list_options - dnsbl { } in a policy, and its list NAME { }: which DNS lists are asked, of what, which of their
 * answers count, and for how much.
 *
 * The name is what a list is called before others: in replies, the log, posternctl. It is the zone as well, where that
 * is not said; where two lists have the same zone, it is asked once.
 */
#ifndef POSTERN_WORKERS_LISTS_LIST_OPTIONS_H
#define POSTERN_WORKERS_LISTS_LIST_OPTIONS_H

#include "common/dnslists.h"
#include "workers/policy.h"

/* What a list is asked of: as bits, in the order of LIST_OF_CHOICES. */
enum { LIST_OF_CLIENT = 1 << 0, LIST_OF_HELO = 1 << 1, LIST_OF_SENDER = 1 << 2 };
#define LIST_OF_CHOICES "client|helo|sender"

enum list_action { LIST_INHERIT, LIST_SCORE, LIST_DEFER, LIST_REJECT, LIST_DROP };
#define LIST_ACTION_CHOICES "inherit|score|defer|reject|drop"
#define LIST_ON_HIT_CHOICES "score|defer|reject|drop" /* enum list_action, without the first */

enum {
    LISTS_MAX = DNSLISTS_MAX,
    LIST_NAME_MAX = 100,
    LIST_REPLY_MAX = 120,
    LIST_ZONE_MAX = 185,
    LIST_OF_WORDS_MAX = 24
};

struct list {
    const char *name;
    const char *zone;         /* NULL: the name */
    struct text_list replies; /* reply_pattern.h; none: what no list says by mistake */
    int64_t score;
    int action;        /* enum list_action */
    unsigned of;       /* LIST_OF_.. */
    const char *reply; /* NULL: our own words */
    bool text;         /* its TXT goes with the reply */
    bool ipv4, ipv6;   /* clients of which family it is asked about */
    bool self_test;    /* it has the entries of RFC 5782 section 5 */
};

struct dnsbl_options {
    struct check_options common;
    int on_hit; /* LIST_ON_HIT_CHOICES */
    int64_t wait_ms;
    struct network_list except;
    struct block_list lists; /* struct list */
};

extern const struct block dnsbl_block;

const char *list_zone(const struct list *list);
enum list_action list_action(const struct dnsbl_options *options, const struct list *list); /* not LIST_INHERIT */
void list_of_words(const struct list *list, char text[LIST_OF_WORDS_MAX]);                  /* "helo+sender" */

/* Lists of addresses and of names are tested in different ways, and a zone may be both. */
uint64_t list_test_hash(const struct list *list);  /* its zone's, in the scoreboard's list_tests */
uint64_t list_count_hash(const struct list *list); /* its own, in list_counts */

/* The i-th of all lists of all policies (struct policy) whose mode is not off; NULL: there are no more. */
const struct list *lists_at(const struct block_list *policies, size_t i);

#endif
