/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/scoreboard.h"

#include "workers/limits/limit_options.h"

/* -- what fits together -- */

enum { PER_ADDRESS = PER_CLIENT | PER_NETWORK, PER_ENDS = PER_ADDRESS | PER_LISTENER };

/* Who is known when that happens. The login of an AUTH that failed is nobody's: whoever could use it up would lock
 * others out. */
static const struct keys {
    unsigned per;
    const char *text;
} keys[LIMIT_OFS] = {
    [LIMIT_CONNECTIONS] = {PER_ENDS, "client, network, listener"},
    [LIMIT_MESSAGES] = {PER_ENDS | PER_SENDER | PER_SENDER_DOMAIN | PER_LOGIN,
                        "client, network, sender, sender_domain, login, listener"},
    [LIMIT_RECIPIENTS] = {PER_ENDS | PER_SENDER | PER_SENDER_DOMAIN | PER_LOGIN | PER_RECIPIENT_DOMAIN,
                          "client, network, sender, sender_domain, login, recipient_domain, listener"},
    [LIMIT_BYTES] = {PER_ENDS | PER_SENDER | PER_SENDER_DOMAIN | PER_LOGIN,
                     "client, network, sender, sender_domain, login, listener"},
    [LIMIT_ERRORS] = {PER_ENDS | PER_LOGIN, "client, network, login, listener"},
    [LIMIT_REFUSALS] = {PER_ENDS | PER_SENDER | PER_SENDER_DOMAIN | PER_LOGIN,
                        "client, network, sender, sender_domain, login, listener"},
    [LIMIT_AUTH_FAILURES] = {PER_ENDS, "client, network, listener"},
    [LIMIT_HANDSHAKES] = {PER_ENDS, "client, network, listener"},
};

static bool has_all(unsigned bits, unsigned all)
{
    return (bits & all) == all;
}

static bool check_keys(struct config *config, const struct limit *limit)
{
    if ((limit->per & ~keys[limit->of].per) != 0)
        return config_refuse(config, limit, "per", "not all of these are known when that is counted; allowed: %s",
                             keys[limit->of].text);
    if (has_all(limit->per, PER_CLIENT | PER_NETWORK))
        return config_refuse(config, limit, "per", "a client is in one network: say either; prefixes make it larger");
    if (has_all(limit->per, PER_SENDER | PER_SENDER_DOMAIN))
        return config_refuse(config, limit, "per", "a sender is in one domain: say either");
    if ((limit->per & PER_ADDRESS) != 0)
        return true;
    const char *prefix = config_is_set(config, limit, "ipv4_prefix")   ? "ipv4_prefix"
                         : config_is_set(config, limit, "ipv6_prefix") ? "ipv6_prefix"
                                                                       : NULL;
    return prefix == NULL || config_refuse(config, limit, prefix, "goes with per = client or network");
}

static bool check_concurrent(struct config *config, const struct limit *limit)
{
    if (limit->concurrent == 0 || limit->of == LIMIT_CONNECTIONS)
        return true;
    return config_refuse(config, limit, "concurrent", "goes with of = connections");
}

static bool check_rates(struct config *config, const struct limit *limit)
{
    if (limit->rates.count == 0 && limit->concurrent == 0)
        return config_refuse(config, limit, "rate", "is missing; say how many in what time, or concurrent");
    if (limit->rates.count > LIMIT_RATES_MAX)
        return config_refuse(config, limit, "rate", "%zu rates; at most %d in one limit", limit->rates.count,
                             LIMIT_RATES_MAX);
    if (limit->burst == 0)
        return true;
    if (limit->rates.count != 1)
        return config_refuse(config, limit, "burst", "goes with one rate; a limit for each window can have its own");
    struct rate rate = limit_rate(limit, 0);
    return rate_is_sane(&rate) ||
           config_refuse(config, limit, "burst", "so many take more than 62d at this rate; allowed: less");
}

bool limit_refuses(const struct limit *limit)
{
    return limit->action >= LIMIT_DEFER;
}

static bool check_action(struct config *config, const struct limit *limit)
{
    bool throttles = limit->action == LIMIT_THROTTLE, paces = throttles && limit->of == LIMIT_BYTES;
    if (throttles && !paces && limit->throttle == 0)
        return config_refuse(config, limit, "throttle", "is missing; say how many bytes a second, 2K");
    if (paces && limit->throttle != 0)
        return config_refuse(config, limit, "throttle", "of = bytes has its pace by rate");
    if (!throttles && limit->throttle != 0)
        return config_refuse(config, limit, "throttle", "goes with action = throttle");
    if (limit->action != LIMIT_DELAY && !paces && config_is_set(config, limit, "max_delay"))
        return config_refuse(config, limit, "max_delay", "goes with action = delay");
    return true;
}

static bool check_reply(struct config *config, const struct limit *limit)
{
    if (limit->reply == NULL)
        return true;
    if (!limit_refuses(limit))
        return config_refuse(config, limit, "reply", "goes with action = defer, reject or drop");
    size_t size = strlen(limit->reply);
    return (size >= 1 && size <= LIMIT_REPLY_MAX) ||
           config_refuse(config, limit, "reply", "%zu characters; allowed: 1 to %d", size, LIMIT_REPLY_MAX);
}

static bool check_limit(struct config *config, const void *filled)
{
    const struct limit *limit = filled;
    return check_concurrent(config, limit) && check_keys(config, limit) && check_rates(config, limit) &&
           check_action(config, limit) && check_reply(config, limit);
}

bool limit_options_check(struct config *config, const void *policy, const struct block_list *limits)
{
    size_t concurrent = 0;
    if (limits->count > LIMITS_MAX)
        return config_refuse(config, policy, "limit", "%zu limits; at most %d in one policy", limits->count,
                             LIMITS_MAX);
    for (size_t i = 0; i < limits->count; i++) {
        const struct limit *limit = block_at(limits, i);
        concurrent += limit->concurrent > 0;
        if (concurrent > SCOREBOARD_SEATS_MAX)
            return config_refuse(config, policy, "limit",
                                 "%s is one too many with `concurrent`; at most %d in one policy", limit->name,
                                 SCOREBOARD_SEATS_MAX);
    }
    return true;
}

/* -- options -- */

static bool take_name(const char *title, void *filled, const char **why_out)
{
    struct limit *limit = filled;
    int size = snprintf(limit->reason, sizeof(limit->reason), "limit %s", title);
    *why_out = "is too long for a limit's name; allowed: 50 characters, no blanks";
    return size <= 56 && strchr(title, ' ') == NULL;
}

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct limit, mode), "enforce", MODE_CHOICES,
     "watch: it only says in the log what it would do."},
    {"of", OPTION_CHOICE, offsetof(struct limit, of), NULL, LIMIT_OF_CHOICES,
     "What is counted. refusals: recipients and messages that were refused for good, but not by a limit. handshakes: of "
     "TLS. bytes: of messages, as they come.", true},
    {"per", OPTION_CHOICES, offsetof(struct limit, per), "client", LIMIT_PER_CHOICES,
     "For whom. What is not known yet, or not there (a login before AUTH, the sender <>), is not limited. client and "
     "network are addresses under a prefix."},
    {"rate", OPTION_RATES, offsetof(struct limit, rates), NULL, NULL,
     "How many in what time. Several are all held: { 30/1m, 500/1d }."},
    {"burst", OPTION_SIZE, offsetof(struct limit, burst), NULL, "1..100G",
     "How many at once; not set: as many as the rate's count. Only with one rate."},
    {"concurrent", OPTION_COUNT, offsetof(struct limit, concurrent), NULL, "1..65535",
     "How many at the same time. For connections only; eight such limits in one policy. One too many is refused at once, "
     "whatever decide says."},
    {"action", OPTION_CHOICE, offsetof(struct limit, action), "defer", LIMIT_ACTION_CHOICES,
     "What becomes of one too many. delay: its answer waits until it would be allowed, max_delay at most; throttle: the "
     "session goes on slowly, bytes at the pace of the rate; defer: 451; reject: 554; drop: 421, and the connection is "
     "closed."},
    {"throttle", OPTION_SIZE, offsetof(struct limit, throttle), NULL, "1..1G",
     "Bytes a second that are left to such a session, with action = throttle."},
    {"max_delay", OPTION_TIME, offsetof(struct limit, max_delay_ms), "30s", "1s..5m",
     "The longest delay, with action = delay."},
    {"reply", OPTION_TEXT, offsetof(struct limit, reply), NULL, NULL,
     "What the client is told in place of `Too many connections'; the limit's name and when to come back follow it."},
    {"except", OPTION_NETWORKS, offsetof(struct limit, except), NULL, NULL,
     "Clients that this limit leaves alone."},
    {"ipv4_prefix", OPTION_COUNT, offsetof(struct limit, ipv4_prefix), NULL, "1..32",
     "How many bits of an IPv4 address count; not set: 32 per client, 24 per network."},
    {"ipv6_prefix", OPTION_COUNT, offsetof(struct limit, ipv6_prefix), NULL, "1..128",
     "The same of an IPv6 address; not set: 64 per client, 48 per network."},
    {0},
};
/* clang-format on */
static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
const struct block limit_block = {
    .name = "limit",
    .meaning =
        "limit NAME { .. }: how much of something is allowed. Deferred attempts are given back, refused ones cost "
        "nothing.",
    .size = sizeof(struct limit),
    .titled = true,
    .groups = groups,
    .title_offset = offsetof(struct limit, name),
    .take_title = take_name,
    .check = check_limit,
};

/* -- what they mean -- */

struct rate limit_rate(const struct limit *limit, size_t i)
{
    struct rate rate = limit->rates.items[i];
    if (limit->burst > 0)
        rate.burst = limit->burst;
    if (!limit_refuses(limit)) /* whoever waits has his turn behind those who wait already */
        rate.excess_ms = limit->max_delay_ms;
    return rate;
}

unsigned limit_prefix(const struct limit *limit, const struct ipaddr *address)
{
    bool is_v4 = address->family == 4;
    int64_t own = is_v4 ? limit->ipv4_prefix : limit->ipv6_prefix;
    if (own > 0)
        return (unsigned)own;
    if ((limit->per & PER_NETWORK) != 0)
        return is_v4 ? 24 : 48;
    return is_v4 ? 32 : 64;
}

int limit_column(const struct block_list *limits, size_t i)
{
    int column = 0;
    for (size_t k = 0; k < i; k++) {
        const struct limit *limit = block_at(limits, k);
        column += limit->concurrent > 0;
    }
    return column;
}
