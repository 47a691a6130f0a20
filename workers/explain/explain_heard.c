/* SPDX-License-Identifier: ISC
 *
 * What explain hears of the checks, as records. An answer of DNS is told with the check that asked for it, before what
 * that check makes of it.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/control_send.h"
#include "workers/explain/explain_internal.h"

enum { ANSWERS_TOLD_MAX = 16 };

/* -- records -- */

void explain_flush(struct explain *x)
{
    if (!control_send(x->fd, &x->out, x->deadline_ms))
        _exit(0);
}

struct buffer *explain_record(struct explain *x, const char *kind)
{
    if (buffer_room(&x->out) < CONTROL_RECORD_MAX)
        explain_flush(x);
    control_begin(&x->out, kind);
    return &x->out;
}

struct buffer *explain_record_of(struct explain *x, const char *kind, enum stage stage)
{
    struct buffer *to = explain_record(x, kind);
    control_string(to, "stage", stage_name(stage));
    return to;
}

void explain_put_reply(struct buffer *to, const struct reply *reply)
{
    char text[EXPLAIN_TEXT_MAX];
    if (reply->code == 0)
        return;
    int size = snprintf(text, sizeof(text), "%d %s%s%.*s", reply->code, reply->enhanced,
                        reply->enhanced[0] != '\0' ? " " : "", SLICE_ARGS(reply->text));
    for (int i = 0; i < size && text[i] != '\0'; i++)
        if (text[i] == '\n')
            text[i] = ' ';
    control_string(to, "reply", text);
}

/* -- DNS -- */

static void print_record(struct buffer *to, enum dns_type type, const struct dns_record *record)
{
    char address[IPADDR_TEXT_MAX];
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        ipaddr_print(&record->address, address);
        buffer_put_text(to, address);
        break;
    case DNS_MX:
        buffer_print(to, "%u %s", record->preference, record->name[0] != '\0' ? record->name : ".");
        break;
    case DNS_PTR:
        buffer_put_text(to, record->name);
        break;
    case DNS_TXT:
    case DNS_TYPES:
        buffer_print(to, "\"%.*s\"", SLICE_ARGS(record->text));
        break;
    }
}

/* As many whole ones as fit. */
static void put_answers(struct buffer *to, const struct lookup *lookup)
{
    char memory[CONTROL_RECORD_MAX / 4];
    struct buffer text;
    buffer_init(&text, memory, sizeof(memory));
    int i = 0;
    for (; i < lookup->count && i < ANSWERS_TOLD_MAX; i++) {
        size_t before = text.end;
        if (i > 0)
            buffer_put_text(&text, ", ");
        print_record(&text, lookup->type, &lookup->records[i]);
        if (!text.overflow)
            continue;
        text.end = before;
        break;
    }
    control_text(to, "answer", buffer_unread(&text));
    control_number(to, "records", lookup->count);
    control_flag(to, "more", lookup->cut || i < lookup->count);
}

static void tell_lookup(struct explain *x, const struct lookup *lookup, const char *check)
{
    struct buffer *to = explain_record_of(x, "dns", x->stage);
    control_string(to, "check", check);
    control_string(to, "type", dns_type_name(lookup->type));
    control_string(to, "name", lookup->name);
    control_string(to, "status", lookup->was_late ? "no answer in time" : dns_status_name(lookup->status));
    if (lookup->status == DNS_FOUND)
        put_answers(to, lookup);
    if (lookup->status != DNS_ASKED)
        control_number(to, "took_ms", lookup->took_ms);
    control_end(to);
}

static struct explain_question *question_of(struct explain *x, const struct lookup *lookup)
{
    struct lookups *l = &x->session->lookups;
    for (int scope = 0; scope < LOOKUP_SCOPES; scope++)
        if (lookup >= l->items[scope] && lookup < l->items[scope] + LOOKUPS_MAX)
            return &x->questions[scope][lookup - l->items[scope]];
    return &x->questions[LOOKUP_ONCE][0];
}

static void hear_asked(void *context, const struct lookup *lookup)
{
    struct explain *x = context;
    *question_of(x, lookup) = (struct explain_question){.check = x->check};
}

/* Of LOOKUP_ONCE the next question may take the place. */
static void hear_answered(void *context, const struct lookup *lookup)
{
    struct explain *x = context;
    struct explain_question *question = question_of(x, lookup);
    if (question < x->questions[LOOKUP_ONCE] || question >= x->questions[LOOKUP_ONCE] + LOOKUPS_MAX)
        return;
    tell_lookup(x, lookup, question->check);
    question->told = true;
}

/* Of this check; of all with NULL, what has no answer too. */
static void tell_lookups(struct explain *x, const char *check)
{
    const struct lookups *l = &x->session->lookups;
    for (int scope = 0; scope < LOOKUP_ONCE; scope++) {
        for (int i = 0; i < l->sets[scope].count; i++) {
            struct explain_question *question = &x->questions[scope][i];
            bool wanted = check == NULL || (question->check == check && l->items[scope][i].status != DNS_ASKED);
            if (!wanted || question->told)
                continue;
            tell_lookup(x, &l->items[scope][i], question->check);
            question->told = true;
        }
    }
}

void explain_tell_left(struct explain *x)
{
    tell_lookups(x, NULL);
}

/* -- checks -- */

static void hear_begin(void *context, const struct check_call *call, enum stage stage)
{
    struct explain *x = context;
    x->stage = stage;
    x->check = call->check->name;
}

static void hear_note(void *context, const struct check_call *call, const char *text)
{
    struct explain *x = context;
    tell_lookups(x, call->check->name);
    struct buffer *to = explain_record_of(x, "note", x->stage);
    control_string(to, "check", call->check->name);
    control_string(to, "text", text);
    control_end(to);
}

static void put_verdict(struct buffer *to, const struct verdict *verdict)
{
    control_string(to, "action", verdict->allow ? "allow" : action_name(verdict->action));
    if (verdict->score != 0)
        control_number(to, "score", verdict->score);
    if (verdict->delay_ms > 0)
        control_number(to, "delay_ms", verdict->delay_ms);
    if (verdict->owed_ms > 0)
        control_number(to, "owed_ms", verdict->owed_ms);
    if (verdict->listen_ms > 0)
        control_number(to, "listen_ms", verdict->listen_ms);
    if (verdict->rate_bytes > 0)
        control_number(to, "rate_bytes", verdict->rate_bytes);
    if (verdict->unsure)
        control_flag(to, "unsure", true);
    if (verdict_refuses(verdict))
        explain_put_reply(to, &verdict->reply);
    control_string(to, "reason", verdict->reason != NULL && verdict->reason[0] != '\0' ? verdict->reason : NULL);
}

static const struct check_options *options_of(const struct judgement *j)
{
    return j->call->options;
}

/* Does it count, or why not? */
static const char *regard_of(const struct judgement *j)
{
    const struct policy *policy = j->call->session->options->policy;
    switch (j->mode) {
    case MODE_OFF:
        return "not asked, the client is allowed";
    case MODE_WATCH:
        if (options_of(j)->mode == MODE_WATCH)
            return "watched";
        return policy->mode == MODE_WATCH ? "policy watched" : "bypassed";
    case MODE_ENFORCE:
        break;
    }
    bool is_spared = verdict_refuses(j->said) && j->settled->action == ACTION_NONE;
    return is_spared ? "recipient exempt" : "counts";
}

static const char *mode_name(int mode)
{
    static const char *const names[] = {[MODE_OFF] = "off", [MODE_WATCH] = "watch", [MODE_ENFORCE] = "enforce"};
    return names[mode];
}

/* What the check said; where it could not find out, what follows from that. */
static void hear_judged(void *context, const struct judgement *j)
{
    struct explain *x = context;
    const struct verdict *verdict = j->said->unsure ? j->settled : j->said;
    x->stage = j->stage;
    tell_lookups(x, j->call->check->name);
    struct buffer *to = explain_record_of(x, "check", j->stage);
    control_string(to, "check", j->call->check->name);
    control_string(to, "mode", mode_name(options_of(j)->mode));
    control_string(to, "regard", regard_of(j));
    put_verdict(to, verdict);
    control_end(to);
}

static void hear_watched(void *context, const struct check_call *call, enum stage stage, const struct verdict *verdict)
{
    struct explain *x = context;
    struct buffer *to = explain_record_of(x, "part", stage);
    control_string(to, "check", call->check->name);
    put_verdict(to, verdict);
    control_end(to);
}

static void hear_decided(void *context, const struct decision *decision)
{
    struct explain *x = context;
    const struct session *s = x->session;
    const struct verdict *verdict = decision->verdict;
    struct buffer *to = explain_record_of(x, "stage", decision->stage);
    control_string(to, "action", verdict_refuses(verdict) ? action_name(verdict->action) : "pass");
    control_number(to, "total_score", s->score);
    if (s->watched_score != 0)
        control_number(to, "watched_score", s->watched_score);
    control_number(to, "held_ms", decision->held_ms);
    control_flag(to, "waits", decision->waits);
    if (verdict_refuses(verdict)) {
        explain_put_reply(to, &verdict->reply);
        control_string(to, "reason", verdict->reason);
    }
    control_end(to);
    explain_flush(x);
}

static void hear_wait(void *context)
{
    explain_flush(context);
}

static void hear_end_of_wait(void *context)
{
    (void)context;
}

void explain_listen(struct explain *x)
{
    x->observer = (struct observer){x, hear_begin, hear_note, hear_judged, hear_watched, hear_decided};
    x->names = (struct lookup_host){hear_wait, hear_end_of_wait, x, hear_asked, hear_answered};
}
