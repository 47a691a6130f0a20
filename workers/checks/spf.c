/* SPDX-License-Identifier: ISC
 *
 * spf - may this client send in the name of that domain (RFC 7208)? Asked of the sender's domain, and of the name of
 * HELO; judged at MAIL, when it is known who has logged in.
 *
 * A pass says who it is, not that it is welcome: it does nothing. Of HELO only a fail counts: whoever names a machine
 * has no say in what else that record would mean. Whom a pass names is remembered for what becomes of its messages
 * (sender_domain.h).
 */
#include <stddef.h>
#include <stdio.h>

#include "workers/consequence.h"
#include "workers/sender_domain.h"
#include "workers/session.h"

#define REPLY_FAIL  "SPF: the domain does not let this address send its mail"
#define REPLY_ERROR "SPF: the domain's record cannot be evaluated"

static const char FAIL_CODE[] = "7.23", ERROR_CODE[] = "7.24"; /* RFC 7372 section 3.2 */

/* enum consequence, as far as they go. */
#define ACT_CHOICES       "accept|score|defer|reject"
#define TEMPERROR_CHOICES "accept|score|defer|unsure" /* own trouble is never a 5yz (L1) */
enum { UNSURE = REJECTS };                            /* stands in its place there */

struct spf_options {
    struct check_options common;
    bool helo;
    int acts[SPF_RESULTS]; /* ACT_CHOICES */
    int64_t points[SPF_RESULTS];
    struct network_list except, forwarders;
    const char *reply, *error_reply;
};

#define ACT(result)    offsetof(struct spf_options, acts[result])
#define POINTS(result) offsetof(struct spf_options, points[result])

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct spf_options, common.mode), "off", MODE_CHOICES,
     "Whether the sender's domain is asked, at MAIL, who may send for it. Who has logged in, was allowed or comes through "
     "a Unix socket is not asked about."},
    {"fail", OPTION_CHOICE, ACT(SPF_FAIL), "score", ACT_CHOICES,
     "What becomes of a client that the domain forbids to send. Mail that is forwarded without a new sender fails, too: "
     "with reject, name your forwarders."},
    {"fail_score", OPTION_COUNT, POINTS(SPF_FAIL), "4", SCORE_ALLOWED, "The points, with fail = score."},
    {"softfail", OPTION_CHOICE, ACT(SPF_SOFTFAIL), "score", ACT_CHOICES,
     "The same of one that the domain would rather not have sent (~all)."},
    {"softfail_score", OPTION_COUNT, POINTS(SPF_SOFTFAIL), "1", SCORE_ALLOWED, "The points, with softfail = score."},
    {"neutral", OPTION_CHOICE, ACT(SPF_NEUTRAL), "accept", ACT_CHOICES,
     "The same where the domain says nothing of this client."},
    {"neutral_score", OPTION_COUNT, POINTS(SPF_NEUTRAL), "1", SCORE_ALLOWED, "The points, with neutral = score."},
    {"none", OPTION_CHOICE, ACT(SPF_NONE), "accept", ACT_CHOICES, "The same where it has no SPF record."},
    {"none_score", OPTION_COUNT, POINTS(SPF_NONE), "1", SCORE_ALLOWED, "The points, with none = score."},
    {"permerror", OPTION_CHOICE, ACT(SPF_PERMERROR), "accept", ACT_CHOICES,
     "The same where its record is malformed, or would take too many questions."},
    {"permerror_score", OPTION_COUNT, POINTS(SPF_PERMERROR), "1", SCORE_ALLOWED, "The points, with permerror = score."},
    {"temperror", OPTION_CHOICE, ACT(SPF_TEMPERROR), "unsure", TEMPERROR_CHOICES,
     "The same where DNS gave no answer. unsure: as on_unsure says."},
    {"temperror_score", OPTION_COUNT, POINTS(SPF_TEMPERROR), "1", SCORE_ALLOWED, "The points, with temperror = score."},
    {"helo", OPTION_FLAG, offsetof(struct spf_options, helo), "yes", NULL,
     "Whether the name of HELO is asked about as well; a fail of it is a fail. Without a sender it always is."},
    {"except", OPTION_NETWORKS, offsetof(struct spf_options, except), "127.0.0.0/8, ::1", NULL,
     "Clients that are not asked about."},
    {"forwarders", OPTION_NETWORKS, offsetof(struct spf_options, forwarders), NULL, NULL,
     "Clients that forward mail of others to you: what comes out is recorded, and nothing follows from it."},
    {"reply", OPTION_TEXT, offsetof(struct spf_options, reply), REPLY_FAIL, NULL,
     "What a client hears that is refused or deferred for its result (550 5.7.23, 451 4.7.23)."},
    {"error_reply", OPTION_TEXT, offsetof(struct spf_options, error_reply), REPLY_ERROR, NULL,
     "The same for permerror and temperror (550 5.7.24, 451 4.7.24)."},
    {0},
};
/* clang-format on */
static bool check_options(struct config *config, const void *filled)
{
    const struct spf_options *options = filled;
    return consequence_check_text(config, filled, "reply", options->reply) &&
           consequence_check_text(config, filled, "error_reply", options->error_reply);
}

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "spf",
    .meaning = "Who may send in the name of the sender's domain (RFC 7208).",
    .size = sizeof(struct spf_options),
    .groups = groups,
    .check = check_options,
};

struct session_memory {
    bool helo_is_known;
    struct spf_answer helo;
};

struct transaction_memory {
    char reason[SPF_WHY_MAX + 32];
};

/* -- asked -- */

static bool is_asked_about(const struct check_call *call)
{
    const struct spf_options *options = call->options;
    const struct session *s = call->session;
    return s->client.kind == ENDPOINT_IP && s->auth == NULL && !session_client_is_in(s, &options->except);
}

static struct spf_question question_of(const struct session *s, struct slice sender, enum lookup_scope scope)
{
    return (struct spf_question){
        .client = s->client.address,
        .sender = sender,
        .helo = slice_of(s->name),
        .hostname = s->service->hostname,
        .client_name = s->client_name.state == ATTRIBUTE_KNOWN ? s->client_name.text : NULL,
        .scope = scope,
    };
}

static struct spf_question helo_question(const struct session *s)
{
    return question_of(s, slice_make(NULL, 0), LOOKUP_SESSION);
}

static struct spf_question sender_question(const struct session *s, char text[PATH_MAX_OCTETS + 2])
{
    const struct path *sender = &s->transaction.sender;
    int size = snprintf(text, PATH_MAX_OCTETS + 2, "%.*s@%.*s", SLICE_ARGS(sender->local), SLICE_ARGS(sender->domain));
    return question_of(s, slice_make(text, (size_t)size), LOOKUP_TRANSACTION);
}

static bool has_sender(const struct session *s)
{
    return s->transaction.sender.domain.size > 0;
}

/* Another name than before, or another client. */
static void ask_helo(struct check_call *call)
{
    const struct spf_options *options = call->options;
    struct session_memory *memory = call->session_memory;
    struct spf_question question = helo_question(call->session);
    memory->helo_is_known = false;
    if (options->helo && is_asked_about(call))
        spf_ask(&question, call->lookups);
}

static void ask_mail(struct check_call *call)
{
    char text[PATH_MAX_OCTETS + 2];
    const struct session *s = call->session;
    struct spf_question question = has_sender(s) ? sender_question(s, text) : helo_question(s);
    if (is_asked_about(call))
        spf_ask(&question, call->lookups);
}

/* -- heard -- */

static void hear(void *context, const char *text)
{
    note(context, "%s", text);
}

static void record(struct check_call *call, const struct spf_question *question, const struct spf_answer *answer)
{
    char text[DNS_NAME_MAX + 1];
    bool is_helo = question->sender.size == 0;
    struct slice domain = spf_domain(question, text);
    note(call, "%s %.*s: %s (%s)", is_helo ? "helo" : "sender", SLICE_ARGS(domain), spf_result_name(answer->result),
         answer->why);
    if (domain.size > 0)
        result_add(call->results, "spf=%s smtp.%s=%.*s", spf_result_name(answer->result), is_helo ? "helo" : "mailfrom",
                   SLICE_ARGS(domain));
    if (!is_helo || !call->spf->is_known) /* it is the sender's that is told, where there is one */
        *call->spf = (struct spf_trace){true, is_helo ? SPF_HELO : SPF_MAILFROM, *answer};
}

static struct spf_answer check_helo(struct check_call *call)
{
    struct session_memory *memory = call->session_memory;
    struct spf_question question = helo_question(call->session);
    if (!memory->helo_is_known)
        memory->helo = spf_check(&question, call->lookups, hear, call);
    memory->helo_is_known = memory->helo.result != SPF_TEMPERROR;
    record(call, &question, &memory->helo);
    return memory->helo;
}

static struct spf_answer check_sender(struct check_call *call)
{
    char text[PATH_MAX_OCTETS + 2];
    struct spf_question question = sender_question(call->session, text);
    struct spf_answer answer = spf_check(&question, call->lookups, hear, call);
    record(call, &question, &answer);
    return answer;
}

/* -- judged -- */

static struct reply reply_of(const struct spf_options *options, enum spf_result result, bool rejects)
{
    bool is_error = result == SPF_TEMPERROR || result == SPF_PERMERROR;
    struct reply reply = {.code = rejects ? 550 : 451,
                          .text = slice_of(is_error ? options->error_reply : options->reply)};
    snprintf(reply.enhanced, sizeof(reply.enhanced), "%c.%s", rejects ? '5' : '4', is_error ? ERROR_CODE : FAIL_CODE);
    return reply;
}

static struct verdict weigh(struct check_call *call, enum spf_identity identity, const struct spf_answer *answer)
{
    const struct spf_options *options = call->options;
    struct transaction_memory *memory = call->transaction_memory;
    int act = options->acts[answer->result];
    struct verdict verdict = VERDICT_NONE;
    snprintf(memory->reason, sizeof(memory->reason), "SPF %s%s: %s", identity == SPF_HELO ? "of HELO " : "",
             spf_result_name(answer->result), answer->why);
    verdict.unsure = answer->result == SPF_TEMPERROR && act == UNSURE;
    if (!verdict.unsure)
        verdict.action = act == DEFERS ? ACTION_DEFER : act == REJECTS ? ACTION_REJECT : ACTION_NONE;
    if (act != ACCEPTS)
        verdict.reason = memory->reason;
    if (verdict.action != ACTION_NONE)
        verdict.reply = reply_of(options, answer->result, act == REJECTS);
    if (act == SCORES)
        verdict.score = (int)options->points[answer->result];
    if (verdict.score > 0)
        note(call, "%d points", verdict.score);
    return verdict;
}

static bool forwards(const struct check_call *call)
{
    const struct spf_options *options = call->options;
    if (!session_client_is_in(call->session, &options->forwarders))
        return false;
    note((struct check_call *)call, "forwards the mail of others: nothing follows from it");
    return true;
}

/* Who fails by both is refused for the sender, whom people know. */
static bool helo_counts_more(const struct spf_options *options, const struct spf_answer *helo,
                             const struct spf_answer *sender)
{
    return helo->result == SPF_FAIL && sender->result != SPF_FAIL &&
           options->acts[SPF_FAIL] >= options->acts[sender->result];
}

static void note_standing(struct check_call *call)
{
    enum standing standing = sender_domain_standing(call->session);
    if (standing != STANDING_UNKNOWN)
        note(call, "the sender's domain has a %s reputation", standing_name(standing));
}

static struct verdict judge_mail(struct check_call *call)
{
    const struct spf_options *options = call->options;
    bool by_sender = has_sender(call->session);
    struct spf_answer helo = {SPF_NONE, ""}, answer;
    if (!is_asked_about(call))
        return VERDICT_NONE;
    if (by_sender) /* first: a name of HELO that takes all the time takes none of its */
        answer = check_sender(call);
    note_standing(call);
    if (!by_sender || options->helo)
        helo = check_helo(call);
    if (!by_sender)
        answer = helo;
    if (forwards(call))
        return VERDICT_NONE;
    if (by_sender && helo_counts_more(options, &helo, &answer))
        return weigh(call, SPF_HELO, &helo);
    return weigh(call, by_sender ? SPF_MAILFROM : SPF_HELO, &answer);
}

static void learn(struct check_call *call, const struct outcome *outcome)
{
    if (outcome->kind == OUTCOME_MESSAGE)
        sender_domain_learn(call->session, outcome);
}

extern const struct check check_spf;
const struct check check_spf = {
    .name = "spf",
    .options = &block,
    .session_bytes = sizeof(struct session_memory),
    .transaction_bytes = sizeof(struct transaction_memory),
    .ask = {[STAGE_HELO] = ask_helo, [STAGE_MAIL] = ask_mail},
    .judge = {[STAGE_MAIL] = judge_mail},
    .learn = learn,
};
