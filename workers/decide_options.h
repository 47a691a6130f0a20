/* SPDX-License-Identifier: ISC
 *
 * decide_options - a policy's options for decide.h: what points lead to, when a refusal is said, and for whom none is.
 */
#ifndef POSTERN_WORKERS_DECIDE_OPTIONS_H
#define POSTERN_WORKERS_DECIDE_OPTIONS_H

#include "common/config.h"
#include "workers/smtp/address.h"

enum decide_at { DECIDE_AT_RCPT, DECIDE_AT_CONNECT };
#define DECIDE_AT_CHOICES "rcpt|connect"

struct decide_options {
    struct score_steps delay;
    int64_t defer_at, reject_at; /* points; 0: never */
    int decide;                  /* enum decide_at */
    struct text_list exempt;     /* "local", "local@domain", "@domain" */
};

extern const struct option decide_option_rows[]; /* fills that */
/* For a policy's check; `policy` is the filled block. */
bool decide_options_check(struct config *config, const void *policy, const struct decide_options *options);
bool decide_options_exempt(const struct decide_options *options, const struct path *recipient);
int64_t decide_options_delay(const struct decide_options *options, int score); /* in milliseconds */

#endif
