/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "common/must.h"
#include "workers/limits/limit_options.h"
#include "workers/policy.h"
#include "workers/rules.h"

/* clang-format off */
static const struct option own_rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct policy, mode), "enforce", MODE_CHOICES,
     "watch: every check only says in the log what it would do; off: none is asked. What holds for everyone (hops, "
     "recipient) goes by its own mode."},
    {"on_unsure", OPTION_CHOICE, offsetof(struct policy, on_unsure), "pass", ON_UNSURE_CHOICES,
     "What happens when a check cannot find out (a service does not answer)."},
    {"limit", OPTION_BLOCK, offsetof(struct policy, limits), .block = &limit_block},
    {"stutter", OPTION_TIME, offsetof(struct policy, stutter_ms), "0s", "0s..10s",
     "A refusal of a bad client leaves an octet at a time, with such a pause between two (1s is usual); 0s: at once."},
    {"stutter_at", OPTION_COUNT, offsetof(struct policy, stutter_at), "10", "1..1000",
     "The score from which a client is bad enough for that; one whose network has a bad reputation is in any case."},
    {"throttle_in", OPTION_SIZE, offsetof(struct policy, throttle_in), "0", "0..1G",
     "Octets a second that are taken from a client, on average, in one session; 0: any number."},
    {"throttle_out", OPTION_SIZE, offsetof(struct policy, throttle_out), "0", "0..1G",
     "Octets a second that are sent to a client, on average, in one session; 0: any number."},
    {0},
};
/* clang-format on */

static bool check_policy(struct config *config, const void *filled)
{
    const struct policy *policy = filled;
    return rules_check_names(config, filled, &policy->clients.withhold) &&
           limit_options_check(config, filled, &policy->limits) &&
           decide_options_check(config, filled, &policy->decide);
}

const struct block *policy_block(void)
{
    static struct option check_rows[CHECKS_MAX + 1]; /* written once, before any process is forked */
    static const struct option_group groups[] = {{own_rows, 0},
                                                 {decide_option_rows, offsetof(struct policy, decide)},
                                                 {rules_option_rows, offsetof(struct policy, clients)},
                                                 {check_rows, 0},
                                                 {NULL, 0}};
    static const struct block block = {
        .name = "policy",
        .meaning = "A set of checks that the sessions of a listener pass.",
        .size = sizeof(struct policy),
        .titled = true,
        .needed = true,
        .groups = groups,
        .title_offset = offsetof(struct policy, name),
        .check = check_policy,
    };
    must(check_count() <= CHECKS_MAX);
    for (int i = 0, row = 0; i < check_count(); i++) {
        if (check_table[i]->options == NULL)
            continue;
        check_rows[row++] = (struct option){
            .name = check_table[i]->options->name,
            .type = OPTION_BLOCK_AT,
            .offset = offsetof(struct policy, check_options) + (size_t)i * sizeof(void *),
            .meaning = check_table[i]->options->meaning,
            .block = check_table[i]->options,
        };
    }
    return &block;
}

bool policy_stops_relaying(const struct policy *policy)
{
    for (int i = 0; check_table[i] != NULL; i++) {
        if (check_table[i]->stops_relaying != NULL && check_table[i]->stops_relaying(policy->check_options[i]))
            return true;
    }
    return false;
}

const char *policy_needs_store(const struct policy *policy, const void **filled_out)
{
    for (int i = 0; check_table[i] != NULL; i++) {
        *filled_out = policy->check_options[i];
        if (check_table[i]->needs_store == NULL || *filled_out == NULL)
            continue;
        const char *option = check_table[i]->needs_store(*filled_out);
        if (option != NULL)
            return option;
    }
    return NULL;
}
