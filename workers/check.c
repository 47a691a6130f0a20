/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/must.h"
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

void note(struct check_call *call, const char *format, ...)
{
    va_list args;
    if (call->notes->count == NOTES_MAX)
        return;
    struct note *next = &call->notes->items[call->notes->count++];
    next->check = call->check->name;
    va_start(args, format);
    vsnprintf(next->text, sizeof(next->text), format, args);
    va_end(args);
}

/* Memory of the checks lies one behind the other, in the order of the table. */
static size_t rounded(size_t size)
{
    return (size + 15) & ~(size_t)15;
}

static const void *options_of(const struct session *s, int index)
{
    static const struct check_options none = {MODE_ENFORCE};
    const void *options = s->options->policy->check_options[index];
    return options != NULL ? options : &none;
}

/* To the first check of the table, and from each to the next. */
static bool first_call(struct session *s, const struct path *recipient, struct check_call *call_out)
{
    *call_out = (struct check_call){
        .check = check_table[0],
        .options = options_of(s, 0),
        .session = s,
        .recipient = recipient,
        .allowed = s->allowed,
        .session_memory = s->check_session,
        .transaction_memory = s->check_transaction,
        .notes = &s->notes,
    };
    return check_table[0] != NULL;
}

static bool next_call(struct session *s, int index, struct check_call *call)
{
    call->session_memory = (unsigned char *)call->session_memory + rounded(call->check->session_bytes);
    call->transaction_memory = (unsigned char *)call->transaction_memory + rounded(call->check->transaction_bytes);
    call->check = check_table[index];
    call->options = options_of(s, index);
    return call->check != NULL;
}

enum mode check_cap(const struct session *s, enum mode mode)
{
    enum mode cap = (enum mode)s->options->policy->mode;
    if (cap > MODE_WATCH && s->setup->board != NULL && orders_bypass(s->setup->board->orders))
        cap = MODE_WATCH;
    return mode < cap ? mode : cap;
}

static enum mode mode_of(const struct session *s, const struct check_call *call)
{
    const struct check_options *options = call->options;
    return call->check->always ? (enum mode)options->mode : check_cap(s, (enum mode)options->mode);
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

void check_tell_watched(const struct check_call *call, enum stage stage, const struct verdict *verdict)
{
    const struct session *s = call->session;
    struct record r;
    if (verdict->action == ACTION_NONE)
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

static bool is_asked_of(const struct check *check, bool allowed)
{
    return !allowed || check->always || check->sees_allowed;
}

/* Not asked: switched off, without an opinion at this stage, or ended by an allow. */
static bool is_asked(const struct session *s, const struct check_call *call, enum stage stage, bool allowed)
{
    return mode_of(s, call) != MODE_OFF && call->check->judge[stage] != NULL && is_asked_of(call->check, allowed);
}

static void ask_all(struct session *s, enum stage stage, const struct path *recipient)
{
    struct check_call call;
    int i = 0;
    for (bool more = first_call(s, recipient, &call); more; more = next_call(s, ++i, &call)) {
        if (call.check->ask[stage] != NULL && mode_of(s, &call) != MODE_OFF)
            call.check->ask[stage](&call);
    }
}

/* For a recipient that is exempt the rest of policy may ask and count, but not refuse. Who is dropped still is. */
static void spare_exempt(const struct session *s, struct verdict *verdict)
{
    if (s->transaction.exempt && !verdict->always && !verdict->outlasts_allow && verdict->action < ACTION_DROP)
        verdict->action = ACTION_NONE;
}

struct verdict check_stage(struct session *s, enum stage stage, const struct path *recipient)
{
    struct verdict all = VERDICT_NONE;
    bool allowed = s->allowed;
    struct check_call call;
    int i = 0;
    ask_all(s, stage, recipient);
    for (bool more = first_call(s, recipient, &call); more; more = next_call(s, ++i, &call)) {
        if (!is_asked(s, &call, stage, allowed))
            continue;
        call.allowed = allowed;
        struct verdict one = call.check->judge[stage](&call);
        settle(s, &one);
        if (mode_of(s, &call) == MODE_WATCH) {
            check_tell_watched(&call, stage, &one);
            if (((const struct check_options *)call.options)->mode == MODE_ENFORCE)
                s->watched_score += one.score; /* the policy is what is watched */
            continue;
        }
        one.always = call.check->always;
        one.outlasts_allow = call.check->sees_allowed;
        if (stage >= STAGE_RCPT)
            spare_exempt(s, &one);
        allowed = allowed || one.allow;
        all = verdict_combine(&all, &one);
    }
    s->score += all.score;
    if (stage < STAGE_RCPT)
        s->allowed = allowed;
    return all;
}

void check_learn(struct session *s, const struct outcome *outcome, const struct path *recipient)
{
    struct check_call call;
    int i = 0;
    for (bool more = first_call(s, recipient, &call); more; more = next_call(s, ++i, &call)) {
        if (call.check->learn != NULL && mode_of(s, &call) != MODE_OFF)
            call.check->learn(&call, outcome);
    }
}

struct verdict check_tell(struct session *s, enum event event, uint64_t amount)
{
    struct verdict all = VERDICT_NONE;
    struct check_call call;
    int i = 0;
    for (bool more = first_call(s, NULL, &call); more; more = next_call(s, ++i, &call)) {
        if (call.check->tell == NULL || mode_of(s, &call) == MODE_OFF || !is_asked_of(call.check, s->allowed))
            continue;
        struct verdict one = call.check->tell(&call, event, amount);
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
}

void check_begin_transaction(struct session *s)
{
    size_t size = 0;
    for (int i = 0; check_table[i] != NULL; i++)
        size += rounded(check_table[i]->transaction_bytes);
    must(size <= sizeof(s->check_transaction));
    memset(s->check_transaction, 0, size);
}
