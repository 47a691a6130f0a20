/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/must.h"
#include "tests/lib/fake_dns.h"

enum { ZONE_MAX = 512, OPEN_MAX = 256, AFTER_MAX = 1000000 };

struct zone_line {
    enum dns_type type;
    enum { A_RECORD, NO_DATA, FAILS, SILENT } kind;
    int64_t after_ms;
    char name[DNS_NAME_MAX + 1];
    uint16_t preference;
    struct ipaddr address;
    char data[DNS_TEXT_MAX + 1];
};

struct open_question {
    enum dns_type type;
    char name[DNS_NAME_MAX + 1];
    dns_heard *heard;
    void *context;
    uint32_t ticket;
    int64_t due_ms; /* CLOCK_NEVER: it is silent */
};

struct dns {
    struct wait *wait;
};

static struct zone_line *zone[ZONE_MAX];
static int zone_count;
static struct open_question open_questions[OPEN_MAX];
static int open_count;
static int asked;

void fake_dns_clear(void)
{
    while (zone_count > 0)
        free(zone[--zone_count]);
    open_count = 0;
    asked = 0;
}

int fake_dns_asked(void)
{
    return asked;
}

/* -- what is said -- */

static bool take_type(struct slice word, enum dns_type *out)
{
    for (int type = 0; type < DNS_TYPES; type++) {
        *out = (enum dns_type)type;
        if (slice_is_word(word, dns_type_name(*out)))
            return true;
    }
    return false;
}

/* "300ms", "3s", "2m" */
static bool parse_time(struct slice text, int64_t *ms_out)
{
    struct slice digits = text;
    uint64_t number;
    while (digits.size > 0 && !ascii_is_digit(digits.at[digits.size - 1]))
        digits.size--;
    struct slice unit = slice_make(text.at + digits.size, text.size - digits.size);
    int64_t unit_ms = slice_is_word(unit, "ms") ? 1 : slice_is_word(unit, "s") ? 1000 : 60000;
    if (!slice_to_number(digits, &number) || number > AFTER_MAX || (unit_ms == 60000 && !slice_is_word(unit, "m")))
        return false;
    *ms_out = (int64_t)number * unit_ms;
    return true;
}

/* " after 3s" at the end of it, taken off. */
static bool take_after(struct slice *rest, int64_t *ms_out)
{
    static const char word[] = "after ";
    for (size_t i = rest->size; i-- > 0;) {
        struct slice tail = slice_make(rest->at + i, rest->size - i);
        if (!slice_starts_nocase(tail, word) || (i > 0 && rest->at[i - 1] != ' '))
            continue;
        slice_drop(&tail, sizeof(word) - 1);
        rest->size = i;
        *rest = slice_trim(*rest);
        return parse_time(slice_trim(tail), ms_out);
    }
    return true;
}

static bool take_name(struct slice word, char name[DNS_NAME_MAX + 1])
{
    if (word.size == 1 && word.at[0] == '.')
        word.size = 0;
    if (word.size > 0 && !dns_name_is_valid(word))
        return false;
    for (size_t i = 0; i < word.size; i++)
        name[i] = ascii_lower(word.at[i]);
    name[word.size] = '\0';
    return true;
}

static bool take_data(struct slice rest, struct zone_line *line)
{
    uint64_t preference = 0;
    switch (line->type) {
    case DNS_A:
    case DNS_AAAA:
        return ipaddr_parse(rest, &line->address) && line->address.family == (line->type == DNS_A ? 4 : 6);
    case DNS_MX:
        if (!slice_to_number(slice_take_word(&rest), &preference) || preference > UINT16_MAX)
            return false;
        line->preference = (uint16_t)preference;
        return take_name(slice_trim(rest), line->data);
    case DNS_PTR:
        return take_name(rest, line->data);
    case DNS_TXT:
    case DNS_TYPES:
        break;
    }
    return snprintf(line->data, sizeof(line->data), "%.*s", SLICE_ARGS(rest)) <= DNS_TEXT_MAX;
}

static bool take_line(struct slice rest, struct zone_line *line, const char **why_out)
{
    *why_out = "NAME TYPE DATA, TYPE one of A AAAA MX PTR TXT";
    if (!take_name(slice_take_word(&rest), line->name) || !take_type(slice_take_word(&rest), &line->type))
        return false;
    *why_out = "after NUMBER and ms, s, m";
    rest = slice_trim(rest);
    if (!take_after(&rest, &line->after_ms))
        return false;
    line->kind = slice_is_word(rest, "nodata")   ? NO_DATA
                 : slice_is_word(rest, "fails")  ? FAILS
                 : slice_is_word(rest, "silent") ? SILENT
                                                 : A_RECORD;
    *why_out = "what such a record holds";
    return line->kind != A_RECORD || take_data(rest, line);
}

bool fake_dns_add(struct slice line, const char **why_out)
{
    *why_out = "at most 512 of them";
    if (zone_count == ZONE_MAX)
        return false;
    struct zone_line *next = calloc(1, sizeof(*next));
    must(next != NULL);
    zone[zone_count++] = next;
    return take_line(line, next, why_out);
}

/* -- questions -- */

/* What a question for it leads to: the first line that is none of a record, or all records. */
static const struct zone_line *next_line(const char *name, enum dns_type type, int *at)
{
    while (*at < zone_count) {
        const struct zone_line *line = zone[(*at)++];
        if (line->type == type && slice_is_word(slice_of(line->name), name))
            return line;
    }
    return NULL;
}

static bool has_name(const char *name)
{
    for (int i = 0; i < zone_count; i++)
        if (slice_is_word(slice_of(zone[i]->name), name))
            return true;
    return false;
}

static int64_t due_of(const char *name, enum dns_type type)
{
    int64_t after_ms = 0;
    const struct zone_line *line;
    for (int at = 0; (line = next_line(name, type, &at)) != NULL;) {
        if (line->kind == SILENT)
            return CLOCK_NEVER;
        if (line->after_ms > after_ms)
            after_ms = line->after_ms;
    }
    return clock_ms() + after_ms;
}

/* In the order of preference, as the real ones are. */
static void put_in_order(struct dns_record *records, int count)
{
    for (int i = count - 1; i > 0 && records[i - 1].preference > records[i].preference; i--) {
        struct dns_record other = records[i];
        records[i] = records[i - 1];
        records[i - 1] = other;
    }
}

static void answer(const struct open_question *question)
{
    struct dns_record records[DNS_RECORDS_MAX];
    int count = 0;
    enum dns_status status = has_name(question->name) ? DNS_NO_DATA : DNS_NO_NAME;
    const struct zone_line *line;
    for (int at = 0; (line = next_line(question->name, question->type, &at)) != NULL;) {
        if (line->kind == FAILS)
            status = DNS_FAILED;
        if (line->kind != A_RECORD || count == DNS_RECORDS_MAX)
            continue;
        status = DNS_FOUND;
        records[count++] = (struct dns_record){.address = line->address,
                                               .preference = line->preference,
                                               .name = line->type == DNS_TXT ? NULL : line->data,
                                               .text = slice_of(line->data)};
        put_in_order(records, count);
    }
    question->heard(question->context, question->ticket, status, records, count, false);
}

/* Those whose time has come; was there any? */
static bool answer_due(void)
{
    bool any = false;
    for (int i = 0; i < open_count;) {
        struct open_question question = open_questions[i];
        if (question.due_ms > clock_ms()) {
            i++;
            continue;
        }
        open_questions[i] = open_questions[--open_count];
        answer(&question);
        any = true;
    }
    return any;
}

struct dns *dns_new(const struct resolver *resolver, struct wait *wait)
{
    struct dns *dns = calloc(1, sizeof(*dns));
    (void)resolver;
    must(dns != NULL);
    dns->wait = wait;
    return dns;
}

void dns_free(struct dns **dns)
{
    free(*dns);
    *dns = NULL;
}

void dns_ask(struct dns *dns, enum dns_type type, const char *name, dns_heard *heard, void *context, uint32_t ticket)
{
    (void)dns;
    must(open_count < OPEN_MAX && dns_question_is_valid(slice_of(name)));
    struct open_question *question = &open_questions[open_count++];
    *question = (struct open_question){
        .type = type, .heard = heard, .context = context, .ticket = ticket, .due_ms = due_of(name, type)};
    snprintf(question->name, sizeof(question->name), "%s", name);
    asked++;
    answer_due();
}

void dns_forget(struct dns *dns)
{
    (void)dns;
    open_count = 0;
}

int64_t dns_next_ms(const struct dns *dns)
{
    int64_t next_ms = CLOCK_NEVER;
    (void)dns;
    for (int i = 0; i < open_count; i++)
        if (open_questions[i].due_ms < next_ms)
            next_ms = open_questions[i].due_ms;
    return next_ms;
}

enum io dns_wait(struct dns *dns, int64_t deadline_ms)
{
    int64_t next_ms = dns_next_ms(dns);
    if (answer_due())
        return IO_OK;
    enum io io = wait_for(dns->wait, -1, 0, next_ms < deadline_ms ? next_ms : deadline_ms);
    return io == IO_LATE && answer_due() ? IO_OK : io;
}

int dns_fd(const struct dns *dns)
{
    (void)dns;
    return -1;
}

bool dns_rest(struct dns *dns)
{
    (void)dns;
    return true;
}

void dns_step(struct dns *dns)
{
    (void)dns;
    answer_due();
}
