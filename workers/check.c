/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/must.h"
#include "workers/observer.h"
#include "workers/prepared.h"
#include "workers/session.h"

static const struct reply REPLY_UNSURE = REPLY(451, "4.3.0", "This cannot be checked now, try again later");

int check_count(void)
{
    int count = 0;
    while (check_table[count] != NULL)
        count++;
    return count;
}

const char *stage_name(enum stage stage)
{
    static const char *const names[STAGES] = {"tls",  "connect", "greeting", "helo",   "auth",
                                              "mail", "rcpt",    "data",     "header", "message"};
    return names[stage];
}

static const struct observer *observer_of(const struct check_call *call)
{
    return call->session != NULL ? call->session->setup->observer : NULL;
}

static void put_note(struct check_call *call, bool lasts, const char *format, va_list args)
{
    const struct observer *observer = observer_of(call);
    struct note unkept, *next = &unkept;
    if (call->notes->count == NOTES_MAX && observer == NULL)
        return;
    if (call->notes->count < NOTES_MAX)
        next = &call->notes->items[call->notes->count++];
    next->check = call->check->name;
    next->lasts = lasts;
    vsnprintf(next->text, sizeof(next->text), format, args);
    if (observer != NULL)
        observer->noted(observer->context, call, next->text);
}

void note(struct check_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_note(call, false, format, args);
    va_end(args);
}

void note_lasting(struct check_call *call, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_note(call, true, format, args);
    va_end(args);
}

void notes_drop(struct notes *notes, int from)
{
    int kept = from;
    for (int i = from; i < notes->count; i++)
        if (notes->items[i].lasts)
            notes->items[kept++] = notes->items[i];
    notes->count = kept;
}

/* Memory of the checks lies one behind the other, in the order of the table. */
static size_t rounded(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static const struct check_options *options_of(const struct session *s, int index)
{
    static const struct check_options none = {MODE_ENFORCE};
    const void *options = s->options->policy->check_options[index];
    return options != NULL ? options : &none;
}

static struct check_call call_of(struct session *s, int index, enum stage stage, const struct path *recipient)
{
    size_t session_bytes = 0, transaction_bytes = 0;
    for (int i = 0; i < index; i++) {
        session_bytes += rounded(check_table[i]->session_bytes);
        transaction_bytes += rounded(check_table[i]->transaction_bytes);
    }
    return (struct check_call){
        .check = check_table[index],
        .options = options_of(s, index),
        .prepared = check_table[index]->preparation != NULL ? prepared_for(s->service->prepared, index) : NULL,
        .session = s,
        .recipient = recipient,
        .allowed = s->allowed,
        .session_memory = s->check_session + session_bytes,
        .transaction_memory = s->check_transaction + transaction_bytes,
        .notes = &s->notes,
        .lookups = &s->lookups,
        .results = stage < STAGE_MAIL ? &s->results : &s->transaction.results,
        .spf = &s->transaction.spf,
    };
}

enum mode check_cap(const struct session *s, enum mode mode)
{
    enum mode cap = (enum mode)s->options->policy->mode;
    if (cap > MODE_WATCH && s->setup->board != NULL && orders_bypass(s->setup->board->orders))
        cap = MODE_WATCH;
    return mode < cap ? mode : cap;
}

static enum mode mode_of(const struct session *s, int index)
{
    enum mode own = (enum mode)options_of(s, index)->mode;
    return check_table[index]->binds == BINDS_EVERYONE ? own : check_cap(s, own);
}

/* Who could not find out says so; what follows from it is decided here and nowhere else. */
static void settle(const struct session *s, struct verdict *verdict)
{
    if (!verdict->unsure || s->options->policy->on_unsure == ON_UNSURE_PASS)
        return;
    verdict->action = ACTION_DEFER;
    verdict->reply = REPLY_UNSURE;
    if (verdict->reason == NULL)
        verdict->reason = "unsure";
}

static void log_watched(const struct check_call *call, enum stage stage, const struct verdict *verdict)
{
    const struct session *s = call->session;
    struct record r;
    if (verdict->action == ACTION_NONE || s->setup->looks_only)
        return;
    record_begin(&r, "watched");
    record_string(&r, "session", s->id);
    record_string(&r, "client", s->client_text);
    record_string(&r, "check", call->check->name);
    record_string(&r, "stage", stage_name(stage));
    record_string(&r, "would", action_name(verdict->action));
    record_string(&r, "reason", verdict->reason);
    record_send(&r, LEVEL_INFO);
}

void check_tell_watched(const struct check_call *call, enum stage stage, const struct verdict *verdict)
{
    const struct observer *observer = observer_of(call);
    if (observer != NULL && verdict->action != ACTION_NONE)
        observer->watched(observer->context, call, stage, verdict);
    log_watched(call, stage, verdict);
}

static bool is_asked_of(const struct check *check, bool allowed)
{
    return !allowed || check->binds != BINDS_UNLESS_ALLOWED;
}

static void tell_begins(const struct check_call *call, enum stage stage)
{
    const struct observer *observer = observer_of(call);
    if (observer != NULL)
        observer->begins(observer->context, call, stage);
}

static void tell_judged(const struct check_call *call, enum stage stage, enum mode mode, const struct verdict *said,
                        const struct verdict *settled)
{
    const struct observer *observer = observer_of(call);
    if (observer != NULL)
        observer->judged(observer->context, &(struct judgement){call, stage, mode, said, settled});
}

static void ask_all(struct session *s, enum stage stage, const struct path *recipient)
{
    for (int i = 0; check_table[i] != NULL; i++) {
        bool is_wanted = check_table[i]->ask[stage] != NULL && is_asked_of(check_table[i], s->allowed);
        if (!is_wanted || mode_of(s, i) == MODE_OFF)
            continue;
        struct check_call call = call_of(s, i, stage, recipient);
        tell_begins(&call, stage);
        call.check->ask[stage](&call);
    }
}

/* For a recipient that is exempt the rest of policy may ask and count, but not refuse. Who is dropped still is. */
static void spare_exempt(const struct session *s, struct verdict *verdict)
{
    if (s->transaction.exempt && verdict->binds == BINDS_UNLESS_ALLOWED && verdict->action < ACTION_DROP)
        verdict->action = ACTION_NONE;
}

/* Points of the sender, of recipients and content are the transaction's: or who relays for many would be refused for
 * the sum of their messages. `sum` is the session's score, or its watched one. */
static void add_score(struct session *s, enum stage stage, int *sum, int points)
{
    struct transaction *t = &s->transaction;
    bool counts = sum == &s->score;
    int before = *sum;
    int64_t all = (int64_t)before + points;
    *sum = (int)(all > SCORE_MAX ? SCORE_MAX : all < -SCORE_MAX ? -SCORE_MAX : all);
    if (stage >= STAGE_MAIL)
        *(counts ? &t->score : &t->watched_score) += *sum - before;
    else if (stage == STAGE_HELO)
        *(counts ? &s->hello_score : &s->hello_watched) += *sum - before;
    if (s->score > s->score_most)
        s->score_most = s->score;
}

/* What is only watched. Its points are what the score would be: of a watched policy, if that were enforced; else if
 * this check were. */
static void watch(struct session *s, const struct check_call *call, enum stage stage, const struct verdict *verdict)
{
    log_watched(call, stage, verdict);
    bool is_watched_itself = ((const struct check_options *)call->options)->mode != MODE_ENFORCE;
    if (!is_watched_itself || check_cap(s, MODE_ENFORCE) == MODE_ENFORCE)
        add_score(s, stage, &s->watched_score, verdict->score);
}

/* What any of them asked is for inside and the trace, too, once it is heard. */
static void learn_name(struct session *s)
{
    client_name_go_on(&s->lookups);
    client_name_say(&s->lookups.client_name, &s->client_name, &s->client_reverse_name);
}

/* What one of them says, settled. */
static struct verdict judge_one(struct session *s, struct check_call *call, enum stage stage, enum mode mode)
{
    tell_begins(call, stage);
    struct verdict said = call->check->judge[stage](call), one = said;
    settle(s, &one);
    one.binds = call->check->binds;
    if (mode == MODE_ENFORCE && stage >= STAGE_RCPT)
        spare_exempt(s, &one);
    tell_judged(call, stage, mode, &said, &one);
    return one;
}

struct verdict check_stage(struct session *s, enum stage stage, const struct path *recipient)
{
    struct verdict all = VERDICT_NONE;
    bool allowed = s->allowed;
    ask_all(s, stage, recipient);
    for (int i = 0; check_table[i] != NULL; i++) {
        const struct check *check = check_table[i];
        enum mode mode = check->judge[stage] != NULL ? mode_of(s, i) : MODE_OFF;
        if (mode == MODE_OFF)
            continue;
        struct check_call call = call_of(s, i, stage, recipient);
        call.allowed = allowed;
        call.is_refused = all.action >= ACTION_REJECT;
        if (!is_asked_of(check, allowed)) {
            tell_judged(&call, stage, MODE_OFF, &VERDICT_NONE, &VERDICT_NONE);
            continue;
        }
        struct verdict one = judge_one(s, &call, stage, mode);
        if (mode == MODE_WATCH) {
            watch(s, &call, stage, &one);
            continue;
        }
        s->deeds.spoilt += one.spoils;
        s->deeds.greylisted |= one.greylists && verdict_refuses(&one) && !verdict_refuses(&all);
        allowed = allowed || one.allow;
        all = verdict_combine(&all, &one);
    }
    add_score(s, stage, &s->score, all.score);
    learn_name(s);
    if (stage < STAGE_RCPT)
        s->allowed = allowed;
    return all;
}

void check_learn(struct session *s, const struct outcome *outcome, const struct path *recipient)
{
    for (int i = 0; check_table[i] != NULL; i++) {
        if (check_table[i]->learn == NULL || mode_of(s, i) == MODE_OFF)
            continue;
        struct check_call call = call_of(s, i, STAGE_MESSAGE, recipient);
        call.check->learn(&call, outcome);
    }
}

struct verdict check_tell(struct session *s, enum event event, uint64_t amount)
{
    struct verdict all = VERDICT_NONE;
    for (int i = 0; check_table[i] != NULL; i++) {
        const struct check *check = check_table[i];
        if (check->tell == NULL || !is_asked_of(check, s->allowed) || mode_of(s, i) == MODE_OFF)
            continue;
        struct check_call call = call_of(s, i, STAGE_MESSAGE, NULL);
        struct verdict one = check->tell(&call, event, amount);
        all = verdict_combine(&all, &one);
    }
    return all;
}

/* Only what a check may look at. */
void check_begin_session(struct session *s)
{
    size_t size = 0;
    for (int i = 0; check_table[i] != NULL; i++)
        size += rounded(check_table[i]->session_bytes);
    must(size <= sizeof(s->check_session));
    memset(s->check_session, 0, size);
    s->notes.count = 0;
    s->results = (struct results){0};
    lookups_begin_session(&s->lookups, s->setup->dns, &s->lookup_host,
                          s->service->resolver != NULL ? s->service->resolver->deadline_ms : 0);
    client_name_take(&s->lookups, &s->client_name, &s->client_reverse_name);
}

void check_begin_transaction(struct session *s)
{
    size_t size = 0;
    for (int i = 0; check_table[i] != NULL; i++)
        size += rounded(check_table[i]->transaction_bytes);
    must(size <= sizeof(s->check_transaction));
    memset(s->check_transaction, 0, size);
    lookups_begin_transaction(&s->lookups);
}
