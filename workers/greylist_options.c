/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "common/clock.h"

#include "workers/greylist_options.h"

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct greylist_options, common.mode), "off", MODE_CHOICES,
     "Whether who was never seen is put off (451 4.7.1). With watch all is remembered as with enforce, and nobody is put "
     "off: a good beginning."},
    {"key", OPTION_CHOICE, offsetof(struct greylist_options, key), "recipient", GREYLIST_KEY_CHOICES,
     "What has to come again. client: its network, with anything; sender: from the same sender; recipient: .. to the same "
     "recipient. Where SPF passes for the sender's domain, that stands in the network's place, so that large senders may "
     "come again from any of their addresses."},
    {"delay", OPTION_TIME, offsetof(struct greylist_options, delay_ms), "5m", "1s..1d",
     "How long after the first attempt one passes."},
    {"window", OPTION_TIME, offsetof(struct greylist_options, window_ms), "1d", "2s..30d",
     "How long after the first attempt one has to come, or it is the first again."},
    {"lifetime", OPTION_TIME, offsetof(struct greylist_options, lifetime_ms), "36d", "2s..365d",
     "How long who has passed is remembered, since it last came. 36d: also who writes once a month."},
    {"allow_after", OPTION_COUNT, offsetof(struct greylist_options, allow_after), "5", "0..1000",
     "After so many messages that were delivered, an hour apart at least, the client (its network, or the domain) is not "
     "put off any more, whoever writes to whom. 0: it always may be; also one that was spared for its good name, and so "
     "not seen here, for longer than lifetime, when that name has faded."},
    {"ipv4_prefix", OPTION_COUNT, offsetof(struct greylist_options, ipv4_prefix), "24", "8..32",
     "The length of the prefix that makes a client's network, of IPv4 addresses."},
    {"ipv6_prefix", OPTION_COUNT, offsetof(struct greylist_options, ipv6_prefix), "64", "16..128",
     "The same of IPv6 addresses."},
    {0},
};
/* clang-format on */

static bool check_options(struct config *config, const void *filled)
{
    const struct greylist_options *options = filled;
    if (clock_whole_s(options->delay_ms) >= clock_whole_s(options->window_ms))
        return config_refuse(config, filled, "delay", "is not less than window: nobody would ever pass");
    if (options->window_ms > options->lifetime_ms)
        return config_refuse(config, filled, "window", "is more than lifetime: who waited would be forgotten first");
    return true;
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
const struct block greylist_block = {
    .name = "greylist",
    .meaning = "Who was never seen comes again a little later. Needs the memory on disk: store { }.",
    .size = sizeof(struct greylist_options),
    .groups = groups,
    .check = check_options,
};

/* -- */

static const struct greylist_options *options_of(const struct policy *policy)
{
    int i = 0;
    while (check_table[i] != NULL && check_table[i]->options != &greylist_block)
        i++;
    return check_table[i] != NULL ? policy->check_options[i] : NULL;
}

/* Were there any? */
static bool add_prefixes(const struct block_list *policies, bool also_off, struct prefixes *to)
{
    bool any = false;
    for (size_t i = 0; i < policies->count; i++) {
        const struct policy *policy = block_at(policies, i);
        const struct greylist_options *options = options_of(policy);
        if (options == NULL || (!also_off && (options->common.mode == MODE_OFF || policy->mode == MODE_OFF)))
            continue;
        prefixes_add(to, 4, options->ipv4_prefix);
        prefixes_add(to, 6, options->ipv6_prefix);
        any = true;
    }
    return any;
}

struct prefixes greylist_prefixes(const struct block_list *policies)
{
    struct prefixes prefixes = {{false}, {false}};
    if (!add_prefixes(policies, false, &prefixes))
        add_prefixes(policies, true, &prefixes);
    return prefixes;
}
