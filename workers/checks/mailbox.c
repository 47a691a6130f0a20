/* SPDX-License-Identifier: ISC
 *
 * mailbox - what is asked of a recipient beside its domain (checks/recipient): is it there, where inside takes mail for
 * anybody and would have to bounce it; traps, which no good sender knows; and bounces, which go to one.
 *
 * A recipient that is not there is there for nobody; but who logged in writes to other servers' recipients. The rest is
 * for strangers, not for who was allowed. No recipient that is exempt is held to any of it.
 *
 * Who wrote to a trap is remembered by the storekeeper, where trap_memory says for how long; where that cannot be
 * asked, nobody is known. A bounce or a call-out, from <>, is refused there and no more: somebody else has forged the
 * trap as the sender of what it answers, and could have any server remembered so.
 */
#include <stddef.h>
#include <string.h>

#include "common/clock.h"
#include "common/must.h"
#include "workers/address_list.h"
#include "workers/consequence.h"
#include "workers/mailboxes.h"
#include "workers/session.h"
#include "workers/store_client.h"

static const struct finding NOT_THERE = {REPLY(550, "5.1.1", "No such mailbox here"), "no such recipient"};
/* In the words for any mailbox that is not there: nobody shall learn which are traps. */
static const struct finding TRAP = {REPLY(550, "5.1.1", "No such mailbox here"), "trap"};
static const struct finding TRAPPED = {REPLY(550, "5.7.1", "Mail from this network is not taken at present"),
                                       "wrote to a trap"};
static const struct finding BOUNCE_TO_MANY = {REPLY(550, "5.5.3", "A message from <> goes to one recipient at a time"),
                                              "<> to several recipients"};

struct mailbox_options {
    struct check_options common;
    struct text_list valid_recipients, traps;
    const char *delimiter;
    int unknown, trap, trapped, null_sender; /* enum consequence */
    int64_t trap_spoils, trap_memory_ms, null_sender_recipients, score;
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
    {"trap_memory", OPTION_TIME, offsetof(struct mailbox_options, trap_memory_ms), "0s", "0s..365d",
     "How long the network of a client that wrote to one is remembered, on disk (store { }), since it last did; not for a message "
     "from <>, which answers a forged one. 0s: not at all."},
    {"trapped", OPTION_CHOICE, offsetof(struct mailbox_options, trapped), "defer", CONSEQUENCE_CHOICES,
     "What follows meanwhile for whatever comes from there (450 4.7.1, 550 5.7.1)."},
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

static const char *needs_store(const void *filled)
{
    const struct mailbox_options *options = filled;
    return options->common.mode != MODE_OFF && options->trap_memory_ms > 0 ? "trap_memory" : NULL;
}

struct session_memory {
    bool was_asked, was_told; /* and is not again */
    bool is_trapped;
};
struct transaction_memory {
    bool is_scored; /* for that, once */
};

/* -- traps -- */

/* Not who has a good name: who knows a trap and has a mailbox with a large provider could have all of its mail put off.
 */
static bool remembers_traps(const struct check_call *call)
{
    const struct mailbox_options *options = call->options;
    const struct session *s = call->session;
    return options->trap_memory_ms > 0 && s->client.kind == ENDPOINT_IP && !s->client_untold && s->auth == NULL &&
           s->standing != STANDING_GOOD && !call->allowed && s->service->scoreboard != NULL;
}

static void make_request(const struct check_call *call, enum store_deed deed, struct store_request *out)
{
    const struct session *s = call->session;
    struct network network = scoreboard_network(s->service->scoreboard, &s->client.address);
    struct store_key key;
    store_key_network(&key, STORE_TRAP, &network);
    store_request_init(out, deed, store_key_slice(&key));
}

/* Of who comes again. */
static struct verdict judge_mail(struct check_call *call)
{
    struct session_memory *memory = call->session_memory;
    struct store_request request;
    if (!remembers_traps(call) || memory->was_asked)
        return VERDICT_NONE;
    memory->was_asked = true;
    if (call->session->setup->looks_only) {
        note(call, "would ask whether its network wrote to a trap");
        return VERDICT_NONE;
    }
    make_request(call, STORE_ASK, &request);
    struct store_answer answer = store_client_ask(call->session, &request);
    memory->is_trapped = memory->is_trapped || answer.outcome == STORE_PASS;
    if (answer.outcome == STORE_PASS)
        note_lasting(call, "wrote to a trap, for which it is remembered");
    if (answer.outcome == STORE_UNSURE)
        note(call, "whether it wrote to a trap cannot be said");
    return VERDICT_NONE;
}

static void remember(struct check_call *call)
{
    const struct mailbox_options *options = call->options;
    struct session_memory *memory = call->session_memory;
    struct store_request request;
    if (!remembers_traps(call) || call->session->setup->looks_only || call->session->transaction.sender.is_null)
        return;
    make_request(call, STORE_TRAPPED, &request);
    request.lifetime_s = (uint32_t)clock_whole_s(options->trap_memory_ms);
    if (!memory->was_told)
        store_client_tell(call->session, &request);
    memory->is_trapped = memory->was_told = true;
}

/* Whatever it wants, each time; but points only once. */
static struct verdict judge_trapped(struct check_call *call)
{
    const struct mailbox_options *options = call->options;
    struct transaction_memory *memory = call->transaction_memory;
    if (options->trapped == SCORES && memory->is_scored)
        return VERDICT_NONE;
    memory->is_scored = true;
    return consequence_of(&TRAPPED, options->trapped, options->score, NULL);
}

static bool is_trapped(const struct check_call *call)
{
    return remembers_traps(call) && ((const struct session_memory *)call->session_memory)->is_trapped;
}

/* Recipients that were accepted before it wrote to one. */
static struct verdict judge_data(struct check_call *call)
{
    bool is_spared = call->session->transaction.exempt || !is_trapped(call);
    return is_spared ? VERDICT_NONE : judge_trapped(call);
}

/* -- recipients -- */

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
        remember(call);
    } else if (is_bounce_to_many(call)) {
        note(call, "<> to more than %d", (int)options->null_sender_recipients);
        verdict = consequence_of(&BOUNCE_TO_MANY, options->null_sender, options->score, NULL);
    }
    return verdict;
}

/* A trap need not be among those that are there. */
static struct verdict judge_recipient(struct check_call *call)
{
    const struct mailbox_options *options = call->options;
    struct verdict verdict = call->allowed ? VERDICT_NONE : judge_stranger(call);
    if (verdict.reason != NULL || is_there(call))
        return verdict;
    note_recipient(call, "is not there");
    return consequence_of(&NOT_THERE, options->unknown, options->score, NULL);
}

static struct verdict judge_rcpt(struct check_call *call)
{
    if (call->session->transaction.exempt)
        return VERDICT_NONE;
    struct verdict client = is_trapped(call) ? judge_trapped(call) : VERDICT_NONE;
    struct verdict recipient = judge_recipient(call), both = verdict_combine(&client, &recipient);
    both.spoils = recipient.spoils;
    return both;
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
    .needs_store = needs_store,
    .session_bytes = sizeof(struct session_memory),
    .transaction_bytes = sizeof(struct transaction_memory),
    .judge = {[STAGE_MAIL] = judge_mail, [STAGE_RCPT] = judge_rcpt, [STAGE_DATA] = judge_data},
};
