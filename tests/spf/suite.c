/* SPDX-License-Identifier: ISC
 *
 * spf-suite - evaluates SPF through workers/spf and workers/lookups, with a DNS that it is told, line by line:
 *
 *   clear                        nothing is known
 *   record NAME TYPE DATA        of TYPE A, AAAA, MX (the preference is the order), PTR, TXT
 *   fails NAME TYPE              no answer
 *   there NAME                   the name is there, whatever it has
 *   check ADDRESS HELO SENDER    -> "RESULT QUESTIONS WHY"
 *
 * NAME, DATA, HELO and SENDER are hexadecimal, "-" where they are empty: any octet may be in them. Nothing is checked
 * of what this DNS says, unlike what workers/dns does with real answers. tests/e2e/test_spf.py speaks to it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "workers/spf/spf.h"

enum { LINE_MAX_OCTETS = 32768, WORDS = 4, ZONE_MAX = 8192 };

struct line {
    enum { RECORD, FAILS, THERE } kind;
    enum dns_type type;
    struct slice name, data;
    struct ipaddr address;
};

static struct line zone[ZONE_MAX];
static int zone_count, asked;

/* Kept until `clear`, with a NUL behind it that does not count. */
static struct slice unhex(const char *word)
{
    size_t size = word[0] == '-' ? 0 : strlen(word) / 2;
    char *octets = calloc(1, size + 1);
    must(octets != NULL);
    for (size_t i = 0; i < size; i++) {
        char pair[3] = {word[2 * i], word[2 * i + 1], '\0'};
        octets[i] = (char)strtoul(pair, NULL, 16);
    }
    return slice_make(octets, size);
}

static void forget_zone(void)
{
    while (zone_count > 0) {
        free((char *)zone[--zone_count].name.at);
        free((char *)zone[zone_count].data.at);
    }
}

static enum dns_type type_of(const char *word)
{
    for (int type = 0; type < DNS_TYPES; type++)
        if (strcmp(dns_type_name((enum dns_type)type), word) == 0)
            return (enum dns_type)type;
    must(!"a type");
    return DNS_TYPES;
}

static void add(int kind, const char *const words[WORDS])
{
    must(zone_count < ZONE_MAX);
    struct line *line = &zone[zone_count++];
    *line = (struct line){.kind = kind, .name = unhex(words[1])};
    if (kind == THERE)
        return;
    line->type = type_of(words[2]);
    if (kind == FAILS)
        return;
    line->data = unhex(words[3]);
    if (line->type == DNS_A || line->type == DNS_AAAA)
        must(ipaddr_parse(line->data, &line->address));
}

/* -- in place of workers/dns -- */

static enum dns_status find(enum dns_type type, struct slice name, struct dns_record *records, int *count)
{
    enum dns_status status = DNS_NO_NAME;
    for (int i = 0; i < zone_count && *count < DNS_RECORDS_MAX; i++) {
        const struct line *line = &zone[i];
        if (!slice_equal_nocase(line->name, name))
            continue;
        if (line->kind == FAILS && line->type == type)
            return DNS_FAILED;
        if (status == DNS_NO_NAME)
            status = DNS_NO_DATA;
        if (line->kind != RECORD || line->type != type)
            continue;
        status = DNS_FOUND;
        records[(*count)++] = (struct dns_record){.address = line->address,
                                                  .name = type == DNS_TXT ? NULL : line->data.at,
                                                  .text = type == DNS_TXT ? line->data : (struct slice){0}};
    }
    return status;
}

void dns_ask(struct dns *dns, enum dns_type type, const char *name, dns_heard *heard, void *context, uint32_t ticket)
{
    struct dns_record records[DNS_RECORDS_MAX];
    int count = 0;
    (void)dns;
    asked++;
    enum dns_status status = find(type, slice_of(name), records, &count);
    heard(context, ticket, status, records, count, false);
}

void dns_forget(struct dns *dns)
{
    (void)dns;
}

enum io dns_wait(struct dns *dns, int64_t deadline_ms)
{
    (void)dns, (void)deadline_ms;
    must(!"everything was answered at once");
    return IO_LATE;
}

/* -- evaluated -- */

static void check(const char *const words[WORDS])
{
    static struct lookups lookups;
    static char dns; /* there is one */
    struct spf_question question = {
        .helo = unhex(words[2]), .sender = unhex(words[3]), .hostname = "receiver.example", .scope = LOOKUP_SESSION};
    must(ipaddr_parse(slice_of(words[1]), &question.client));
    asked = 0;
    lookups_begin_session(&lookups, (struct dns *)&dns, NULL, 1000);
    struct spf_answer answer = spf_check(&question, &lookups, NULL, NULL);
    lookups_end_session(&lookups);
    printf("%s %d %s\n", spf_result_name(answer.result), asked, answer.why);
    fflush(stdout);
    free((char *)question.helo.at);
    free((char *)question.sender.at);
}

int main(void)
{
    static char line[LINE_MAX_OCTETS];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        const char *words[WORDS] = {"", "", "", ""};
        char *rest = NULL;
        int count = 0;
        must(strchr(line, '\n') != NULL);
        for (char *word = strtok_r(line, " \n", &rest); word != NULL; word = strtok_r(NULL, " \n", &rest)) {
            must(count < WORDS);
            words[count++] = word;
        }
        if (strcmp(words[0], "clear") == 0)
            forget_zone();
        else if (strcmp(words[0], "check") == 0)
            check(words);
        else
            add(strcmp(words[0], "record") == 0 ? RECORD : strcmp(words[0], "fails") == 0 ? FAILS : THERE, words);
    }
    forget_zone();
    return 0;
}
