/* SPDX-License-Identifier: ISC
 *
 * mailbox - what is asked of a recipient beside its domain (checks/recipient): is it there, where inside takes mail for
 * anybody and would have to bounce it; traps, which no good sender knows; and bounces, which go to one.
 *
 * A recipient that is not there is there for nobody; but who logged in writes to other servers' recipients. The rest is
 * for strangers, not for who was allowed. No recipient that is exempt is held to any of it.
 */
#include <stddef.h>
#include <string.h>

#include "common/must.h"
#include "workers/address_list.h"
#include "workers/consequence.h"
#include "workers/mailboxes.h"
#include "workers/session.h"

static const struct finding NOT_THERE = {REPLY(550, "5.1.1", "No such mailbox here"), "no such recipient"};
/* In the words for any mailbox that is not there: nobody shall learn which are traps. */
static const struct finding TRAP = {REPLY(550, "5.1.1", "No such mailbox here"), "trap"};
static const struct finding BOUNCE_TO_MANY = {REPLY(550, "5.5.3", "A message from <> goes to one recipient at a time"),
                                              "<> to several recipients"};

struct mailbox_options {
    struct check_options common;
    struct text_list valid_recipients, traps;
    const char *delimiter;
    int unknown, trap, null_sender; /* enum consequence */
    int64_t trap_spoils, null_sender_recipients, score;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct mailbox_options, common.mode), "enforce", MODE_CHOICES,
     "Whether what is set here counts."},
    {"valid_recipients", OPTION_TEXTS, offsetof(struct mailbox_options, valid_recipients), NULL, NULL,
     "The recipients that are there, for an inside server that takes mail for anybody: ann@example.org, @example.org for "
     "all of a domain, .example.org for all below one, ann@ in any domain, or file:/etc/postern/recipients, one a line; "
     "read again when it changes. Who logged in writes to anybody. Not set: inside alone decides."},
    {"unknown", OPTION_CHOICE, offsetof(struct mailbox_options, unknown), "reject", CONSEQUENCE_CHOICES,
     "What follows for any other recipient (550 5.1.1)."},
    {"delimiter", OPTION_TEXT, offsetof(struct mailbox_options, delimiter), NULL, NULL,
     "The sign behind which a recipient is not looked at: with + ann+list@example.org is there when ann@example.org is."},
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
    if (options->delimiter != NULL && strlen(options->delimiter) != 1)
        return config_refuse(config, filled, "delimiter", "'%s' is not one sign", options->delimiter);
    return mailboxes_check(config, filled, "valid_recipients", &options->valid_recipients) &&
           address_list_check(config, filled, "traps", &options->traps);
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "mailbox",
    .meaning =
        "Recipients, one by one: who is there, traps, and how many a bounce may have. Their domains: recipient { }.",
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

static bool is_there(const struct check_call *call)
{
    const struct mailbox_options *options = call->options;
    if (options->valid_recipients.count == 0 || call->session->auth != NULL)
        return true;
    if (path_is_postmaster(call->recipient)) /* is everywhere: RFC 5321 section 4.5.1 */
        return true;
    must(call->prepared != NULL);
    return mailboxes_hold(call->prepared, call->recipient, options->delimiter != NULL ? options->delimiter[0] : '\0');
}

static void note_recipient(struct check_call *call, const char *what)
{
    const struct path *to = call->recipient;
    note(call, "%.*s@%.*s %s", SLICE_ARGS(to->local), SLICE_ARGS(to->domain), what);
}

static struct verdict judge_stranger(struct check_call *call)
{
    const struct mailbox_options *options = call->options;
    struct verdict verdict = VERDICT_NONE;
    if (address_list_holds(&options->traps, call->recipient)) {
        note_recipient(call, "is a trap");
        verdict = consequence_of(&TRAP, options->trap, options->score, NULL);
        verdict.spoils = (int)options->trap_spoils;
    } else if (is_bounce_to_many(call)) {
        note(call, "<> to more than %d", (int)options->null_sender_recipients);
        verdict = consequence_of(&BOUNCE_TO_MANY, options->null_sender, options->score, NULL);
    }
    return verdict;
}

/* A trap need not be among those that are there. */
static struct verdict judge_rcpt(struct check_call *call)
{
    const struct mailbox_options *options = call->options;
    if (call->session->transaction.exempt)
        return VERDICT_NONE;
    struct verdict verdict = call->allowed ? VERDICT_NONE : judge_stranger(call);
    if (verdict.reason != NULL || is_there(call))
        return verdict;
    note_recipient(call, "is not there");
    return consequence_of(&NOT_THERE, options->unknown, options->score, NULL);
}

/* -- what is made before -- */

static const char *file(const void *options, size_t number)
{
    return mailboxes_file(&((const struct mailbox_options *)options)->valid_recipients, number);
}

static void *make(const void *options, struct check_fault *fault_out)
{
    return mailboxes_new("valid_recipients", &((const struct mailbox_options *)options)->valid_recipients, fault_out);
}

static void drop(void *made)
{
    struct mailboxes *mailboxes = made;
    mailboxes_free(&mailboxes);
}

static const struct preparation preparation = {file, make, drop};

extern const struct check check_mailbox;
const struct check check_mailbox = {
    .name = "mailbox",
    .binds = BINDS_ALLOWED_TOO,
    .options = &block,
    .preparation = &preparation,
    .judge = {[STAGE_RCPT] = judge_rcpt},
};
