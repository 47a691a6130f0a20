/* SPDX-License-Identifier: ISC
 *
 * policy - the configuration of a named set of checks.
 */
#ifndef POSTERN_WORKERS_POLICY_H
#define POSTERN_WORKERS_POLICY_H

#include "workers/check.h"
#include "workers/decide_options.h"

enum on_unsure { ON_UNSURE_PASS, ON_UNSURE_DEFER };
#define ON_UNSURE_CHOICES "pass|defer"

enum bare_lf { BARE_LF_REJECT, BARE_LF_NORMALISE };

/* How clients are dealt with; workers/rules.c reads it. */
struct client_options {
    int bare_lf; /* enum bare_lf */
    struct text_list withhold;
    struct block_list clients;
};

struct policy {
    const char *name;
    struct client_options clients;
    int mode;                          /* enum mode: caps the mode of every check but those that always hold */
    int on_unsure;                     /* enum on_unsure */
    int64_t stutter_ms;                /* between the octets of a refusal; 0 = never */
    int64_t stutter_at;                /* score */
    int64_t throttle_in, throttle_out; /* octets a second; 0 = any */
    struct block_list limits;          /* struct limit; limits/limit_options.h */
    struct decide_options decide;
    const void
        *check_options[CHECKS_MAX]; /* as in check_table; each begins with struct check_options; NULL: no block */
};

/* Does one of its checks refuse foreign recipients, whatever inside says (L11)? */
bool policy_stops_relaying(const struct policy *policy);

/* The first option that needs the memory on disk, of one of its checks; *filled_out is that one's block. NULL: none. */
const char *policy_needs_store(const struct policy *policy, const void **filled_out);

/* Titled; fills struct policy. Put together from check_table at the first call. */
const struct block *policy_block(void);

#endif
