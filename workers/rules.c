/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/keyword.h"
#include "workers/rules.h"
#include "workers/service.h"

enum { TLS_INHERIT, TLS_REQUIRE };
enum { LIMITS_INHERIT, LIMITS_NO };
enum { DELAYS_INHERIT, DELAYS_NO };

/* What a client { } says. Zero is: as for everybody. */
struct client_rules {
    const char *title;
    struct network network;
    int bare_lf;
    struct text_list withhold;
    int tls, limits, delays;
    int64_t message_size_limit, max_recipients;
};

/* -- the names of what can be withheld -- */

static uint32_t bits_of(const char *name)
{
    if (strcmp(name, "AUTH") == 0)
        return KEYWORDS_AUTH;
    for (int i = 0; i < KEYWORDS; i++)
        if (strcmp(name, keyword_rows[i].text) == 0)
            return keyword_rows[i].bit;
    return 0;
}

static uint32_t all_bits(const struct text_list *names)
{
    uint32_t bits = 0;
    for (size_t i = 0; i < names->count; i++)
        bits |= bits_of(names->items[i]);
    return bits;
}

bool rules_check_names(struct config *config, const void *filled, const struct text_list *names)
{
    char known[256] = "AUTH";
    size_t size = strlen(known);
    for (int i = 0; i < KEYWORDS; i++)
        size += (size_t)snprintf(known + size, sizeof(known) - size, ", %s", keyword_rows[i].text);
    for (size_t i = 0; i < names->count; i++)
        if (bits_of(names->items[i]) == 0)
            return config_refuse(config, filled, "withhold", "'%s' is no EHLO keyword of ours; allowed: %s",
                                 names->items[i], known);
    return true;
}

/* -- options -- */

static bool take_network(const char *title, void *filled, const char **why_out)
{
    struct client_rules *rules = filled;
    *why_out = "is no address and no network; allowed: 192.0.2.1, 192.0.2.0/24, 2001:db8::/32, host bits zero";
    return network_parse(slice_of(title), &rules->network);
}

static bool check_client(struct config *config, const void *filled)
{
    const struct client_rules *rules = filled;
    if (!rules_check_names(config, filled, &rules->withhold))
        return false;
    if (rules->tls == TLS_REQUIRE && (all_bits(&rules->withhold) & KEYWORD_STARTTLS) != 0)
        return config_refuse(config, filled, "withhold", "STARTTLS cannot be withheld from who must use it (tls)");
    return true;
}

/* clang-format off */
static const struct option client_rows[] = {
    {"bare_lf", OPTION_CHOICE, offsetof(struct client_rules, bare_lf), "inherit", "inherit|reject|normalise",
     "As for the policy; inherit: what that says."},
    {"withhold", OPTION_TEXTS, offsetof(struct client_rules, withhold), NULL, NULL,
     "EHLO keywords that are withheld from these clients as well."},
    {"tls", OPTION_CHOICE, offsetof(struct client_rules, tls), "inherit", "inherit|require",
     "require: no mail without TLS, 530. The listener must have it (tls { mode = may })."},
    {"limits", OPTION_CHOICE, offsetof(struct client_rules, limits), "inherit", "inherit|no",
     "no: no limit of the policy applies to these clients."},
    {"delays", OPTION_CHOICE, offsetof(struct client_rules, delays), "inherit", "inherit|no",
     "no: these clients are never held by a delay, whatever checks say. What refuses still does."},
    {"message_size_limit", OPTION_SIZE, offsetof(struct client_rules, message_size_limit), NULL, "1..1024G",
     "The largest message of these clients, in place of the listener's."},
    {"max_recipients", OPTION_COUNT, offsetof(struct client_rules, max_recipients), NULL, "1..100000",
     "Recipients of one message of these clients, in place of the listener's."},
    {0},
};
static const struct option_group client_groups[] = {{client_rows, 0}, {NULL, 0}};
static const struct block client_block = {
    .name = "client",
    .meaning = "client 192.0.2.0/24 { .. }: those clients are dealt with otherwise. Of several networks that hold an "
               "address the smallest counts, alone.",
    .size = sizeof(struct client_rules),
    .titled = true,
    .groups = client_groups,
    .title_offset = offsetof(struct client_rules, title),
    .take_title = take_network,
    .check = check_client,
};

const struct option rules_option_rows[] = {
    {"bare_lf", OPTION_CHOICE, offsetof(struct client_options, bare_lf), "reject", "reject|normalise",
     "What becomes of a CR, LF or NUL that stands alone in a message. reject: 550, for the message. normalise: a LF "
     "alone is a line's end, a CR or NUL alone a blank. Neither ever ends a message."},
    {"withhold", OPTION_TEXTS, offsetof(struct client_options, withhold), NULL, NULL,
     "EHLO keywords that are neither offered nor understood, though we could: CHUNKING, DSN, STARTTLS, AUTH .."},
    {"client", OPTION_BLOCK, offsetof(struct client_options, clients), .block = &client_block},
    {0},
};
/* clang-format on */

const char *rules_who_needs_tls(const struct client_options *options)
{
    for (size_t i = 0; i < options->clients.count; i++) {
        const struct client_rules *rules = block_at(&options->clients, i);
        if (rules->tls == TLS_REQUIRE)
            return rules->title;
    }
    return NULL;
}

/* -- for one client -- */

static const struct client_rules *find(const struct block_list *clients, const struct endpoint *client)
{
    const struct client_rules *found = NULL;
    for (size_t i = 0; client->kind == ENDPOINT_IP && i < clients->count; i++) {
        const struct client_rules *rules = block_at(clients, i);
        bool is_closer = found == NULL || rules->network.prefix > found->network.prefix;
        if (is_closer && network_holds(&rules->network, &client->address))
            found = rules;
    }
    return found;
}

struct rules rules_for(const struct session_options *options, const struct endpoint *client)
{
    const struct client_options *all = &options->policy->clients;
    struct rules rules = {
        .mends = all->bare_lf == BARE_LF_NORMALISE,
        .withheld = all_bits(&all->withhold),
        .message_size_limit = options->message_size_limit,
        .max_recipients = options->max_recipients,
    };
    const struct client_rules *own = find(&all->clients, client);
    if (own == NULL)
        return rules;
    if (own->bare_lf > 0)
        rules.mends = own->bare_lf - 1 == BARE_LF_NORMALISE;
    rules.withheld |= all_bits(&own->withhold);
    rules.is_never_held = own->delays == DELAYS_NO;
    rules.requires_tls = own->tls == TLS_REQUIRE;
    rules.unlimited = own->limits == LIMITS_NO;
    if (own->message_size_limit > 0)
        rules.message_size_limit = own->message_size_limit;
    if (own->max_recipients > 0)
        rules.max_recipients = own->max_recipients;
    return rules;
}
