/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "workers/decide.h"
#include "workers/observer.h"
#include "workers/pressure.h"
#include "workers/tarpit.h"

static const struct reply REPLY_NOTHING = {0};
static const struct reply REPLY_LATER = REPLY(451, "4.7.1", "Refused by local policy, try again later");
static const struct reply REPLY_NO = REPLY(554, "5.7.1", "Refused by local policy");

static const struct decide_options *options_of(const struct session *s)
{
    return &s->options->policy->decide;
}

/* -- the score -- */

/* Of a watched policy, or watched checks, it is said once what the score would have done, and again when that would be
 * worse. */
static void tell_watched(struct session *s, enum stage stage, const struct verdict *verdict)
{
    static const struct check score = {.name = "score"};
    const struct check_call call = {.check = &score, .session = s};
    if (verdict->action <= s->watched)
        return;
    s->watched = verdict->action;
    check_tell_watched(&call, stage, verdict);
}

/* What the points alone lead to. The banner has one delay, which is that of STAGE_GREETING; a handshake has none. */
static struct verdict weigh(struct session *s, enum stage stage, int points)
{
    const struct decide_options *options = options_of(s);
    struct verdict verdict = VERDICT_NONE;
    bool refuses = stage != STAGE_TLS && stage != STAGE_AUTH;
    if (stage != STAGE_CONNECT && stage != STAGE_TLS)
        verdict.delay_ms = decide_options_delay(options, points);
    if (verdict.delay_ms > 0)
        verdict.action = ACTION_DELAY;
    if (refuses && options->defer_at > 0 && points >= options->defer_at) {
        verdict.action = ACTION_DEFER;
        verdict.reply = REPLY_LATER;
    }
    if (refuses && options->reject_at > 0 && points >= options->reject_at) {
        verdict.action = ACTION_REJECT;
        verdict.reply = REPLY_NO;
    }
    if (verdict.action != ACTION_NONE)
        snprintf(s->score_text, sizeof(s->score_text), "score %d", points);
    verdict.reason = s->score_text;
    return verdict;
}

/* Policy has ended for an allowed client, and for a recipient that is exempt. */
static void add_score(struct session *s, enum stage stage, struct verdict *all)
{
    enum mode mode = check_cap(s, MODE_ENFORCE);
    if (mode == MODE_OFF || s->allowed || s->transaction.exempt)
        return;
    enum action now = mode == MODE_WATCH ? ACTION_NONE : weigh(s, stage, s->score).action;
    struct verdict would = weigh(s, stage, s->score + s->watched_score);
    if (would.action > now)
        tell_watched(s, stage, &would);
    struct verdict own = weigh(s, stage, s->score);
    if (mode != MODE_WATCH && own.action != ACTION_NONE)
        *all = verdict_combine(all, &own);
}

static void show_score(const struct session *s)
{
    struct scoreboard *board = s->setup->board;
    if (board == NULL)
        return;
    slot_begin(board)->score = s->score;
    slot_end(board);
}

/* -- recipients that are exempt -- */

static bool is_exempt(const struct session *s, enum stage stage, const struct path *recipient)
{
    const struct transaction *t = &s->transaction;
    if (stage == STAGE_RCPT)
        return decide_options_exempt(options_of(s), recipient);
    return stage > STAGE_RCPT && t->accepted_recipients > 0 && t->exempt_recipients == t->accepted_recipients;
}

/* -- the refusal that waits -- */

static const struct waiting *find_waiting(const struct session *s, bool pardons)
{
    const struct waiting *const all[] = {&s->waiting[WAITS_SINCE_GREETING], &s->waiting[WAITS_SINCE_HELLO],
                                         &s->transaction.waiting};
    const struct waiting *worst = NULL;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        bool holds = all[i]->action != ACTION_NONE && (!pardons || all[i]->binds != BINDS_UNLESS_ALLOWED);
        if (holds && (worst == NULL || all[i]->action > worst->action))
            worst = all[i];
    }
    return check_cap(s, MODE_ENFORCE) == MODE_ENFORCE ? worst : NULL;
}

const struct waiting *decide_waiting(const struct session *s)
{
    return find_waiting(s, s->allowed);
}

bool decide_refuses_all(const struct session *s)
{
    return decide_waiting(s) != NULL;
}

static struct waiting *place_of(struct session *s, enum stage stage)
{
    if (stage == STAGE_MAIL)
        return &s->transaction.waiting;
    return &s->waiting[stage == STAGE_HELO ? WAITS_SINCE_HELLO : WAITS_SINCE_GREETING];
}

static bool has_to_wait(const struct session *s, enum stage stage, const struct verdict *verdict)
{
    bool may_wait = stage == STAGE_CONNECT || stage == STAGE_GREETING || stage == STAGE_HELO || stage == STAGE_MAIL;
    return may_wait && options_of(s)->decide == DECIDE_AT_RCPT && verdict_refuses(verdict) &&
           verdict->action != ACTION_DROP && verdict->binds != BINDS_EVERYONE && !verdict->at_once;
}

/* Whatever memory of a check its words lie in, they have to last. */
static void let_wait(struct waiting *waiting, const struct verdict *verdict)
{
    if (verdict->action <= waiting->action)
        return;
    size_t size = verdict->reply.text.size < WAITING_TEXT_MAX ? verdict->reply.text.size : WAITING_TEXT_MAX;
    memcpy(waiting->text, verdict->reply.text.at, size);
    waiting->action = verdict->action;
    waiting->binds = verdict->binds;
    waiting->reply = verdict->reply;
    waiting->reply.text = slice_make(waiting->text, size);
    snprintf(waiting->reason, sizeof(waiting->reason), "%s", verdict->reason != NULL ? verdict->reason : "");
}

/* At RCPT. What this very recipient is refused for goes first where it is as bad; the score, which has no better words,
 * last. */
static void heed_waiting(const struct session *s, struct verdict *verdict)
{
    const struct waiting *waiting = find_waiting(s, s->allowed || s->transaction.exempt);
    if (waiting == NULL || waiting->action <= verdict->action)
        return;
    verdict->action = waiting->action;
    verdict->reply = waiting->reply;
    verdict->reason = waiting->reason;
}

static struct verdict judge(struct session *s, enum stage stage, const struct path *recipient)
{
    int before = s->score;
    s->transaction.exempt = is_exempt(s, stage, recipient);
    struct verdict all = check_stage(s, stage, recipient);
    if (stage == STAGE_RCPT && all.allow)
        s->transaction.exempt = true;
    if (stage == STAGE_RCPT)
        heed_waiting(s, &all);
    add_score(s, stage, &all);
    if (s->score != before)
        show_score(s);
    return all;
}

/* -- what is done -- */

static bool is_never_held(const struct session *s, const struct verdict *verdict)
{
    return session_is_trusted(s) || s->rules.is_never_held || verdict->allow;
}

static void throttle(struct session *s, uint32_t rate_bytes)
{
    if (rate_bytes > 0 && (s->rate_bytes == 0 || rate_bytes < s->rate_bytes))
        s->rate_bytes = rate_bytes;
}

static bool hold(struct session *s, const struct verdict *verdict)
{
    bool is_spared = is_never_held(s, verdict);
    int64_t listen = is_spared || verdict->action == ACTION_DROP ? 0 : verdict->listen_ms;
    int64_t ms = is_spared ? 0 : verdict->delay_ms;
    if (verdict->owed_ms > ms)
        ms = verdict->owed_ms;
    if (listen > ms)
        ms = listen;
    return ms <= 0 || tarpit_hold(s, ms, listen > 0) != HELD_ENDED;
}

/* The client hung up, or others needed the room, while DNS was waited for: what the checks say was not found out. */
static bool was_interrupted(struct session *s)
{
    if (s->lookups.interrupted == IO_OK)
        return false;
    if (s->lookups.interrupted == IO_ROOM)
        pressure_make_room(s);
    else
        session_end(s, "client hung up");
    return true;
}

static void tell_observer(const struct session *s, const struct decision *decision)
{
    const struct observer *observer = s->setup->observer;
    if (observer != NULL)
        observer->decided(observer->context, decision);
}

bool decide_stage(struct session *s, enum stage stage, const struct path *recipient, struct reply *reply_out)
{
    struct verdict verdict = judge(s, stage, recipient);
    *reply_out = REPLY_NOTHING;
    if (was_interrupted(s))
        return false;
    throttle(s, verdict.rate_bytes);
    int64_t held_before_ms = s->held_ms;
    if (!hold(s, &verdict))
        return false;
    bool waits = has_to_wait(s, stage, &verdict);
    tell_observer(s, &(struct decision){stage, &verdict, s->held_ms - held_before_ms, waits});
    if (waits) {
        let_wait(place_of(s, stage), &verdict);
        return true;
    }
    if (!verdict_refuses(&verdict))
        return true;
    *reply_out = verdict.reply;
    s->transaction.reason = verdict.reason;
    if (verdict.action == ACTION_DROP)
        session_end(s, verdict.reason);
    return false;
}

struct verdict decide_message(struct session *s, enum stage stage)
{
    struct verdict verdict = judge(s, stage, NULL);
    throttle(s, verdict.rate_bytes);
    return verdict;
}
