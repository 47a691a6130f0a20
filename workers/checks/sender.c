/* SPDX-License-Identifier: ISC
 *
 * sender - can the sender's domain be written to? One that is not in DNS, takes no mail (RFC 7505) or leads nowhere
 * cannot hear of a bounce, and who sends in its name does not want to be found. <> is no domain's, and passes.
 *
 * Names that are not ASCII are not asked for: that would take their A-labels.
 */
#include <stddef.h>
#include <stdio.h>

#include "workers/consequence.h"
#include "workers/domain_list.h"
#include "workers/nowhere.h"
#include "workers/session.h"

static const struct finding UNKNOWN = {REPLY(550, "5.1.8", "The sender's domain is not in DNS, or takes no mail there"),
                                       "unknown sender domain"};
static const struct finding NO_DOMAIN = {REPLY(550, "5.1.8", "The sender's address needs a full domain"),
                                         "no sender domain"};
static const struct finding NULL_MX = {REPLY(550, "5.7.27", "The sender's domain takes no mail (null MX)"),
                                       "null MX of the sender domain"};
static const struct finding NOWHERE = {REPLY(550, "5.1.8", "The mail servers of the sender's domain lead nowhere"),
                                       "sender domain leads nowhere"};
static const struct finding OWN = {REPLY(550, "5.7.1", "Mail of this domain does not come from there"),
                                   "own domain of a stranger"};
static const struct finding LITERAL = {REPLY(550, "5.7.1", "The sender's address needs a domain"),
                                       "address literal of the sender"};

struct sender_options {
    struct check_options common;
    int unknown, null_mx, nowhere, own, literal; /* enum consequence */
    int64_t score;
    struct text_list own_domains;
    const char *reply;
    struct network_list except;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct sender_options, common.mode), "off", MODE_CHOICES,
     "Whether the sender's domain is asked for."},
    {"unknown", OPTION_CHOICE, offsetof(struct sender_options, unknown), "reject", CONSEQUENCE_CHOICES,
     "What follows where it has no MX, A or AAAA record, or is no full domain (450 4.1.8, 550 5.1.8)."},
    {"null_mx", OPTION_CHOICE, offsetof(struct sender_options, null_mx), "reject", CONSEQUENCE_CHOICES,
     "What follows where it says that it takes no mail (RFC 7505; 550 5.7.27)."},
    {"nowhere", OPTION_CHOICE, offsetof(struct sender_options, nowhere), "accept", CONSEQUENCE_CHOICES,
     "What follows where its mail servers have no address, or none that is anybody's: 127.0.0.1, 0.0.0.0. accept: they "
     "are not asked for."},
    {"own_domains", OPTION_TEXTS, offsetof(struct sender_options, own_domains), NULL, NULL,
     "Domains whose mail comes from who logged in, was allowed or is excepted, and from nobody else; .example.org stands "
     "for all below it. Forwarders and lists that keep the sender do not know that."},
    {"own", OPTION_CHOICE, offsetof(struct sender_options, own), "reject", CONSEQUENCE_CHOICES,
     "What follows where a stranger sends in the name of one of them."},
    {"literal", OPTION_CHOICE, offsetof(struct sender_options, literal), "accept", CONSEQUENCE_CHOICES,
     "What follows where it is an address in brackets."},
    {"score", OPTION_COUNT, offsetof(struct sender_options, score), "4", SCORE_ALLOWED,
     "The points that each of them is worth, with score."},
    {"reply", OPTION_TEXT, offsetof(struct sender_options, reply), NULL, NULL,
     "The text of the refusal, in place of our own."},
    {"except", OPTION_NETWORKS, offsetof(struct sender_options, except), NULL, NULL,
     "Clients whose senders are not judged."},
    {0},
};
/* clang-format on */

static bool check_options(struct config *config, const void *filled)
{
    const struct sender_options *options = filled;
    return domain_list_check(config, filled, "own_domains", &options->own_domains) &&
           consequence_check_text(config, filled, "reply", options->reply);
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "sender",
    .meaning = "The domain of the sender (MAIL FROM).",
    .size = sizeof(struct sender_options),
    .groups = groups,
    .check = check_options,
};

static struct verdict follow(const struct check_call *call, const struct finding *finding, int consequence)
{
    const struct sender_options *options = call->options;
    return consequence_of(finding, consequence, options->score, options->reply);
}

/* -- the domain -- */

static struct slice domain_of(const struct check_call *call)
{
    return slice_without_dot(call->session->transaction.sender.domain);
}

static bool is_judged(const struct check_call *call)
{
    const struct sender_options *options = call->options;
    return !call->session->transaction.sender.is_null && !session_client_is_in(call->session, &options->except);
}

static bool is_literal(struct slice domain)
{
    return domain.size > 0 && domain.at[0] == '[';
}

static bool can_be_asked(struct slice domain)
{
    return dns_name_is_valid(domain) && slice_has(domain, '.');
}

/* What its mail goes to: MX, and where there is none, as few have it, the domain itself (RFC 5321 section 5.1). */
static const struct lookup *ask_for(const struct check_call *call, enum dns_type type)
{
    char name[DNS_NAME_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", SLICE_ARGS(domain_of(call)));
    return lookups_ask(call->lookups, LOOKUP_TRANSACTION, type, name);
}

static bool is_null_mx(const struct lookup *mx)
{
    return mx->count == 1 && mx->records[0].name[0] == '\0';
}

/* -- verdicts -- */

static struct verdict unsure(struct check_call *call)
{
    note(call, "%.*s: no answer", SLICE_ARGS(domain_of(call)));
    return (struct verdict){.unsure = true, .reason = "no answer to the sender domain"};
}

static struct verdict judge_places(struct check_call *call, enum nowhere where, const char *what)
{
    const struct sender_options *options = call->options;
    if (where == NOWHERE_UNKNOWN)
        return unsure(call);
    note(call, "%.*s has %s%s", SLICE_ARGS(domain_of(call)), what, where == NOWHERE_ALL ? ", which lead nowhere" : "");
    return where == NOWHERE_ALL ? follow(call, &NOWHERE, options->nowhere) : VERDICT_NONE;
}

static struct verdict judge_mx(struct check_call *call, const struct lookup *mx)
{
    const struct sender_options *options = call->options;
    if (is_null_mx(mx)) {
        note(call, "%.*s has a null MX", SLICE_ARGS(domain_of(call)));
        return follow(call, &NULL_MX, options->null_mx);
    }
    enum nowhere where = NOWHERE_NOT;
    if (options->nowhere != ACCEPTS)
        where = nowhere_of_servers(call->lookups, mx);
    return judge_places(call, where, "MX");
}

static struct verdict judge_host(struct check_call *call)
{
    const struct sender_options *options = call->options;
    const struct lookup *by_a = ask_for(call, DNS_A), *by_aaaa = ask_for(call, DNS_AAAA);
    enum dns_status a = lookups_await(call->lookups, by_a), aaaa = lookups_await(call->lookups, by_aaaa);
    if (a == DNS_FOUND || aaaa == DNS_FOUND) {
        bool leads_nowhere = options->nowhere != ACCEPTS && nowhere_holds_all(by_a) && nowhere_holds_all(by_aaaa) &&
                             a != DNS_FAILED && aaaa != DNS_FAILED;
        return judge_places(call, leads_nowhere ? NOWHERE_ALL : NOWHERE_NOT, "addresses and no MX");
    }
    if (a == DNS_FAILED || aaaa == DNS_FAILED)
        return unsure(call);
    note(call, "%.*s has no MX, A or AAAA", SLICE_ARGS(domain_of(call)));
    return follow(call, &UNKNOWN, options->unknown);
}

static struct verdict judge_domain(struct check_call *call)
{
    const struct lookup *mx = ask_for(call, DNS_MX);
    switch (lookups_await(call->lookups, mx)) {
    case DNS_FOUND:
        return judge_mx(call, mx);
    case DNS_NO_DATA:
    case DNS_NO_NAME:
        return judge_host(call);
    case DNS_ASKED:
    case DNS_FAILED:
        break;
    }
    return unsure(call);
}

static void ask_mail(struct check_call *call)
{
    if (is_judged(call) && can_be_asked(domain_of(call)))
        ask_for(call, DNS_MX);
}

static struct verdict judge_mail(struct check_call *call)
{
    const struct sender_options *options = call->options;
    struct slice domain = domain_of(call);
    if (!is_judged(call))
        return VERDICT_NONE;
    if (domain_list_holds(&options->own_domains, domain)) {
        note(call, "%.*s is ours", SLICE_ARGS(domain));
        return follow(call, &OWN, options->own);
    }
    if (is_literal(domain))
        return follow(call, &LITERAL, options->literal);
    if (call->session->transaction.sender.has_8bit && !dns_name_is_valid(domain))
        return VERDICT_NONE;
    if (can_be_asked(domain))
        return judge_domain(call);
    note(call, "%.*s is no full domain", SLICE_ARGS(domain));
    return follow(call, &NO_DOMAIN, options->unknown);
}

extern const struct check check_sender;
const struct check check_sender = {
    .name = "sender",
    .options = &block,
    .ask = {[STAGE_MAIL] = ask_mail},
    .judge = {[STAGE_MAIL] = judge_mail},
};
