/* SPDX-License-Identifier: ISC
 *
 * limit_words - limits as people read them: in replies, in the log, and in posternctl's list.
 */
#ifndef POSTERN_WORKERS_LIMITS_LIMIT_WORDS_H
#define POSTERN_WORKERS_LIMITS_LIMIT_WORDS_H

#include "common/scoreboard.h"
#include "workers/limits/limit_options.h"

enum { LIMIT_RATE_WORDS_MAX = 48, LIMIT_PER_WORDS_MAX = 64, LIMIT_RULES_WORDS_MAX = 160, LIMIT_WAIT_WORDS_MAX = 24 };

const char *limit_of_words(const struct limit *limit);                           /* "connections" */
const char *limit_action_words(const struct limit *limit);                       /* "defer" */
void limit_per_words(const struct limit *limit, char text[LIMIT_PER_WORDS_MAX]); /* "client+login" */
/* "30/1m", or for -1 "20 at once" */
void limit_rate_words(const struct limit *limit, int rate, char text[LIMIT_RATE_WORDS_MAX]);
void limit_wait_words(int64_t ms, char text[LIMIT_WAIT_WORDS_MAX]); /* "24 s", "5 min", "3 h", rounded up */
void limit_name_words(const struct policy *policy, const struct limit *limit, char name[HIT_NAME_MAX]);

/* For posternctl limits: the i-th limit of a policy. False: there is none. */
struct limit_line {
    char name[HIT_NAME_MAX]; /* "inbound.rate", as in struct hit */
    const char *of;
    char per[LIMIT_PER_WORDS_MAX];
    char rate[LIMIT_RULES_WORDS_MAX]; /* "30/1m burst 10", "30/1m, 500/1d, 20 at once" */
    const char *action, *mode;        /* "enforce", capped by the policy's */
};
bool limits_describe(const struct policy *policy, size_t i, struct limit_line *out);

#endif
