/* SPDX-License-Identifier: ISC
 *
 * SPF as a whole, libspf2 included: whatever records, senders and names of HELO say. A first line "4" or "6" for the
 * client, one with the sender, one with HELO's name; each further line is the TXT of a name, in the order in which they
 * are asked for. It ends, with one result however often it is asked; no more is asked than RFC 7208 section 4.6.4
 * allows for, and nothing but names; what is rewritten for libspf2 is a bounded number of clean words.
 */
#include <stdio.h>
#include <string.h>

#include "common/ipaddr.h"
#include "tests/fuzz/target.h"
#include "workers/spf/spf.h"
#include "workers/spf/spf_record.h"

enum {
    QUESTIONS_MAX = 1 + 10 + 10 * 10 + 11, /* the first, the terms, their names, and those for %{p} */
    TERMS_ASKED_MAX = 12,
    LABEL_OCTETS = 63,
    NAME_OCTETS = 253
};

static struct slice records, next_record;
static int questions, texts;

static bool is_name(const char *name)
{
    size_t label = 0, size = strlen(name);
    for (const char *at = name; *at != '\0'; at++) {
        if (*at < ' ' || *at > '~' || *at == '\\' || (*at == '.' && label == 0))
            return false;
        label = *at == '.' ? 0 : label + 1;
        if (label > LABEL_OCTETS)
            return false;
    }
    return label > 0 && size <= NAME_OCTETS;
}

/* An answer that hangs on the name alone, so that it is the same the next time. */
static unsigned shape_of(const char *name)
{
    unsigned shape = 5;
    while (*name != '\0')
        shape = shape * 31 + (unsigned char)*name++;
    return shape;
}

static struct dns_record record_of(enum dns_type type, unsigned i)
{
    static const uint8_t four[] = {192, 0, 2, 7}, six[16] = {0x20, 1, 0xd, 0xb8};
    static const char *const names[] = {"a.test", "", "b.example", "mail.a.test"};
    struct dns_record record = {.name = names[i % 4]};
    ipaddr_from_octets(&record.address, type == DNS_A ? 4 : 6, type == DNS_A ? four : six);
    record.address.bytes[3] ^= (uint8_t)(i & 3);
    return record;
}

static enum dns_status answer_text(struct dns_record *record)
{
    texts++;
    if (next_record.size == 0)
        return DNS_NO_NAME;
    record->text = slice_take_until(&next_record, '\n');
    return DNS_FOUND;
}

void dns_ask(struct dns *dns, enum dns_type type, const char *name, dns_heard *heard, void *context, uint32_t ticket)
{
    struct dns_record found[DNS_RECORDS_MAX];
    unsigned shape = shape_of(name);
    int count = type == DNS_TXT ? 1 : (int)(shape % 12);
    enum dns_status status = shape % 13 == 0 ? DNS_FAILED : count == 0 ? DNS_NO_DATA : DNS_FOUND;
    (void)dns;
    questions++;
    law(is_name(name), "asked for '%s'", name);
    for (int i = 0; i < count; i++)
        found[i] = record_of(type, shape + (unsigned)i);
    if (type == DNS_TXT)
        status = answer_text(&found[0]);
    heard(context, ticket, status, found, status == DNS_FOUND ? count : 0, false);
}

void dns_forget(struct dns *dns)
{
    (void)dns;
}

enum io dns_wait(struct dns *dns, int64_t deadline_ms)
{
    (void)dns, (void)deadline_ms;
    law(false, "everything was answered at once");
    return IO_LATE;
}

static struct spf_answer check(const struct spf_question *question)
{
    static struct lookups lookups;
    static char dns;
    questions = texts = 0;
    next_record = records;
    lookups_begin_session(&lookups, (struct dns *)&dns, NULL, 1000);
    struct spf_answer answer = spf_check(question, &lookups, NULL, NULL);
    lookups_end_session(&lookups);
    law(questions <= QUESTIONS_MAX, "%d questions", questions);
    law(texts <= TERMS_ASKED_MAX, "%d records", texts);
    law(memchr(answer.why, '\0', sizeof answer.why) != NULL && law_is_clean(slice_of(answer.why)), "why?");
    return answer;
}

static bool is_clean_word(char c)
{
    return c == '\001' || (c >= ' ' && c <= '~');
}

static void check_rewritten(struct slice record, const struct ipaddr *client)
{
    char text[SPF_REWRITTEN_MAX];
    struct buffer out;
    struct slice culprit;
    const char *why = NULL;
    int words = 1;
    buffer_init(&out, text, sizeof text);
    if (!spf_record_is_one(record))
        return;
    if (!spf_record_rewrite(record, client, &out, &why, &culprit)) {
        law(why != NULL, "refused, and nobody knows why");
        return;
    }
    for (size_t i = 0; i < record.size; i++)
        law(record.at[i] >= ' ' && record.at[i] <= '~', "an octet that no record may have was taken");
    struct slice got = buffer_unread(&out);
    for (size_t i = 0; i < got.size; i++) {
        law(is_clean_word(got.at[i]), "an odd octet for libspf2");
        words += got.at[i] == ' ';
        bool begins = i == 0 || got.at[i - 1] == ' ';
        law(!begins || got.size - i < 4 || memcmp(got.at + i, "exp=", 4) != 0, "an explanation for libspf2");
    }
    law(words <= SPF_TERMS_MAX, "%d words for libspf2", words);
}

FUZZ
{
    struct slice family = slice_take_until(&input, '\n');
    struct spf_question question = {.hostname = "mx.test", .scope = LOOKUP_SESSION};
    question.sender = slice_take_until(&input, '\n');
    question.helo = slice_take_until(&input, '\n');
    records = input;
    ipaddr_parse(slice_of(family.size > 0 && family.at[0] == '6' ? "2001:db8::7" : "192.0.2.7"), &question.client);
    struct spf_answer first = check(&question), second = check(&question);
    law(first.result == second.result && strcmp(first.why, second.why) == 0, "%s, then %s",
        spf_result_name(first.result), spf_result_name(second.result));
    while (input.size > 0)
        check_rewritten(slice_take_until(&input, '\n'), &question.client);
}
