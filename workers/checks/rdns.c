/* SPDX-License-Identifier: ISC
 *
 * rdns - has the client's address a name, and does the name lead back to it? A mail server's does; that of a machine
 * which sends spam without its owner's knowing has none, or one that counts the pool's addresses.
 */
#include <stddef.h>

#include "workers/consequence.h"
#include "workers/generic_name.h"
#include "workers/session.h"

/* RFC 7372 section 3.3. */
static const struct finding NO_NAME = {REPLY(550, "5.7.25", "Your address has no name in DNS (PTR)"), "no reverse DNS"};
static const struct finding UNCONFIRMED = {
    REPLY(550, "5.7.25", "The name of your address in DNS (PTR) does not lead back to it"), "unconfirmed reverse DNS"};

struct rdns_options {
    struct check_options common;
    int none, unconfirmed; /* enum consequence */
    int64_t none_score, unconfirmed_score, generic_score;
    const char *reply;
    struct network_list except;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct rdns_options, common.mode), "off", MODE_CHOICES,
     "Whether the name of the client's address is asked for. It then goes inside (XCLIENT NAME) and into Received, too; "
     "with watch nothing else follows from it."},
    {"none", OPTION_CHOICE, offsetof(struct rdns_options, none), "score", CONSEQUENCE_CHOICES,
     "What follows where the address has no name (no PTR record): points, or a refusal (450 4.7.25, 550 5.7.25)."},
    {"none_score", OPTION_COUNT, offsetof(struct rdns_options, none_score), "4", SCORE_ALLOWED,
     "The points that it is worth, with none = score."},
    {"unconfirmed", OPTION_CHOICE, offsetof(struct rdns_options, unconfirmed), "score", CONSEQUENCE_CHOICES,
     "What follows where none of its names leads back to the address (A, AAAA)."},
    {"unconfirmed_score", OPTION_COUNT, offsetof(struct rdns_options, unconfirmed_score), "2", SCORE_ALLOWED,
     "The points that it is worth, with unconfirmed = score."},
    {"generic_score", OPTION_COUNT, offsetof(struct rdns_options, generic_score), "0", SCORE_ALLOWED,
     "Points for a name that holds all of the address, as those of dialled and rented machines do: "
     "192-0-2-7.pool.example.net. Some mail servers have such a name, too."},
    {"reply", OPTION_TEXT, offsetof(struct rdns_options, reply), NULL, NULL,
     "The text of the refusal, in place of our own."},
    {"except", OPTION_NETWORKS, offsetof(struct rdns_options, except), NULL, NULL,
     "Clients from which nothing of it is asked."},
    {0},
};
/* clang-format on */

static bool check_options(struct config *config, const void *filled)
{
    const struct rdns_options *options = filled;
    return consequence_check_text(config, filled, "reply", options->reply);
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "rdns",
    .meaning = "The name of the client's address in DNS, and whether it leads back (forward-confirmed reverse DNS).",
    .size = sizeof(struct rdns_options),
    .groups = groups,
    .check = check_options,
};

/* A name is asked for of clients that are excepted, too: inside shall hear it. */
static void ask_connect(struct check_call *call)
{
    if (call->session->client.kind == ENDPOINT_IP)
        client_name_ask(call->lookups, &call->session->client.address);
}

/* RFC 8601 section 2.7.3, for which to have no name is permerror. An address with colons stands in quotes. */
static void tell_result(const struct check_call *call, const struct client_name *known)
{
    static const char *const words[] = {[CLIENT_NAME_NONE] = "permerror",
                                        [CLIENT_NAME_UNCONFIRMED] = "fail",
                                        [CLIENT_NAME_CONFIRMED] = "pass",
                                        [CLIENT_NAME_FAILED] = "temperror"};
    const char *quote = call->session->client.address.family == 6 ? "\"" : "";
    result_add(call->results, "iprev=%s policy.iprev=%s%s%s", words[known->state], quote, call->session->client_text,
               quote);
}

static struct verdict judge_confirmed(struct check_call *call, const struct client_name *known)
{
    const struct rdns_options *options = call->options;
    if (!generic_name_holds(slice_of(known->name), &call->session->client.address)) {
        note(call, "%s", known->name);
        return VERDICT_NONE;
    }
    note(call, "%s holds the address, %d points", known->name, (int)options->generic_score);
    return (struct verdict){.score = (int)options->generic_score, .reason = "generic reverse DNS"};
}

static struct verdict judge_name(struct check_call *call, const struct client_name *known)
{
    const struct rdns_options *options = call->options;
    switch (known->state) {
    case CLIENT_NAME_NOT_ASKED:
    case CLIENT_NAME_ASKED:
        break;
    case CLIENT_NAME_NONE:
        note(call, "the address has no name");
        return consequence_of(&NO_NAME, options->none, options->none_score, options->reply);
    case CLIENT_NAME_UNCONFIRMED:
        note(call, "%s does not lead back", known->reverse_name);
        return consequence_of(&UNCONFIRMED, options->unconfirmed, options->unconfirmed_score, options->reply);
    case CLIENT_NAME_CONFIRMED:
        return judge_confirmed(call, known);
    case CLIENT_NAME_FAILED:
        note(call, "no answer%s%s", known->reverse_name != NULL ? " for " : "",
             known->reverse_name != NULL ? known->reverse_name : "");
        return (struct verdict){.unsure = true, .reason = "no answer to reverse DNS"};
    }
    return VERDICT_NONE;
}

static struct verdict judge_greeting(struct check_call *call)
{
    const struct rdns_options *options = call->options;
    const struct client_name *known = client_name_hear(call->lookups);
    if (known->state == CLIENT_NAME_NOT_ASKED)
        return VERDICT_NONE;
    tell_result(call, known);
    struct verdict verdict = judge_name(call, known);
    return session_client_is_in(call->session, &options->except) ? VERDICT_NONE : verdict;
}

extern const struct check check_rdns;
const struct check check_rdns = {
    .name = "rdns",
    .options = &block,
    .ask = {[STAGE_CONNECT] = ask_connect},
    .judge = {[STAGE_GREETING] = judge_greeting},
};
