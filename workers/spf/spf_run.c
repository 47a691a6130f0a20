/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>

#include "workers/spf/spf_record.h"
#include "workers/spf/spf_run.h"

enum { HEARD_TEXT_MAX = 420, HEARD_ANSWER_MAX = 160 };

static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if (*text < ' ' || *text > '~')
            *text = '?';
}

void spf_run_end(struct spf_run *run, enum spf_result result, const char *format, ...)
{
    va_list args;
    if (run->is_over)
        return;
    run->is_over = true;
    run->answer.result = result;
    va_start(args, format);
    vsnprintf(run->answer.why, sizeof(run->answer.why), format, args);
    va_end(args);
    make_printable(run->answer.why);
}

/* -- told -- */

static void put_cut(struct buffer *to, struct slice text)
{
    size_t room = buffer_room(to);
    buffer_put(to, slice_make(text.at, text.size < room ? text.size : room));
}

static void print_records(const struct lookup *lookup, struct buffer *to)
{
    char address[IPADDR_TEXT_MAX];
    for (int i = 0; i < lookup->count; i++) {
        const struct dns_record *record = &lookup->records[i];
        const char *before = i > 0 ? ", " : "";
        if (lookup->type == DNS_A || lookup->type == DNS_AAAA) {
            ipaddr_print(&record->address, address);
            buffer_print(to, "%s%s", before, address);
        } else if (lookup->type == DNS_TXT && spf_record_is_one(record->text)) {
            put_cut(to, record->text);
        } else if (lookup->type != DNS_TXT) {
            buffer_print(to, "%s%s", before, record->name[0] != '\0' ? record->name : ".");
        }
    }
}

static void tell(struct spf_run *run, enum dns_type type, const char *name, const struct lookup *lookup)
{
    char text[HEARD_TEXT_MAX], answer[HEARD_ANSWER_MAX];
    struct buffer to;
    if (run->heard == NULL || run->told++ >= SPF_TOLD_MAX)
        return;
    buffer_init(&to, answer, sizeof(answer) - 1);
    print_records(lookup, &to);
    answer[to.end] = '\0';
    if (to.end == 0)
        snprintf(answer, sizeof(answer), "%s",
                 lookup->status == DNS_FOUND ? "no SPF record" : dns_status_name(lookup->status));
    snprintf(text, sizeof(text), "%s %s: %s", name, dns_type_name(type), answer);
    make_printable(text);
    run->heard(run->context, text);
}

/* -- asked -- */

/* As it is asked: without the dot at its end; what is too long loses labels on its left (section 7.3). */
static struct slice fitting(const char *name)
{
    struct slice rest = slice_without_dot(slice_of(name));
    while (rest.size > DNS_NAME_MAX)
        slice_take_until(&rest, '.');
    return rest;
}

static bool is_counted(enum spf_asked_by by)
{
    return by == SPF_BY_TERM || by == SPF_BY_PTR;
}

static void count_term(struct spf_run *run, enum spf_asked_by by)
{
    if (is_counted(by) && ++run->terms > SPF_LOOKUPS_MAX)
        spf_run_end(run, SPF_PERMERROR, "more than %d terms that ask DNS", SPF_LOOKUPS_MAX);
}

/* One question; the lookup's own name is empty where there was no room for it. */
struct asked {
    enum spf_asked_by by;
    enum dns_type type;
    char name[DNS_NAME_MAX + 1];
};

static void fail(struct spf_run *run, const struct asked *asked, const struct lookup *lookup)
{
    bool is_of_ptr = asked->by == SPF_BY_PTR || asked->by == SPF_BY_PTR_NAME || asked->by == SPF_BY_MACRO;
    bool was_cut_off = lookup->was_late || run->lookups->interrupted != IO_OK;
    if (!is_of_ptr || was_cut_off)
        spf_run_end(run, SPF_TEMPERROR, "%s %s: no answer%s", asked->name, dns_type_name(asked->type),
                    lookup->was_late ? " in time" : "");
}

static const struct lookup *conclude(struct spf_run *run, const struct asked *asked, const struct lookup *lookup)
{
    if (lookup->status == DNS_FOUND)
        return lookup;
    if (lookup->status != DNS_NO_DATA && lookup->status != DNS_NO_NAME)
        fail(run, asked, lookup);
    else if (is_counted(asked->by) && ++run->voids > SPF_VOIDS_MAX)
        spf_run_end(run, SPF_PERMERROR, "more than %d terms that ask DNS in vain", SPF_VOIDS_MAX);
    return NULL;
}

const struct lookup *spf_run_ask(struct spf_run *run, enum spf_asked_by by, enum dns_type type, const char *name)
{
    struct asked asked = {.by = by, .type = type};
    struct slice fit = fitting(name);
    count_term(run, by);
    if (run->is_over || !dns_question_is_valid(fit))
        return NULL;
    snprintf(asked.name, sizeof(asked.name), "%.*s", SLICE_ARGS(fit));
    enum lookup_scope scope = by == SPF_BY_START ? run->question->scope : LOOKUP_ONCE;
    const struct lookup *lookup = lookups_resolve(run->lookups, scope, type, asked.name);
    tell(run, type, asked.name, lookup);
    return conclude(run, &asked, lookup);
}

/* -- records -- */

bool spf_run_load(struct spf_run *run, enum spf_asked_by by, const char *name, struct buffer *out)
{
    const struct lookup *lookup = spf_run_ask(run, by, DNS_TXT, name);
    struct slice found = {NULL, 0}, culprit;
    const char *why;
    for (int i = 0; lookup != NULL && i < lookup->count; i++) {
        if (!spf_record_is_one(lookup->records[i].text))
            continue;
        if (found.at != NULL) {
            spf_run_end(run, SPF_PERMERROR, "%s has two SPF records", name);
            return false;
        }
        found = lookup->records[i].text;
    }
    if (found.at == NULL)
        return false;
    if (!spf_record_rewrite(found, &run->question->client, out, &why, &culprit))
        spf_run_end(run, SPF_PERMERROR, "%s, in %.100s: %.*s", why, name, SLICE_ARGS(culprit));
    return !run->is_over;
}

/* -- the client's name -- */

static bool leads_back(struct spf_run *run, const char *name)
{
    const struct ipaddr *client = &run->question->client;
    const struct lookup *lookup = spf_run_ask(run, SPF_BY_MACRO, client->family == 4 ? DNS_A : DNS_AAAA, name);
    for (int i = 0; lookup != NULL && i < lookup->count; i++)
        if (ipaddr_equal(&lookup->records[i].address, client))
            return true;
    return false;
}

static void look_for_name(struct spf_run *run)
{
    char names[SPF_NAMES_MAX][DNS_NAME_MAX + 1], reverse[DNS_NAME_MAX + 1];
    int count = 0;
    dns_reverse_name(reverse, &run->question->client, NULL);
    const struct lookup *lookup = spf_run_ask(run, SPF_BY_MACRO, DNS_PTR, reverse);
    for (; lookup != NULL && count < lookup->count && count < SPF_NAMES_MAX; count++)
        snprintf(names[count], sizeof(names[count]), "%s", lookup->records[count].name);
    for (int i = 0; i < count; i++)
        if (leads_back(run, names[i])) {
            memcpy(run->client_name, names[i], sizeof(names[i]));
            return;
        }
    snprintf(run->client_name, sizeof(run->client_name), "unknown");
}

const char *spf_run_client_name(struct spf_run *run)
{
    if (run->question->client_name != NULL)
        return run->question->client_name;
    if (!run->looked_for_name)
        look_for_name(run);
    run->looked_for_name = true;
    return run->client_name;
}
