/* SPDX-License-Identifier: ISC
 *
 * limits - how much a client, a sender, a login .. may do in what time: the policy's limit NAME { }.
 *
 * What happens at a stage is charged there; what happens between stages is charged when it does, and looked at when the
 * client next wants something. What was charged is given back when the client was put off, since it will come again:
 * messages and recipients for any 4yz, a connection when greylisting alone was heard on it.
 * Each limit has a mode of its own. An allow of another check ends them; AUTH does not: it is about how much, not about
 * whom to trust.
 */
#include <stddef.h>

#include "workers/limits/limit_verdict.h"
#include "workers/limits/limit_words.h"
#include "workers/session.h"

/* What is done at a stage about what is counted. */
enum deed { NOTHING, CHARGE, LOOK };

/* clang-format off */
static const enum deed DEEDS[LIMIT_OFS][STAGES] = {
    [LIMIT_CONNECTIONS]   = {[STAGE_CONNECT] = CHARGE},
    [LIMIT_MESSAGES]      = {[STAGE_MAIL] = CHARGE},
    [LIMIT_RECIPIENTS]    = {[STAGE_RCPT] = CHARGE},
    [LIMIT_BYTES]         = {[STAGE_MAIL] = LOOK, [STAGE_DATA] = LOOK},
    [LIMIT_ERRORS]        = {[STAGE_TLS] = LOOK, [STAGE_CONNECT] = LOOK, [STAGE_AUTH] = LOOK, [STAGE_MAIL] = LOOK,
                             [STAGE_RCPT] = LOOK},
    [LIMIT_REFUSALS]      = {[STAGE_CONNECT] = LOOK, [STAGE_MAIL] = LOOK, [STAGE_RCPT] = LOOK},
    [LIMIT_AUTH_FAILURES] = {[STAGE_TLS] = LOOK, [STAGE_CONNECT] = LOOK, [STAGE_AUTH] = LOOK, [STAGE_MAIL] = LOOK,
                             [STAGE_RCPT] = LOOK},
    [LIMIT_HANDSHAKES]    = {[STAGE_TLS] = CHARGE},
};
/* clang-format on */

/* A text for each place in which a refusal may wait to be said, and one for those that never do. */
enum text { TEXT_CONNECT, TEXT_MAIL, TEXT_AT_ONCE, TEXTS };

struct session_memory {
    uint64_t noted, shown; /* limits, as bits */
    uint64_t connection;   /* limits that were charged for it */
    bool refuses;          /* for good, since before MAIL */
    char texts[TEXTS][LIMIT_TEXT_MAX];
};
struct transaction_memory {
    uint64_t message, recipient;     /* limits that were charged, of the recipient that is being answered */
    uint16_t recipients[LIMITS_MAX]; /* and of those that were accepted */
    bool refuses, refuses_recipient; /* for good */
};

static uint64_t bit(size_t index)
{
    return UINT64_C(1) << index;
}

static bool is_asked(const struct check_call *call)
{
    const struct session *s = call->session;
    bool is_over = call->allowed && s->auth == NULL;
    return s->options->policy->limits.count > 0 && s->setup->board != NULL && !is_over;
}

/* The limits that care, one after the other, beginning with *index. */
static bool next_case(const struct check_call *call, size_t *index, bool (*cares)(const struct limit *, int), int what,
                      struct limit_case *out)
{
    const struct block_list *limits = &call->session->options->policy->limits;
    for (; *index < limits->count; (*index)++) {
        const struct limit *limit = block_at(limits, *index);
        if (cares(limit, what) && check_cap(call->session, (enum mode)limit->mode) != MODE_OFF &&
            limit_find(call->session, *index, call->recipient, out))
            return true;
    }
    return false;
}

static bool is_enforced(const struct limit_case *c)
{
    return check_cap(c->s, (enum mode)c->limit->mode) == MODE_ENFORCE;
}

/* -- giving back -- */

static void give_back(const struct session *s, const struct path *recipient, uint64_t charged)
{
    struct limit_case c;
    for (size_t i = 0; charged != 0; i++, charged >>= 1) {
        if ((charged & 1) != 0 && limit_find(s, i, recipient, &c))
            limit_ask(&c, RATE_RETURN, 1);
    }
}

static void give_back_recipients(const struct session *s, const struct transaction_memory *memory)
{
    struct limit_case c; /* who counts for each recipient's domain is not known any more */
    for (size_t i = 0; i < s->options->policy->limits.count; i++) {
        if (memory->recipients[i] > 0 && limit_find(s, i, NULL, &c))
            limit_ask(&c, RATE_RETURN, memory->recipients[i]);
    }
}

static void settle_recipient(const struct check_call *call, const struct reply *reply)
{
    struct transaction_memory *memory = call->transaction_memory;
    uint64_t charged = memory->recipient;
    memory->recipient = 0;
    if (reply_class(reply) == 4)
        give_back(call->session, call->recipient, charged);
    for (size_t i = 0; reply_class(reply) == 2 && charged != 0; i++, charged >>= 1)
        memory->recipients[i] =
            (uint16_t)(memory->recipients[i] + ((charged & 1) != 0 && memory->recipients[i] < UINT16_MAX));
}

static void learn(struct check_call *call, const struct outcome *outcome)
{
    struct transaction_memory *memory = call->transaction_memory;
    struct session_memory *session = call->session_memory;
    if (call->session->options->policy->limits.count == 0 || call->session->setup->board == NULL)
        return;
    if (outcome->kind == OUTCOME_SESSION && outcome->deferred)
        give_back(call->session, NULL, session->connection);
    if (outcome->kind == OUTCOME_RECIPIENT && memory->recipient != 0)
        settle_recipient(call, outcome->reply);
    if (outcome->kind != OUTCOME_TRANSACTION || !outcome->deferred)
        return;
    give_back(call->session, NULL, memory->message);
    give_back_recipients(call->session, memory);
    *memory = (struct transaction_memory){0};
}

/* -- judging -- */

static bool cares_at(const struct limit *limit, int stage)
{
    return DEEDS[limit->of][stage] != NOTHING;
}

/* Whoever is only made to wait has had what was asked for, and pays for it. */
static enum rate_way way_of(const struct limit *limit, enum stage stage)
{
    if (DEEDS[limit->of][stage] == LOOK)
        return RATE_LOOK;
    return limit_refuses(limit) ? RATE_TAKE : RATE_ADD;
}

static struct limit_answer ask(const struct limit_case *c, enum stage stage)
{
    struct limit_answer rates = limit_ask(c, way_of(c->limit, stage), 1);
    if (c->limit->concurrent == 0)
        return rates;
    bool stays = !limit_refuses(c->limit) || !is_enforced(c);
    struct limit_answer seats = limit_sit(c, stays);
    if (rates.over)
        return rates;
    if (seats.over && !stays) /* what is refused costs nothing */
        limit_ask(c, RATE_RETURN, 1);
    return seats;
}

/* Once in a session for each limit. */
static void note_once(struct check_call *call, const struct limit_case *c, const struct limit_answer *answer)
{
    struct session_memory *memory = call->session_memory;
    char rate[LIMIT_RATE_WORDS_MAX], wait[LIMIT_WAIT_WORDS_MAX];
    if ((memory->noted & bit(c->index)) != 0)
        return;
    memory->noted |= bit(c->index);
    limit_rate_words(c->limit, answer->rate, rate);
    limit_wait_words(answer->wait_ms, wait);
    if (answer->wait_ms > 0)
        note_lasting(call, "%s: %s, over for %s", c->limit->name, rate, wait);
    else
        note_lasting(call, "%s: %s", c->limit->name, rate);
}

/* How near they are, for who only looks; once, too. */
static void show_use(struct check_call *call, const struct limit_case *c)
{
    struct session_memory *memory = call->session_memory;
    char rate[LIMIT_RATE_WORDS_MAX], key[HIT_KEY_MAX];
    if (!c->s->setup->looks_only || (memory->shown & bit(c->index)) != 0)
        return;
    memory->shown |= bit(c->index);
    limit_key_print(c->limit, c->s, c->recipient, key);
    for (size_t i = 0; i < c->limit->rates.count; i++) {
        limit_rate_words(c->limit, (int)i, rate);
        note(call, "%s: %lld of %s for %s", c->limit->name, (long long)limit_charged(c, i), rate, key);
    }
    limit_rate_words(c->limit, -1, rate);
    if (c->limit->concurrent > 0)
        note(call, "%s: %d of %s for %s", c->limit->name, limit_seats(c), rate, key);
}

static char *text_at(const struct check_call *call, enum stage stage)
{
    struct session_memory *memory = call->session_memory;
    return memory->texts[stage == STAGE_CONNECT ? TEXT_CONNECT : stage == STAGE_MAIL ? TEXT_MAIL : TEXT_AT_ONCE];
}

/* What a limit refuses is no reason to count against the client in another one. */
static void remember_refusal(const struct check_call *call, enum stage stage, const struct verdict *verdict)
{
    struct session_memory *session = call->session_memory;
    struct transaction_memory *transaction = call->transaction_memory;
    bool for_good = verdict->action == ACTION_REJECT;
    if (stage == STAGE_RCPT)
        transaction->refuses_recipient = for_good;
    else if (stage == STAGE_MAIL || stage == STAGE_DATA)
        transaction->refuses = transaction->refuses || for_good;
    else if (stage == STAGE_CONNECT)
        session->refuses = session->refuses || for_good;
}

/* What was charged to whom is asked for is remembered until it is known how that ended. */
static void remember_charge(const struct check_call *call, enum stage stage, uint64_t charged)
{
    struct transaction_memory *memory = call->transaction_memory;
    struct session_memory *session = call->session_memory;
    if (stage == STAGE_CONNECT)
        session->connection = charged;
    else if (stage == STAGE_MAIL)
        memory->message = charged;
    else if (stage == STAGE_RCPT)
        memory->recipient = charged;
}

/* What follows from one limit that is over. It has words only if it is severer than the others so far. */
static struct verdict weigh(struct check_call *call, enum stage stage, const struct limit_case *c,
                            const struct limit_answer *answer, const struct verdict *so_far)
{
    struct verdict verdict = limit_verdict(c->limit, answer);
    bool counts = is_enforced(c);
    note_once(call, c, answer);
    limit_tell(c, answer, counts);
    if (!counts) {
        check_tell_watched(call, stage, &verdict);
        return VERDICT_NONE;
    }
    limit_count(c->s->setup->board);
    verdict.at_once = verdict_refuses(&verdict) && answer->rate < 0; /* or it would be there, and counted nowhere */
    if (verdict_refuses(&verdict) && verdict.action > so_far->action)
        verdict.reply = limit_reply(c->limit, stage, answer, text_at(call, stage));
    return verdict;
}

/* Where bytes have their pace they wait as they come. */
static bool is_paced(const struct limit *limit)
{
    return limit->of == LIMIT_BYTES && limit->action == LIMIT_THROTTLE;
}

static struct verdict judge(struct check_call *call, enum stage stage)
{
    struct verdict all = VERDICT_NONE;
    struct limit_case c;
    uint64_t charged = 0;
    if (!is_asked(call))
        return VERDICT_NONE;
    for (size_t i = 0; next_case(call, &i, cares_at, (int)stage, &c); i++) {
        if (is_paced(c.limit))
            continue;
        show_use(call, &c);
        struct limit_answer answer = ask(&c, stage);
        if (DEEDS[c.limit->of][stage] == CHARGE && (!answer.over || !limit_refuses(c.limit)))
            charged |= bit(i);
        if (!answer.over)
            continue;
        struct verdict one = weigh(call, stage, &c, &answer, &all);
        all = verdict_combine(&all, &one);
    }
    if (verdict_refuses(&all)) {
        give_back(call->session, call->recipient, charged);
        charged = 0;
    }
    remember_charge(call, stage, charged);
    remember_refusal(call, stage, &all);
    return all;
}

static bool refuses_seats(const struct limit *limit, int unused)
{
    (void)unused;
    return limit->concurrent > 0 && limit_refuses(limit);
}

/* Who stalls in a handshake that comes first of all has its seat meanwhile: without one it gets none. */
static struct verdict judge_seats(struct check_call *call)
{
    struct verdict all = VERDICT_NONE;
    struct limit_case c;
    if (!is_asked(call) || call->session->options->tls.mode != TLS_MODE_IMPLICIT)
        return VERDICT_NONE;
    for (size_t i = 0; next_case(call, &i, refuses_seats, 0, &c); i++) {
        struct limit_answer answer = {0};
        if (is_enforced(&c))
            answer = limit_sit(&c, false);
        if (!answer.over)
            continue;
        struct verdict one = weigh(call, STAGE_TLS, &c, &answer, &all);
        all = verdict_combine(&all, &one);
    }
    return all;
}

static struct verdict judge_tls(struct check_call *call)
{
    struct verdict rates = judge(call, STAGE_TLS), seats = judge_seats(call);
    return verdict_combine(&rates, &seats);
}

static struct verdict judge_connect(struct check_call *call)
{
    return judge(call, STAGE_CONNECT);
}

static struct verdict judge_auth(struct check_call *call)
{
    return judge(call, STAGE_AUTH);
}

static struct verdict judge_mail(struct check_call *call)
{
    return judge(call, STAGE_MAIL);
}

static struct verdict judge_rcpt(struct check_call *call)
{
    return judge(call, STAGE_RCPT);
}

static struct verdict judge_data(struct check_call *call)
{
    return judge(call, STAGE_DATA);
}

/* -- what happens meanwhile -- */

static bool counts_event(const struct limit *limit, int event)
{
    static const enum limit_of counted[] = {
        [EVENT_ERROR] = LIMIT_ERRORS,
        [EVENT_REFUSAL] = LIMIT_REFUSALS,
        [EVENT_AUTH_FAILURE] = LIMIT_AUTH_FAILURES,
        [EVENT_OCTETS] = LIMIT_BYTES,
    };
    return limit->of == (int)counted[event];
}

static bool is_own_refusal(const struct check_call *call)
{
    const struct session_memory *session = call->session_memory;
    const struct transaction_memory *transaction = call->transaction_memory;
    return session->refuses || transaction->refuses || transaction->refuses_recipient;
}

/* As often as octets come: told once. */
static struct verdict pace(struct check_call *call, const struct limit_case *c, const struct limit_answer *answer)
{
    struct verdict verdict = limit_verdict(c->limit, answer);
    bool counts = is_enforced(c), is_new = limit_tell(c, answer, counts);
    note_once(call, c, answer);
    if (is_new && counts)
        limit_count(c->s->setup->board);
    else if (is_new)
        check_tell_watched(call, STAGE_MESSAGE, &verdict);
    return counts ? verdict : VERDICT_NONE;
}

static struct verdict tell(struct check_call *call, enum event event, uint64_t amount)
{
    struct verdict all = VERDICT_NONE;
    struct limit_case c;
    if (!is_asked(call) || (event == EVENT_REFUSAL && is_own_refusal(call)))
        return VERDICT_NONE;
    for (size_t i = 0; next_case(call, &i, counts_event, (int)event, &c); i++) {
        struct limit_answer answer = limit_ask(&c, RATE_ADD, amount);
        if (!answer.over || !is_paced(c.limit))
            continue;
        struct verdict one = pace(call, &c, &answer);
        all = verdict_combine(&all, &one);
    }
    return all;
}

extern const struct check check_limits;
const struct check check_limits = {
    .name = "limits",
    .binds = BINDS_ALLOWED_TOO,
    .session_bytes = sizeof(struct session_memory),
    .transaction_bytes = sizeof(struct transaction_memory),
    .judge = {[STAGE_TLS] = judge_tls,
              [STAGE_CONNECT] = judge_connect,
              [STAGE_AUTH] = judge_auth,
              [STAGE_MAIL] = judge_mail,
              [STAGE_RCPT] = judge_rcpt,
              [STAGE_DATA] = judge_data},
    .learn = learn,
    .tell = tell,
};
