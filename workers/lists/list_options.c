/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "workers/dns.h"
#include "workers/lists/list_options.h"
#include "workers/lists/reply_pattern.h"

/* -- what fits together -- */

static bool check_zone(struct config *config, const struct list *list)
{
    const char *zone = list_zone(list), *option = list->zone != NULL ? "zone" : "list";
    if (!dns_name_is_valid(slice_of(zone)) || zone[strlen(zone) - 1] == '.')
        return config_refuse(config, list, option, "'%s' is no zone; allowed: a domain name like zen.spamhaus.org, %s",
                             zone, "without a dot at its end");
    if (list->zone == NULL && strchr(zone, '.') == NULL)
        return config_refuse(config, list, option,
                             "'%s' has no dot; name the zone, or say zone = %s if that is all of it", zone, zone);
    return strlen(zone) <= LIST_ZONE_MAX ||
           config_refuse(config, list, option, "%zu characters leave no room for an address before it; at most %d",
                         strlen(zone), LIST_ZONE_MAX);
}

static bool check_replies(struct config *config, const struct list *list)
{
    if (list->replies.count == 0 && config_is_set(config, list, "replies"))
        return config_refuse(config, list, "replies", "an empty list: nothing would ever count; leave the option out");
    for (size_t i = 0; i < list->replies.count; i++)
        if (!reply_pattern_is_valid(slice_of(list->replies.items[i])))
            return config_refuse(config, list, "replies",
                                 "'%s' is no pattern; allowed: 127.0.0.2, 127.0.0.[2..11], \"127.0.[0..3].[1;3..5]\"",
                                 list->replies.items[i]);
    for (size_t i = 0; i < list->replies.count; i++)
        if (slice_starts_nocase(slice_of(list->replies.items[i]), "127.255.255."))
            return config_refuse(config, list, "replies",
                                 "'%s' is how lists say that they do not serve you; it never counts",
                                 list->replies.items[i]);
    return true;
}

/* An address and a name are asked in different ways: one zone seldom knows both. */
static bool check_of(struct config *config, const struct list *list)
{
    bool is_of_client = (list->of & LIST_OF_CLIENT) != 0;
    if (is_of_client && list->of != LIST_OF_CLIENT)
        return config_refuse(config, list, "of",
                             "a list of addresses is none of names; make two lists, one with the other's zone");
    if (is_of_client && !list->ipv4 && !list->ipv6)
        return config_refuse(config, list, "ipv6", "neither ipv4 nor ipv6: nobody would be asked about");
    const char *family = config_is_set(config, list, "ipv4")   ? "ipv4"
                         : config_is_set(config, list, "ipv6") ? "ipv6"
                                                               : NULL;
    return is_of_client || family == NULL || config_refuse(config, list, family, "goes with of = client");
}

static bool check_reply(struct config *config, const struct list *list)
{
    size_t size = list->reply != NULL ? strlen(list->reply) : 1;
    return (size >= 1 && size <= LIST_REPLY_MAX) ||
           config_refuse(config, list, "reply", "%zu characters; allowed: 1 to %d", size, LIST_REPLY_MAX);
}

static bool check_list(struct config *config, const void *filled)
{
    const struct list *list = filled;
    return check_zone(config, list) && check_replies(config, list) && check_of(config, list) &&
           check_reply(config, list);
}

/* What a list is worth, or does; a list that allows refuses nobody. */
static bool check_worth(struct config *config, const struct dnsbl_options *options, const struct list *list)
{
    enum list_action action = list_action(options, list);
    bool is_set = config_is_set(config, list, "score");
    if (action == LIST_SCORE && !is_set)
        return config_refuse(config, list, "score",
                             "is missing; say how many points it is worth, or action = defer, reject or drop");
    if (list->score < 0 && list->action > LIST_SCORE)
        return config_refuse(config, list, "action", "a list with a negative score allows; it refuses nobody");
    if (list->reply != NULL && (action == LIST_SCORE || list->score < 0))
        return config_refuse(config, list, "reply", "goes with action = defer, reject or drop");
    if (list->text && (action == LIST_SCORE || list->score < 0))
        return config_refuse(config, list, "text", "goes with action = defer, reject or drop");
    return true;
}

static bool check_dnsbl(struct config *config, const void *filled)
{
    const struct dnsbl_options *options = filled;
    if (options->lists.count > LISTS_MAX)
        return config_refuse(config, filled, "list", "%zu lists; at most %d in one policy", options->lists.count,
                             LISTS_MAX);
    for (size_t i = 0; i < options->lists.count; i++)
        if (!check_worth(config, options, block_at(&options->lists, i)))
            return false;
    return true;
}

/* -- options -- */

static bool take_name(const char *title, void *filled, const char **why_out)
{
    (void)filled;
    *why_out = "is no name of a list; allowed: 100 characters, no blanks";
    return strlen(title) <= LIST_NAME_MAX && strchr(title, ' ') == NULL;
}

/* clang-format off */
static const struct option list_rows[] = {
    {"zone", OPTION_TEXT, offsetof(struct list, zone), NULL, NULL,
     "The zone that is asked, where it is not the list's name. Several lists may have the same zone: it is asked once, and "
     "each has its own replies and score. A zone that holds a secret key is named here alone: nobody outside is told of it."},
    {"of", OPTION_CHOICES, offsetof(struct list, of), "client", LIST_OF_CHOICES,
     "What it is asked about. client: the address; helo: the name in EHLO or HELO; sender: the domain of MAIL FROM."},
    {"replies", OPTION_TEXTS, offsetof(struct list, replies), NULL, NULL,
     "The answers that count: 127.0.0.2, 127.0.0.[2..11], \"127.0.0.[2..4;7]\"; not set: any of 127.0.0.0/8 but 127.0.0.1, "
     "with which some lists turn an asker away. Never 127.255.255.0/24, nor what is outside 127.0.0.0/8: these are errors."},
    {"score", OPTION_POINTS, offsetof(struct list, score), "0", "1000",
     "The points of who is listed; added up over all lists, and over the other checks (defer_at, reject_at). Negative: a "
     "list of those who are known to be good; who is on one is not refused by the action of another list."},
    {"action", OPTION_CHOICE, offsetof(struct list, action), "inherit", LIST_ACTION_CHOICES,
     "What becomes of who is listed, besides the points. score: nothing more; defer: 451; reject: 554; drop: 554 and the "
     "end of it; inherit: what on_hit says."},
    {"reply", OPTION_TEXT, offsetof(struct list, reply), NULL, NULL,
     "What the client is told in place of `Refused: 192.0.2.1 is listed by NAME', where this list's action refuses it."},
    {"text", OPTION_FLAG, offsetof(struct list, text), "no", NULL,
     "Whether the list's own words (its TXT record) are asked for then, and told behind it."},
    {"ipv4", OPTION_FLAG, offsetof(struct list, ipv4), "yes", NULL,
     "Whether it is asked about clients with IPv4 addresses."},
    {"ipv6", OPTION_FLAG, offsetof(struct list, ipv6), "yes", NULL,
     "Whether it is asked about clients with IPv6 addresses."},
    {"self_test", OPTION_FLAG, offsetof(struct list, self_test), "yes", NULL,
     "Whether the list has the test entries of RFC 5782 section 5, by which the housekeeper finds out that it is broken "
     "(dnsbl_test_interval); a broken one is not asked."},
    {0},
};
static const struct option_group list_groups[] = {{list_rows, 0}, {NULL, 0}};
static const struct block list_block = {
    .name = "list",
    .meaning = "list NAME { .. }: a DNS list that is asked.",
    .size = sizeof(struct list),
    .titled = true,
    .groups = list_groups,
    .title_offset = offsetof(struct list, name),
    .take_title = take_name,
    .check = check_list,
};

static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct dnsbl_options, common.mode), "enforce", MODE_CHOICES,
     "Whether the lists count. Where none is named nothing is asked."},
    {"on_hit", OPTION_CHOICE, offsetof(struct dnsbl_options, on_hit), "score", LIST_ON_HIT_CHOICES,
     "What becomes of who is listed, where the list has no action of its own."},
    {"wait", OPTION_TIME, offsetof(struct dnsbl_options, wait_ms), "5s", "100ms..1m",
     "How long lists are waited for, at the banner, EHLO and MAIL each: all are asked at once. What has not answered by "
     "then counts nothing; one that did not answer its self-tests either is not waited for."},
    {"except", OPTION_NETWORKS, offsetof(struct dnsbl_options, except), NULL, NULL,
     "Clients about whom nothing is asked. Nor is it about those with local and private addresses, and about who was "
     "allowed or has logged in."},
    {"list", OPTION_BLOCK, offsetof(struct dnsbl_options, lists), .block = &list_block},
    {0},
};
/* clang-format on */
static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
const struct block dnsbl_block = {
    .name = "dnsbl",
    .meaning = "DNS lists of clients, HELO names and senders' domains: those that refuse, and those that allow.",
    .size = sizeof(struct dnsbl_options),
    .groups = groups,
    .check = check_dnsbl,
};

/* -- what they mean -- */

const char *list_zone(const struct list *list)
{
    return list->zone != NULL ? list->zone : list->name;
}

enum list_action list_action(const struct dnsbl_options *options, const struct list *list)
{
    if (list->score < 0)
        return LIST_SCORE;
    return list->action != LIST_INHERIT ? (enum list_action)list->action
                                        : (enum list_action)(options->on_hit + LIST_SCORE);
}

void list_of_words(const struct list *list, char text[LIST_OF_WORDS_MAX])
{
    static const char *const words[] = {"client", "helo", "sender"};
    int size = 0;
    text[0] = '\0';
    for (unsigned i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if ((list->of & 1u << i) != 0)
            size += snprintf(text + size, (size_t)(LIST_OF_WORDS_MAX - size), "%s%s", size > 0 ? "+" : "", words[i]);
}

uint64_t list_test_hash(const struct list *list)
{
    unsigned kind = list->of != LIST_OF_CLIENT ? 1 : list->ipv4 ? 2 : 3;
    return dnslist_hash(list_zone(list), kind);
}

uint64_t list_count_hash(const struct list *list)
{
    return dnslist_hash(list->name, 0);
}

static const struct dnsbl_options *options_of(const struct policy *policy)
{
    int i = 0;
    while (check_table[i] != NULL && check_table[i]->options != &dnsbl_block)
        i++;
    return check_table[i] != NULL ? policy->check_options[i] : NULL;
}

const struct list *lists_at(const struct block_list *policies, size_t i)
{
    for (size_t k = 0; k < policies->count; k++) {
        const struct policy *policy = block_at(policies, k);
        const struct dnsbl_options *options = options_of(policy);
        if (options == NULL || options->common.mode == MODE_OFF || policy->mode == MODE_OFF)
            continue;
        if (i < options->lists.count)
            return block_at(&options->lists, i);
        i -= options->lists.count;
    }
    return NULL;
}
