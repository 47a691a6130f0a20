/* SPDX-License-Identifier: ISC
 *
 * limit_options - limit NAME { } in a policy: what is counted, for whom, how much of it is allowed, and what becomes of
 * who is over it.
 *
 * What does not fit together is refused when the configuration is loaded: a limit that could never be asked, or whose
 * key nobody knows when it is judged, would be one that an administrator relies on.
 */
#ifndef POSTERN_WORKERS_LIMITS_LIMIT_OPTIONS_H
#define POSTERN_WORKERS_LIMITS_LIMIT_OPTIONS_H

#include "common/config.h"
#include "workers/policy.h"

/* What is counted. */
enum limit_of {
    LIMIT_CONNECTIONS,
    LIMIT_MESSAGES,
    LIMIT_RECIPIENTS,
    LIMIT_BYTES,
    LIMIT_ERRORS,
    LIMIT_REFUSALS,
    LIMIT_AUTH_FAILURES,
    LIMIT_HANDSHAKES,
    LIMIT_OFS
};
#define LIMIT_OF_CHOICES "connections|messages|recipients|bytes|errors|refusals|auth_failures|handshakes"

/* For whom: as bits, in the order of LIMIT_PER_CHOICES. */
enum {
    PER_CLIENT = 1 << 0,
    PER_NETWORK = 1 << 1,
    PER_SENDER = 1 << 2,
    PER_SENDER_DOMAIN = 1 << 3,
    PER_LOGIN = 1 << 4,
    PER_RECIPIENT_DOMAIN = 1 << 5,
    PER_LISTENER = 1 << 6,
    LIMIT_PERS = 7
};
#define LIMIT_PER_CHOICES "client|network|sender|sender_domain|login|recipient_domain|listener"

enum limit_action { LIMIT_DELAY, LIMIT_THROTTLE, LIMIT_DEFER, LIMIT_REJECT, LIMIT_DROP };
#define LIMIT_ACTION_CHOICES "delay|throttle|defer|reject|drop"

enum {
    LIMITS_MAX = 64, /* of a policy: what was charged is remembered as a bit for each */
    LIMIT_RATES_MAX = 8,
    LIMIT_REPLY_MAX = 120,
    LIMIT_REASON_MAX = 64
};

struct limit {
    const char *name;
    char reason[LIMIT_REASON_MAX]; /* "limit NAME", for the log */
    int mode;                      /* enum mode */
    int of;                        /* enum limit_of */
    unsigned per;
    struct rate_list rates;
    int64_t burst;      /* 0: each rate's count */
    int64_t concurrent; /* 0: any number */
    int action;         /* enum limit_action */
    int64_t throttle;   /* bytes a second; 0: the rate itself is the pace */
    int64_t max_delay_ms;
    const char *reply; /* NULL: our own words */
    struct network_list except;
    int64_t ipv4_prefix, ipv6_prefix; /* 0: as `per` has it */
};

extern const struct block limit_block; /* titled */

bool limit_refuses(const struct limit *limit);               /* its action: defer, reject or drop */
struct rate limit_rate(const struct limit *limit, size_t i); /* with the limit's burst */
/* Which bits of an address make the key. */
unsigned limit_prefix(const struct limit *limit, const struct ipaddr *address);
/* Its column among the seats: its place among the policy's limits that have `concurrent`. */
int limit_column(const struct block_list *limits, size_t i);
/* Of all limits of a policy together; the policy's check calls it. */
bool limit_options_check(struct config *config, const void *policy, const struct block_list *limits);

#endif
