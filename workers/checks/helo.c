/* SPDX-License-Identifier: ISC
 *
 * helo - the name that a client gives itself: who says ours is somebody else; one that is no full host name, is another
 * address, or leads nowhere is odd, and of good clients, too: so that is worth points.
 *
 * The programs of users say anything, and log in after they said it: where a listener offers AUTH the name is judged at
 * MAIL. Elsewhere it is judged at once, and waits for RCPT like all that is found before (decide.h).
 */
#include <stddef.h>
#include <stdio.h>

#include "workers/consequence.h"
#include "workers/domain_list.h"
#include "workers/session.h"

static const struct finding OUR_NAME = {REPLY(550, "5.7.1", "You greet with a name of ours"), "our own name in HELO"};
static const struct finding OTHER_ADDRESS = {REPLY(550, "5.7.1", "You greet with an address that is not yours"),
                                             "another address in HELO"};
static const struct finding NO_HOST_NAME = {
    REPLY(550, "5.5.2", "You greet with what is no full host name and no address literal"), "no host name in HELO"};
static const struct finding UNKNOWN = {REPLY(550, "5.7.1", "You greet with a name that is not in DNS"),
                                       "unknown name in HELO"};

struct helo_options {
    struct check_options common;
    int own, syntax, literal, unknown; /* enum consequence */
    int64_t score;
    struct text_list own_names;
    const char *reply;
    struct network_list except;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct helo_options, common.mode), "off", MODE_CHOICES,
     "Whether the name in HELO and EHLO is judged; on a listener that offers AUTH at MAIL, of who did not log in."},
    {"own", OPTION_CHOICE, offsetof(struct helo_options, own), "reject", CONSEQUENCE_CHOICES,
     "What follows where it is our own (hostname, own_names, our address), and the client is another machine."},
    {"own_names", OPTION_TEXTS, offsetof(struct helo_options, own_names), NULL, NULL,
     "More names that nobody else has a right to; .example.org stands for all below it, [192.0.2.1] for an address."},
    {"syntax", OPTION_CHOICE, offsetof(struct helo_options, syntax), "score", CONSEQUENCE_CHOICES,
     "What follows where it is neither a host name with a domain nor an address in brackets."},
    {"literal", OPTION_CHOICE, offsetof(struct helo_options, literal), "score", CONSEQUENCE_CHOICES,
     "What follows where it is an address in brackets, but not the client's."},
    {"unknown", OPTION_CHOICE, offsetof(struct helo_options, unknown), "score", CONSEQUENCE_CHOICES,
     "What follows where it has no A, AAAA or MX record. accept: DNS is not asked."},
    {"score", OPTION_COUNT, offsetof(struct helo_options, score), "2", SCORE_ALLOWED,
     "The points that each of them is worth, with score."},
    {"reply", OPTION_TEXT, offsetof(struct helo_options, reply), NULL, NULL,
     "The text of the refusal, in place of our own."},
    {"except", OPTION_NETWORKS, offsetof(struct helo_options, except), NULL, NULL,
     "Clients that may say what they like."},
    {0},
};
/* clang-format on */

static bool check_options(struct config *config, const void *filled)
{
    const struct helo_options *options = filled;
    return domain_list_check(config, filled, "own_names", &options->own_names) &&
           consequence_check_text(config, filled, "reply", options->reply);
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "helo",
    .meaning = "The name that the client gives itself in HELO or EHLO.",
    .size = sizeof(struct helo_options),
    .groups = groups,
    .check = check_options,
};

/* -- what it is, as it stands -- */

static struct slice name_of(const struct session *s)
{
    return slice_without_dot(slice_of(s->name));
}

enum said { SAID_FINE, SAID_OWN, SAID_OTHER_ADDRESS, SAID_NO_HOST_NAME, SAID_HOST_NAME };

static bool is_address(const struct endpoint *of, const struct ipaddr *address)
{
    return of->kind == ENDPOINT_IP && ipaddr_equal(&of->address, address);
}

static bool is_our_machine(const struct session *s)
{
    return s->client.kind != ENDPOINT_IP || ipaddr_is_loopback(&s->client.address) ||
           is_address(&s->local, &s->client.address);
}

static enum said read_literal(const struct session *s, const struct ipaddr *address)
{
    if (is_address(&s->client, address) || is_our_machine(s))
        return SAID_FINE;
    return is_address(&s->local, address) ? SAID_OWN : SAID_OTHER_ADDRESS;
}

static bool is_our_name(const struct helo_options *options, const struct session *s, struct slice name)
{
    return slice_is_word(name, s->service->hostname) || domain_list_holds(&options->own_names, name);
}

static enum said read_name(const struct helo_options *options, const struct session *s)
{
    struct slice name = name_of(s);
    struct ipaddr address;
    if (is_our_name(options, s, name))
        return is_our_machine(s) ? SAID_FINE : SAID_OWN;
    if (literal_parse(name, &address))
        return read_literal(s, &address);
    return dns_name_is_host(name) && slice_has(name, '.') ? SAID_HOST_NAME : SAID_NO_HOST_NAME;
}

/* -- is it there? -- */

static const enum dns_type asked_types[] = {DNS_A, DNS_AAAA, DNS_MX};
enum { ASKED_TYPES = sizeof(asked_types) / sizeof(asked_types[0]) };

/* How many were asked: the name of the client's address is often the same, and what is known to be there suffices. */
static int ask_all(const struct check_call *call, const struct lookup *lookups_out[ASKED_TYPES])
{
    char name[HELO_NAME_MAX + 1];
    int count = 0;
    snprintf(name, sizeof(name), "%.*s", SLICE_ARGS(name_of(call->session)));
    while (count < ASKED_TYPES && (count == 0 || lookups_out[count - 1]->status != DNS_FOUND)) {
        lookups_out[count] = lookups_ask(call->lookups, LOOKUP_SESSION, asked_types[count], name);
        count++;
    }
    return count;
}

static struct verdict judge_host_name(struct check_call *call)
{
    const struct helo_options *options = call->options;
    const struct lookup *lookups[ASKED_TYPES];
    bool failed = false;
    int count = ask_all(call, lookups);
    for (int i = 0; i < count; i++) {
        enum dns_status status = lookups_await(call->lookups, lookups[i]);
        failed = failed || status == DNS_FAILED;
        if (status != DNS_FOUND)
            continue;
        note(call, "%s has %s", call->session->name, dns_type_name(lookups[i]->type));
        return VERDICT_NONE;
    }
    note(call, failed ? "%s: no answer" : "%s has no A, AAAA or MX", call->session->name);
    if (failed)
        return (struct verdict){.unsure = true, .reason = "no answer to the name in HELO"};
    return consequence_of(&UNKNOWN, options->unknown, options->score, options->reply);
}

/* -- when -- */

static bool is_judged(const struct check_call *call)
{
    const struct helo_options *options = call->options;
    return call->session->name[0] != '\0' && !session_client_is_in(call->session, &options->except);
}

static void ask(struct check_call *call)
{
    const struct helo_options *options = call->options;
    const struct lookup *unused[ASKED_TYPES];
    if (options->unknown != ACCEPTS && is_judged(call) && read_name(options, call->session) == SAID_HOST_NAME)
        ask_all(call, unused);
}

static struct verdict judge(struct check_call *call)
{
    const struct helo_options *options = call->options;
    const char *name = call->session->name;
    if (!is_judged(call))
        return VERDICT_NONE;
    switch (read_name(options, call->session)) {
    case SAID_FINE:
        break;
    case SAID_OWN:
        note(call, "%s is ours", name);
        return consequence_of(&OUR_NAME, options->own, options->score, options->reply);
    case SAID_OTHER_ADDRESS:
        note(call, "%s is not the client's address", name);
        return consequence_of(&OTHER_ADDRESS, options->literal, options->score, options->reply);
    case SAID_NO_HOST_NAME:
        note(call, "%s is no full host name", name);
        return consequence_of(&NO_HOST_NAME, options->syntax, options->score, options->reply);
    case SAID_HOST_NAME:
        return options->unknown == ACCEPTS ? VERDICT_NONE : judge_host_name(call);
    }
    return VERDICT_NONE;
}

static bool waits_for_auth(const struct check_call *call)
{
    return call->session->options->auth.mode != AUTH_MODE_NONE;
}

static void ask_helo(struct check_call *call)
{
    if (!waits_for_auth(call))
        ask(call);
}

static struct verdict judge_helo(struct check_call *call)
{
    return waits_for_auth(call) ? VERDICT_NONE : judge(call);
}

static void ask_mail(struct check_call *call)
{
    if (waits_for_auth(call))
        ask(call);
}

static struct verdict judge_mail(struct check_call *call)
{
    return waits_for_auth(call) ? judge(call) : VERDICT_NONE;
}

extern const struct check check_helo;
const struct check check_helo = {
    .name = "helo",
    .options = &block,
    .ask = {[STAGE_HELO] = ask_helo, [STAGE_MAIL] = ask_mail},
    .judge = {[STAGE_HELO] = judge_helo, [STAGE_MAIL] = judge_mail},
};
