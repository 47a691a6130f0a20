/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "workers/access/access_options.h"
#include "workers/consequence.h"
#include "workers/smtp/address.h"

static const char REPLY_REJECT[] = "Access denied", REPLY_DEFER[] = "Access denied for now, try again later";

#define LIST(name, of, action, meaning)                                                                                \
    {                                                                                                                  \
        name, OPTION_TEXTS, offsetof(struct access_options, lists[of][action]), NULL, NULL, meaning                    \
    }

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct access_options, common.mode), "enforce", MODE_CHOICES,
     "Whether the lists count."},
    LIST("allow", ACCESS_CLIENT, ACCESS_ALLOW,
     "Clients for whom policy ends: addresses, networks, host names (.example.org for all below it), or "
     "file:/etc/postern/friends, which holds one a line, as any item of these lists may. Of entries that hold a client "
     "the smallest network counts, of names the longest. A name is what DNS says of the address (PTR), if it leads back."),
    LIST("reject", ACCESS_CLIENT, ACCESS_REJECT,
     "Clients that are refused for good (554). Behind an item a reply of its own may stand: \"192.0.2.7 go away\"; in "
     "a file without the quotes."),
    LIST("defer", ACCESS_CLIENT, ACCESS_DEFER,
     "Clients that are told to come back later (450), as long as they are in it."),
    LIST("score", ACCESS_CLIENT, ACCESS_SCORE,
     "Clients that get points. Behind an item its own may stand, less than 0 for those who are trusted more: "
     "\"192.0.2.0/24 -3\"."),
    LIST("allow_helo", ACCESS_HELO, ACCESS_ALLOW,
     "The same by the name in HELO or EHLO: mail.example.org, .example.org for all below it, [192.0.2.1]. Anybody can "
     "say such a name."),
    LIST("reject_helo", ACCESS_HELO, ACCESS_REJECT, "Such names are refused."),
    LIST("defer_helo", ACCESS_HELO, ACCESS_DEFER, "Such names are told to come back later."),
    LIST("score_helo", ACCESS_HELO, ACCESS_SCORE, "Such names get points."),
    LIST("allow_sender", ACCESS_SENDER, ACCESS_ALLOW,
     "Senders whose messages no check refuses: ann@example.org, example.org for all addresses in it, .example.org for "
     "the domains below it, ann@ in any domain, <> for the null sender. Anybody can say such a sender."),
    LIST("reject_sender", ACCESS_SENDER, ACCESS_REJECT, "Such senders are refused."),
    LIST("defer_sender", ACCESS_SENDER, ACCESS_DEFER, "Such senders are told to come back later."),
    LIST("score_sender", ACCESS_SENDER, ACCESS_SCORE, "Such senders get points."),
    LIST("allow_recipient", ACCESS_RECIPIENT, ACCESS_ALLOW,
     "Recipients for whom policy ends, written as senders are."),
    LIST("reject_recipient", ACCESS_RECIPIENT, ACCESS_REJECT, "Such recipients are refused, but to clients that are allowed."),
    LIST("defer_recipient", ACCESS_RECIPIENT, ACCESS_DEFER, "Such recipients are deferred."),
    LIST("score_recipient", ACCESS_RECIPIENT, ACCESS_SCORE, "Such recipients are worth points to who writes to them."),
    {"points", OPTION_COUNT, offsetof(struct access_options, points), "5", "1..1000",
     "What an item of a score list is worth that does not say it."},
    {"reply", OPTION_TEXT, offsetof(struct access_options, reply), REPLY_REJECT, NULL,
     "What is said to who is rejected, where the item does not say it."},
    {"reply_later", OPTION_TEXT, offsetof(struct access_options, reply_later), REPLY_DEFER, NULL,
     "What is said to who is deferred, where the item does not say it."},
    {0},
};
/* clang-format on */

static const char *const NAMES[ACCESS_OFS][ACCESS_ACTIONS] = {
    [ACCESS_CLIENT] = {"allow", "reject", "defer", "score"},
    [ACCESS_HELO] = {"allow_helo", "reject_helo", "defer_helo", "score_helo"},
    [ACCESS_SENDER] = {"allow_sender", "reject_sender", "defer_sender", "score_sender"},
    [ACCESS_RECIPIENT] = {"allow_recipient", "reject_recipient", "defer_recipient", "score_recipient"},
};

const char *access_list_name(enum access_of of, enum access_action action)
{
    return NAMES[of][action];
}

const char *access_file_of(const char *item)
{
    static const char scheme[] = "file:";
    return strncmp(item, scheme, sizeof(scheme) - 1) == 0 ? item + sizeof(scheme) - 1 : NULL;
}

/* -- an item -- */

static bool is_domain(struct slice text)
{
    if (text.size > 2 && text.at[0] == '[')
        return text.at[text.size - 1] == ']';
    return text.size <= DOMAIN_MAX_OCTETS && domain_is_valid(text);
}

/* A domain, .domain, or [address]; a dot at its end goes. */
static bool take_domain(struct slice word, struct slice *name_out)
{
    struct slice domain = word;
    if (domain.size > 1 && domain.at[0] == '.')
        slice_drop(&domain, 1);
    if (!is_domain(domain))
        return false;
    *name_out = slice_without_dot(word);
    return name_out->size > 0;
}

static bool local_is_valid(struct slice local)
{
    char text[PATH_MAX_OCTETS];
    struct buffer to;
    struct path path;
    buffer_init(&to, text, sizeof(text));
    bool fits = buffer_put_char(&to, '<') && buffer_put(&to, local) && buffer_put_text(&to, "@example.org>");
    struct slice whole = buffer_unread(&to);
    return fits && local.size > 0 && local.at[0] != '"' && path_parse(&whole, false, &path) == PATH_FINE &&
           whole.size == 0 && slice_equal(path.local, local) && !path.has_route;
}

/* What is no network, but looks as if it should be one, is no name. */
static bool parse_client(struct slice word, struct access_item *out)
{
    uint64_t number;
    struct slice rest = word, label = word;
    out->is_network = network_parse(word, &out->network);
    if (out->is_network)
        return true;
    while (rest.size > 0)
        label = slice_take_until(&rest, '.');
    return word.at[0] != '[' && !slice_to_number(label, &number) && take_domain(word, &out->name);
}

static bool parse_helo(struct slice word, struct access_item *out)
{
    return take_domain(word, &out->name);
}

/* Split at the last @. */
static bool parse_address(struct slice word, struct access_item *out)
{
    struct slice local = word;
    while (local.size > 0 && local.at[local.size - 1] != '@')
        local.size--;
    if (local.size == 0)
        return take_domain(word, &out->name);
    struct slice domain = slice_make(word.at + local.size, word.size - local.size);
    local.size--;
    if (domain.size > 0 && (domain.at[0] == '.' || !take_domain(domain, &domain)))
        return false;
    out->name = local.size > 0 ? slice_make(word.at, local.size + 1 + domain.size) : domain;
    return out->name.size > 0 && (local.size == 0 || local_is_valid(local));
}

static bool parse_sender(struct slice word, struct access_item *out)
{
    out->name = word;
    return slice_equal(word, slice_of("<>")) || parse_address(word, out);
}

static const struct {
    bool (*parse)(struct slice word, struct access_item *out);
    const char *wrong, *allowed;
} kinds[ACCESS_OFS] = {
    [ACCESS_CLIENT] = {parse_client, "is no address, network or host name",
                       "192.0.2.1, 192.0.2.0/24, 2001:db8::/32, with no bit set behind the prefix, mail.example.org, "
                       ".example.org for all below it"},
    [ACCESS_HELO] = {parse_helo, "is no name", "mail.example.org, .example.org for all below it, [192.0.2.1]"},
    [ACCESS_SENDER] = {parse_sender, "is no address and no domain",
                       "ann@example.org, example.org, .example.org for the domains below it, ann@ in any domain, <>"},
    [ACCESS_RECIPIENT] = {parse_address, "is no address and no domain",
                          "ann@example.org, example.org, .example.org for the domains below it, ann@ in any domain"},
};

static bool is_number_of_points(struct slice text)
{
    uint64_t number;
    if (text.size > 1 && text.at[0] == '-')
        slice_drop(&text, 1);
    return slice_to_number(text, &number) && number <= ACCESS_POINTS_MAX;
}

static const char *check_rest(enum access_action action, struct slice rest, const char **allowed_out)
{
    if (rest.size == 0)
        return NULL;
    if (action == ACCESS_ALLOW) {
        *allowed_out = "nothing behind an item of an allow list but a # and a comment";
        return "has more behind it";
    }
    *allowed_out = "points from -1000 to 1000 behind an item of a score list";
    if (action == ACCESS_SCORE)
        return is_number_of_points(rest) ? NULL : "has more than points behind it";
    *allowed_out = "a reply of 200 characters at most behind an item";
    return rest.size <= CONSEQUENCE_TEXT_MAX ? NULL : "has too long a reply behind it";
}

const char *access_item_parse(enum access_of of, enum access_action action, struct slice word, struct slice rest,
                              struct access_item *out, const char **allowed_out)
{
    *out = (struct access_item){.rest = rest};
    *allowed_out = kinds[of].allowed;
    if (word.size == 0 || !kinds[of].parse(word, out))
        return kinds[of].wrong;
    return check_rest(action, rest, allowed_out);
}

int access_points_of(const char *rest)
{
    return (int)strtol(rest, NULL, 10);
}

/* -- what stands in the configuration -- */

static bool check_item(struct config *config, const void *filled, enum access_of of, enum access_action action,
                       const char *text)
{
    struct access_item item;
    const char *file = access_file_of(text), *wrong, *allowed;
    struct slice rest = slice_of(text), word = slice_take_word(&rest);
    if (file != NULL)
        return file[0] == '/' || config_refuse(config, filled, NAMES[of][action],
                                               "'%s' does not name a file by its whole path; allowed: "
                                               "file:/etc/postern/friends",
                                               text);
    wrong = access_item_parse(of, action, word, slice_trim(rest), &item, &allowed);
    return wrong == NULL || config_refuse(config, filled, NAMES[of][action],
                                          "'%s' %s; allowed: %s, or file:/etc/postern/friends", text, wrong, allowed);
}

static bool check_options(struct config *config, const void *filled)
{
    const struct access_options *options = filled;
    for (int of = 0; of < ACCESS_OFS; of++)
        for (int action = 0; action < ACCESS_ACTIONS; action++) {
            const struct text_list *list = &options->lists[of][action];
            for (size_t i = 0; i < list->count; i++)
                if (!check_item(config, filled, (enum access_of)of, (enum access_action)action, list->items[i]))
                    return false;
        }
    return consequence_check_text(config, filled, "reply", options->reply) &&
           consequence_check_text(config, filled, "reply_later", options->reply_later);
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
const struct block access_block = {
    .name = "access",
    .meaning = "Who is let in, refused, deferred or given points whatever the rest of the policy says: by lists.",
    .size = sizeof(struct access_options),
    .groups = groups,
    .check = check_options,
};
