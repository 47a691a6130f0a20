/* SPDX-License-Identifier: ISC
 *
 * greylist - who was never seen is asked to come again a little later: mail servers do, most of what sends junk does
 * not. The storekeeper remembers who came when (common/store.h), and says how long there is to wait.
 *
 * Asked at RCPT; a message from <> at DATA, with its first recipient, since call-outs never get so far and have to
 * pass. Where nobody can say, everybody passes, whatever on_unsure says: or mail would wait for as long as that lasts.
 * Who is refused for good anyway is not written down. What is known to be good is not asked about; but what it delivers
 * counts for its allowance, since a good name fades within days, and who was here every day would have to wait then.
 */
#include <stdio.h>

#include "common/clock.h"

#include "workers/decide.h"
#include "workers/greylist_options.h"
#include "workers/sender_domain.h"
#include "workers/session.h"
#include "workers/store_client.h"

static const struct reply REPLY_COME_AGAIN = REPLY(451, "4.7.1", "");
#define REPLY_TEXT "Greylisted, please try again in %lld second%s"
static const char REASON[] = "greylisted";

enum { TEXT_MAX = 80 };

static const char *needs_store(const void *options)
{
    return ((const struct check_options *)options)->mode != MODE_OFF ? "mode" : NULL;
}

struct session_memory {
    char text[TEXT_MAX]; /* of the reply */
};
struct transaction_memory {
    bool was_asked, waits_for_data;
    bool was_spared;      /* for being good, and that noted */
    bool was_noted;       /* the last answer */
    struct store_key key; /* that was asked about, or will be at DATA */
    struct store_answer answer;
};

/* -- who is spared -- */

static bool is_known(const struct session *s)
{
    return s->client.kind == ENDPOINT_IP && !s->client_untold;
}

/* Words for the note. NULL: nothing is known for it. */
static const char *is_good_by(const struct session *s)
{
    if (s->standing == STANDING_GOOD)
        return "its network has a good reputation";
    if (s->score < 0)
        return "its score is below 0";
    if (sender_domain_standing(s) == STANDING_GOOD)
        return "the sender's domain has a good reputation";
    return NULL;
}

static bool is_refused_anyway(const struct check_call *call)
{
    const struct waiting *waiting = decide_waiting(call->session);
    return call->is_refused || (waiting != NULL && waiting->action >= ACTION_REJECT);
}

static bool is_spared(struct check_call *call)
{
    const struct session *s = call->session;
    struct transaction_memory *memory = call->transaction_memory;
    if (!is_known(s) || s->auth != NULL || s->transaction.exempt || is_refused_anyway(call))
        return true;
    const char *why = is_good_by(s);
    if (why != NULL && !memory->was_spared)
        note(call, "spared: %s", why);
    memory->was_spared = why != NULL;
    return memory->was_spared;
}

/* -- about what -- */

static struct slice client_part(const struct check_call *call, char text[NETWORK_TEXT_MAX])
{
    const struct greylist_options *options = call->options;
    const struct ipaddr *address = &call->session->client.address;
    struct slice domain;
    if (sender_domain_passed(call->session, &domain))
        return domain;
    int64_t prefix = address->family == 4 ? options->ipv4_prefix : options->ipv6_prefix;
    struct network network = network_of(address, (unsigned)prefix);
    network_print(&network, text);
    return slice_of(text);
}

/* However it was written. */
static void put_address(struct buffer *to, const struct path *path)
{
    char plain[PATH_MAX_OCTETS];
    buffer_put(to, path_plain_local(path, plain));
    if (path->domain.size > 0)
        buffer_put_char(to, '@');
    buffer_put(to, slice_without_dot(path->domain));
}

static void make_key(const struct check_call *call, const struct path *recipient, struct store_key *key_out)
{
    const struct greylist_options *options = call->options;
    const struct path *sender = &call->session->transaction.sender;
    char network[NETWORK_TEXT_MAX], from[PATH_MAX_OCTETS + 2], to[PATH_MAX_OCTETS + 2];
    struct buffer sender_part, recipient_part;
    buffer_init(&sender_part, from, sizeof(from));
    buffer_init(&recipient_part, to, sizeof(to));
    if (options->key >= KEY_SENDER && sender->is_null)
        buffer_put_text(&sender_part, "<>");
    else if (options->key >= KEY_SENDER)
        put_address(&sender_part, sender);
    if (options->key >= KEY_RECIPIENT)
        put_address(&recipient_part, recipient);
    store_key_grey(key_out, client_part(call, network), buffer_unread(&sender_part), buffer_unread(&recipient_part));
}

/* -- asked -- */

static void make_request(const struct check_call *call, enum store_deed deed, struct store_request *out)
{
    const struct greylist_options *options = call->options;
    const struct transaction_memory *memory = call->transaction_memory;
    store_request_init(out, deed, store_key_slice(&memory->key));
    out->delay_s = (uint32_t)clock_whole_s(options->delay_ms);
    out->window_s = (uint32_t)clock_whole_s(options->window_ms);
    out->lifetime_s = (uint32_t)clock_whole_s(options->lifetime_ms);
    out->allow_after = (uint32_t)options->allow_after;
}

static const char *words_of(const struct store_answer *answer)
{
    switch (answer->outcome) {
    case STORE_PASS:
        return answer->seconds == STORE_BY_ALLOWANCE ? "has an allowance" : "has waited";
    case STORE_FIRST:
        return "first seen";
    case STORE_EARLY:
        return "too early";
    case STORE_UNSURE:
    case STORE_DONE:
    case STORE_OUTCOMES:
        break;
    }
    return "passes, the memory on disk cannot say";
}

static bool has_to_wait(const struct store_answer *answer)
{
    return answer->outcome == STORE_FIRST || answer->outcome == STORE_EARLY;
}

/* Not for each of a thousand recipients the same. */
static void note_answer(struct check_call *call, const struct store_answer *answer)
{
    struct transaction_memory *memory = call->transaction_memory;
    char network[NETWORK_TEXT_MAX];
    struct slice client = client_part(call, network);
    if (memory->was_noted && memory->answer.outcome == answer->outcome)
        return;
    memory->was_noted = true;
    if (has_to_wait(answer))
        note(call, "%.*s: %s, %lld s to wait", SLICE_ARGS(client), words_of(answer), (long long)answer->seconds);
    else
        note(call, "%.*s: %s", SLICE_ARGS(client), words_of(answer));
}

static void ask(struct check_call *call)
{
    struct transaction_memory *memory = call->transaction_memory;
    struct store_request request;
    make_request(call, STORE_ATTEMPT, &request);
    struct store_answer answer = store_client_ask(call->session, &request);
    note_answer(call, &answer);
    memory->answer = answer;
    memory->was_asked = true;
}

static struct verdict weigh(struct check_call *call)
{
    struct session_memory *session = call->session_memory;
    const struct store_answer *answer = &((struct transaction_memory *)call->transaction_memory)->answer;
    if (!has_to_wait(answer))
        return VERDICT_NONE;
    int size = snprintf(session->text, sizeof(session->text), REPLY_TEXT, (long long)answer->seconds,
                        answer->seconds == 1 ? "" : "s");
    struct verdict verdict = {.action = ACTION_DEFER,
                              .reply = REPLY_COME_AGAIN,
                              .reason = REASON,
                              .greylists = decide_waiting(call->session) == NULL};
    verdict.reply.text = slice_make(session->text, (size_t)size);
    return verdict;
}

/* Nobody is there, and nothing may be written down. */
static struct verdict look_only(struct check_call *call)
{
    struct store_key key;
    make_key(call, call->recipient, &key);
    struct slice text = store_key_slice(&key);
    note(call, "would ask the greylist about %.*s%s", SLICE_ARGS(text),
         call->session->transaction.sender.is_null ? ", at DATA" : "");
    return VERDICT_NONE;
}

static struct verdict judge_rcpt(struct check_call *call)
{
    const struct greylist_options *options = call->options;
    struct transaction_memory *memory = call->transaction_memory;
    if (is_spared(call)) {
        if (memory->was_spared)
            make_key(call, call->recipient, &memory->key);
        return VERDICT_NONE;
    }
    if (call->session->setup->looks_only)
        return look_only(call);
    if (call->session->transaction.sender.is_null)
        return VERDICT_NONE;
    if (!memory->was_asked || options->key >= KEY_RECIPIENT) {
        make_key(call, call->recipient, &memory->key);
        ask(call);
    }
    return weigh(call);
}

static struct verdict judge_data(struct check_call *call)
{
    struct transaction_memory *memory = call->transaction_memory;
    if (!memory->waits_for_data || is_spared(call))
        return VERDICT_NONE;
    ask(call);
    return weigh(call);
}

/* -- told -- */

/* Of a message from <>, since nothing was asked so far. */
static void keep_recipient(const struct check_call *call, const struct outcome *outcome)
{
    struct transaction_memory *memory = call->transaction_memory;
    const struct transaction *t = &call->session->transaction;
    if (reply_class(outcome->reply) != 2 || !t->sender.is_null || t->exempt || memory->waits_for_data)
        return;
    make_key(call, call->recipient, &memory->key);
    memory->waits_for_data = true;
}

static void learn(struct check_call *call, const struct outcome *outcome)
{
    const struct greylist_options *options = call->options;
    struct transaction_memory *memory = call->transaction_memory;
    struct store_request request;
    if (outcome->kind == OUTCOME_RECIPIENT && is_known(call->session))
        keep_recipient(call, outcome);
    if (options->allow_after == 0 || outcome->kind != OUTCOME_MESSAGE || !outcome->delivered ||
        !(memory->was_asked || memory->was_spared))
        return;
    make_request(call, STORE_DELIVERED, &request);
    store_client_tell(call->session, &request);
    memory->was_asked = memory->was_spared = false;
}

extern const struct check check_greylist;
const struct check check_greylist = {
    .name = "greylist",
    .options = &greylist_block,
    .needs_store = needs_store,
    .session_bytes = sizeof(struct session_memory),
    .transaction_bytes = sizeof(struct transaction_memory),
    .judge = {[STAGE_RCPT] = judge_rcpt, [STAGE_DATA] = judge_data},
    .learn = learn,
};
