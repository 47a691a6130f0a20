/* SPDX-License-Identifier: ISC
 *
 * template - how a check is written. This one asks a zone of DNS whether it lists the sender's domain: at MAIL it asks
 * `example.org.ZONE A`, and an answer in 127/8 is a hit. It is compiled and held to talks (tests/talk/talks/template),
 * but stands in no postern.conf: its row is in the table of the talks alone.
 *
 * A check of its own begins as a copy of this file in workers/checks/: README, "To add a check". This comment then says
 * what the check is for; everything below has a reason that its comment gives, and goes where yours needs none of it.
 */
#include <stddef.h>
#include <stdio.h>

#include "workers/consequence.h"
#include "workers/session.h"

/* What is said to the client, and why, for the log: constants, here where they are given. The refusal is written as it
 * is for good; consequence_of makes 450 4.7.1 of it where a postmaster wants that. */
static const struct finding LISTED = {REPLY(550, "5.7.1", "The sender's domain is listed"), "sender domain is listed"};

/* The options, of which the mode is always the first. */
struct template_options {
    struct check_options common;
    const char *zone;
    int action; /* enum consequence */
    int64_t score;
};

/* Their names, defaults and meaning: `posternd -d` prints this table, and postern.conf(5) has the same rows. What asks
 * DNS is off until somebody wants it. */
/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct template_options, common.mode), "off", MODE_CHOICES,
     "Whether the zone is asked."},
    {"zone", OPTION_HOSTNAME, offsetof(struct template_options, zone), NULL, NULL,
     "The zone that lists domains."},
    {"action", OPTION_CHOICE, offsetof(struct template_options, action), "score", CONSEQUENCE_CHOICES,
     "What follows where it lists the sender's."},
    {"score", OPTION_COUNT, offsetof(struct template_options, score), "3", SCORE_ALLOWED,
     "The points that it is worth, with action = score."},
    {0},
};
/* clang-format on */

/* What no row can say: options that belong together. */
static bool check_options(struct config *config, const void *filled)
{
    const struct template_options *options = filled;
    return options->common.mode == MODE_OFF || options->zone != NULL ||
           config_refuse(config, filled, "zone", "is missing; name the zone that is to be asked");
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "template",
    .meaning = "A zone that lists senders' domains.",
    .size = sizeof(struct template_options),
    .groups = groups,
    .check = check_options,
};

/* The one question, put together in one place: it is asked twice, and DNS hears it once. What no name can be, an empty
 * domain (<>) or a literal, has no question. */
static bool name_question(const struct check_call *call, char name_out[DNS_NAME_MAX + 1])
{
    const struct template_options *options = call->options;
    struct slice domain = slice_without_dot(call->session->transaction.sender.domain); /* is the same domain */
    int size = snprintf(name_out, DNS_NAME_MAX + 1, "%.*s.%s", SLICE_ARGS(domain), options->zone);
    return domain.size > 0 && size <= DNS_NAME_MAX && dns_name_is_valid(slice_of(name_out));
}

/* All checks ask before the first one judges, and nobody waits here: so what a stage needs comes all at once. */
static void ask_mail(struct check_call *call)
{
    char name[DNS_NAME_MAX + 1];
    if (name_question(call, name))
        lookups_ask(call->lookups, LOOKUP_TRANSACTION, DNS_A, name);
}

/* An answer is somebody else's words: what is not what it should be is no hit. */
static bool is_hit(const struct lookup *answer)
{
    for (int i = 0; i < answer->count; i++)
        if (ipaddr_is_loopback(&answer->records[i].address))
            return true;
    return false;
}

/* The verdict. The mode, an allow, exempt recipients and the delay until RCPT are not this function's business; nor is
 * what follows where it cannot know (`unsure`). Each question and its answer are noted for the log and for
 * `posternctl explain`. */
static struct verdict judge_mail(struct check_call *call)
{
    const struct template_options *options = call->options;
    char name[DNS_NAME_MAX + 1];
    if (!name_question(call, name))
        return VERDICT_NONE;
    const struct lookup *answer = lookups_resolve(call->lookups, LOOKUP_TRANSACTION, DNS_A, name);
    note(call, "%s: %s", name, is_hit(answer) ? "listed" : dns_status_name(answer->status));
    if (answer->status == DNS_FAILED)
        return (struct verdict){.unsure = true, .reason = "no answer of the list"};
    return is_hit(answer) ? consequence_of(&LISTED, options->action, options->score, NULL) : VERDICT_NONE;
}

/* Nothing else is seen from outside. What a check has to remember lies in call->session_memory or transaction_memory,
 * never here (session_bytes, transaction_bytes). */
extern const struct check check_template;
const struct check check_template = {
    .name = "template",
    .options = &block,
    .ask = {[STAGE_MAIL] = ask_mail},
    .judge = {[STAGE_MAIL] = judge_mail},
};
