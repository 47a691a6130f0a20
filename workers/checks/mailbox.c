/* SPDX-License-Identifier: ISC
 *
 * mailbox - what is asked of a recipient beside its domain (checks/recipient): traps, which no good sender knows, and
 * bounces, which go to one.
 *
 * Both are for strangers: nobody who was allowed or logged in is held to them, nor a recipient that is exempt.
 */
#include <stddef.h>

#include "workers/address_list.h"
#include "workers/consequence.h"
#include "workers/session.h"

/* In the words for any mailbox that is not there: nobody shall learn which are traps. */
static const struct finding TRAP = {REPLY(550, "5.1.1", "No such mailbox here"), "trap"};
static const struct finding BOUNCE_TO_MANY = {REPLY(550, "5.5.3", "A message from <> goes to one recipient at a time"),
                                              "<> to several recipients"};

struct mailbox_options {
    struct check_options common;
    struct text_list traps;
    int trap, null_sender; /* enum consequence */
    int64_t trap_spoils, null_sender_recipients, score;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct mailbox_options, common.mode), "enforce", MODE_CHOICES,
     "Whether what is set here counts."},
    {"traps", OPTION_TEXTS, offsetof(struct mailbox_options, traps), NULL, NULL,
     "Mailboxes that were never anybody's, or have not been for years: spamtrap@example.org, @old.example.org for all of "
     "a domain."},
    {"trap", OPTION_CHOICE, offsetof(struct mailbox_options, trap), "reject", CONSEQUENCE_CHOICES,
     "What follows where a stranger writes to one; the reply is that of a mailbox which is not there (550 5.1.1)."},
    {"trap_spoils", OPTION_COUNT, offsetof(struct mailbox_options, trap_spoils), "4", "0..16",
     "The points of a bad reputation that the client's network gets for each; 4 make it bad, and they halve each "
     "day."},
    {"null_sender_recipients", OPTION_COUNT, offsetof(struct mailbox_options, null_sender_recipients), "0", "0..1000",
     "The recipients that a stranger's message from <> may have; a bounce has one. 0: any number."},
    {"null_sender", OPTION_CHOICE, offsetof(struct mailbox_options, null_sender), "reject", CONSEQUENCE_CHOICES,
     "What follows for each recipient beyond that."},
    {"score", OPTION_COUNT, offsetof(struct mailbox_options, score), "4", SCORE_ALLOWED,
     "The points that each of them is worth, with score."},
    {0},
};
/* clang-format on */

static bool check_options(struct config *config, const void *filled)
{
    const struct mailbox_options *options = filled;
    return address_list_check(config, filled, "traps", &options->traps);
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "mailbox",
    .meaning = "Recipients, one by one: traps, and how many a bounce may have. Their domains: recipient { }.",
    .size = sizeof(struct mailbox_options),
    .groups = groups,
    .check = check_options,
};

static bool is_bounce_to_many(const struct check_call *call)
{
    const struct mailbox_options *options = call->options;
    const struct transaction *t = &call->session->transaction;
    int64_t most = options->null_sender_recipients;
    return most > 0 && t->sender.is_null && t->accepted_recipients >= most;
}

static struct verdict judge_rcpt(struct check_call *call)
{
    const struct mailbox_options *options = call->options;
    struct verdict verdict = VERDICT_NONE;
    if (call->allowed || call->session->transaction.exempt)
        return verdict;
    if (address_list_holds(&options->traps, call->recipient)) {
        note(call, "%.*s@%.*s is a trap", SLICE_ARGS(call->recipient->local), SLICE_ARGS(call->recipient->domain));
        verdict = consequence_of(&TRAP, options->trap, options->score, NULL);
        verdict.spoils = (int)options->trap_spoils;
    } else if (is_bounce_to_many(call)) {
        note(call, "<> to more than %d", (int)options->null_sender_recipients);
        verdict = consequence_of(&BOUNCE_TO_MANY, options->null_sender, options->score, NULL);
    }
    return verdict;
}

extern const struct check check_mailbox;
const struct check check_mailbox = {
    .name = "mailbox",
    .binds = BINDS_ALLOWED_TOO,
    .options = &block,
    .judge = {[STAGE_RCPT] = judge_rcpt},
};
