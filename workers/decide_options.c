/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "workers/address_list.h"
#include "workers/decide_options.h"

/* clang-format off */
const struct option decide_option_rows[] = {
    {"delay", OPTION_STEPS, offsetof(struct decide_options, delay), NULL, "1ms..10m",
     "How long a session is held before each answer, by the points that the checks gave it: { 2:2s, 5:10s } is 2 s from 2 "
     "points on and 10 s from 5 on. Clients of good reputation are not held."},
    {"defer_at", OPTION_COUNT, offsetof(struct decide_options, defer_at), "0", "0..1000000",
     "From so many points on a client is told to come back later (451). 0: never."},
    {"reject_at", OPTION_COUNT, offsetof(struct decide_options, reject_at), "0", "0..1000000",
     "From so many points on it is refused for good (554). 0: never."},
    {"decide", OPTION_CHOICE, offsetof(struct decide_options, decide), "rcpt", DECIDE_AT_CHOICES,
     "When a refusal is said that was found before RCPT. rcpt: to each recipient, so that some can be exempt and the log "
     "names those that were refused; before that all is well, and inside is not asked. connect: at once. What drops a "
     "client never waits."},
    {"exempt", OPTION_TEXTS, offsetof(struct decide_options, exempt), "postmaster", NULL,
     "Recipients that are not refused for what checks say, but for relay_domains and the hop limit: postmaster stands for "
     "it in every domain, abuse@example.org for one address, @example.org for all of a domain."},
    {0},
};
/* clang-format on */

bool decide_options_check(struct config *config, const void *policy, const struct decide_options *options)
{
    if (options->reject_at > 0 && options->reject_at < options->defer_at)
        return config_refuse(config, policy, "reject_at",
                             "%lld is less than defer_at, %lld: nobody would ever be deferred",
                             (long long)options->reject_at, (long long)options->defer_at);
    return address_list_check(config, policy, "exempt", &options->exempt);
}

bool decide_options_exempt(const struct decide_options *options, const struct path *recipient)
{
    return address_list_holds(&options->exempt, recipient);
}

int64_t decide_options_delay(const struct decide_options *options, int score)
{
    int64_t ms = 0;
    for (size_t i = 0; i < options->delay.count && options->delay.items[i].points <= score; i++)
        ms = options->delay.items[i].ms;
    return ms;
}
