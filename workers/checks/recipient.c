/* SPDX-License-Identifier: ISC
 *
 * recipient - what a recipient must be for the mail to be ours (L11): relaying is refused at the gate, whatever inside
 * would take it for.
 */
#include <stddef.h>

#include "workers/domain_list.h"
#include "workers/session.h"

static const struct reply REPLY_RELAY = REPLY(554, "5.7.1", "Relay access denied");

struct recipient_options {
    struct check_options common;
    struct text_list relay_domains;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct recipient_options, common.mode), "enforce", MODE_CHOICES,
     "Off or watch only as long as relay_domains is not set."},
    {"relay_domains", OPTION_TEXTS, offsetof(struct recipient_options, relay_domains), NULL, NULL,
     "The domains that mail is taken for; .example.org stands for all below it, * for every domain. Enforced wherever "
     "it is set, whatever the policy's mode. Not set: inside alone decides."},
    {0},
};
/* clang-format on */
static bool check_domains(struct config *config, const struct recipient_options *options)
{
    if (options->relay_domains.count == 0 && config_is_set(config, options, "relay_domains"))
        return config_refuse(config, options, "relay_domains",
                             "an empty list would take mail for every domain; name yours, or leave the option out");
    return domain_list_check(config, options, "relay_domains", &options->relay_domains);
}

static bool check_options(struct config *config, const void *filled)
{
    const struct recipient_options *options = filled;
    if (!check_domains(config, options))
        return false;
    if (options->relay_domains.count == 0 || options->common.mode == MODE_ENFORCE)
        return true;
    return config_refuse(
        config, filled, "mode",
        "relay_domains is enforced wherever it is set; say mode = enforce, or leave relay_domains out");
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "recipient",
    .meaning = "Which domains' recipients are taken. More is asked of them by mailbox { }.",
    .size = sizeof(struct recipient_options),
    .groups = groups,
    .check = check_options,
};

static struct verdict judge_rcpt(struct check_call *call)
{
    const struct recipient_options *options = call->options;
    const struct path *to = call->recipient;
    bool is_open = options->relay_domains.count == 0;
    if (is_open || to->domain.size == 0 || domain_list_holds(&options->relay_domains, to->domain))
        return VERDICT_NONE;
    note(call, "%.*s is not in relay_domains", SLICE_ARGS(to->domain));
    return (struct verdict){.action = ACTION_REJECT, .reply = REPLY_RELAY, .reason = "not in relay_domains"};
}

static bool stops_relaying(const void *options)
{
    const struct recipient_options *recipient = options;
    return recipient->relay_domains.count > 0;
}

extern const struct check check_recipient;
const struct check check_recipient = {
    .name = "recipient",
    .binds = BINDS_EVERYONE,
    .options = &block,
    .stops_relaying = stops_relaying,
    .judge = {[STAGE_RCPT] = judge_rcpt},
};
