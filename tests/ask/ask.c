/* SPDX-License-Identifier: ISC
 *
 * dns-ask [option=number ..] server=ADDRESS:PORT .. TYPE/NAME .. - asks DNS as Postern does, by workers/lookups and
 * workers/dns, and prints what came, line by line.
 *
 *     try=2000       ms for a try             deadline=10000  ms for all of it
 *     way=0          0: lookups, all asked at once and then awaited, each in its turn; 1: lookups, each awaited before
 *                    the next is asked; 2: dns alone, with a loop of its own, as the housekeeper has
 *     rounds=1       so many sessions, one after the other; only the last one's answers are printed
 *
 *     answer A a.test status=found count=1 cut=0 late=0 ms=3
 *     record A a.test 192.0.2.1           what is in a name or text and no printable ASCII, or a backslash: \x0d
 *     total ms=3 waited=3 before=4 after=4      descriptors
 */
#include <dirent.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/net.h"
#include "workers/lookups.h"

enum { QUESTIONS_MAX = 400 };
enum way { WAY_AT_ONCE, WAY_IN_TURN, WAY_LOOP };

struct asked {
    enum dns_type type;
    const char *name;
    bool heard; /* WAY_LOOP */
    int64_t asked_ms;
};

struct ask {
    int64_t try_ms, deadline_ms, way, rounds;
    struct resolver resolver;
    struct asked questions[QUESTIONS_MAX];
    int count, open;
    bool prints;
    struct wait wait;
    struct dns *dns;
    struct lookups lookups;
};

static void print_text(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c > ' ' && c < 0x7f && c != '\\')
            putchar(c);
        else
            printf("\\x%02x", c);
    }
}

static void print_data(enum dns_type type, const struct dns_record *record)
{
    char address[IPADDR_TEXT_MAX];
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        ipaddr_print(&record->address, address);
        print_text(slice_of(address));
        break;
    case DNS_MX:
        printf("%u ", record->preference);
        print_text(slice_of(record->name));
        break;
    case DNS_PTR:
        print_text(slice_of(record->name));
        break;
    case DNS_TXT:
        print_text(record->text);
        break;
    case DNS_TYPES:
        break;
    }
}

static void print_begin(const char *word, const struct asked *question)
{
    printf("%s %s ", word, dns_type_name(question->type));
    print_text(slice_of(question->name));
    putchar(' ');
}

static void print_answer(const struct asked *question, enum dns_status status, const struct dns_record *records,
                         int count, bool cut, bool late, int64_t ms)
{
    print_begin("answer", question);
    printf("status=%s count=%d cut=%d late=%d ms=%" PRId64 "\n", dns_status_name(status), count, cut, late, ms);
    for (int i = 0; i < count; i++) {
        print_begin("record", question);
        print_data(question->type, &records[i]);
        putchar('\n');
    }
}

static int descriptor_count(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (directory != NULL && readdir(directory) != NULL)
        count++;
    if (directory != NULL)
        closedir(directory);
    return count;
}

/* -- by lookups -- */

static void print_lookup(const struct ask *ask, const struct asked *question, const struct lookup *lookup)
{
    if (ask->prints)
        print_answer(question, lookup->status, lookup->records, lookup->count, lookup->cut, lookup->was_late,
                     lookup->took_ms);
}

static void hold_session(struct ask *ask)
{
    const struct lookup *found[QUESTIONS_MAX];
    lookups_begin_session(&ask->lookups, ask->dns, NULL, ask->deadline_ms);
    for (int i = 0; i < ask->count; i++) {
        found[i] = lookups_ask(&ask->lookups, LOOKUP_SESSION, ask->questions[i].type, ask->questions[i].name);
        if (ask->way == WAY_IN_TURN)
            lookups_await(&ask->lookups, found[i]);
    }
    for (int i = 0; i < ask->count; i++) {
        lookups_await(&ask->lookups, found[i]);
        print_lookup(ask, &ask->questions[i], found[i]);
    }
    lookups_end_session(&ask->lookups);
}

/* -- by dns alone -- */

static void hear(void *context, uint32_t ticket, enum dns_status status, const struct dns_record *records, int count,
                 bool cut)
{
    struct ask *ask = context;
    struct asked *question = &ask->questions[ticket];
    if (question->heard)
        printf("twice %s\n", question->name);
    question->heard = true;
    ask->open--;
    if (ask->prints)
        print_answer(question, status, records, count, cut, false, clock_ms() - question->asked_ms);
}

static void loop(struct ask *ask)
{
    int64_t end_ms = clock_ms() + ask->deadline_ms;
    ask->open = ask->count;
    for (int i = 0; i < ask->count; i++) {
        ask->questions[i].heard = false;
        ask->questions[i].asked_ms = clock_ms();
        dns_ask(ask->dns, ask->questions[i].type, ask->questions[i].name, hear, ask, (uint32_t)i);
    }
    while (ask->open > 0 && clock_ms() < end_ms) {
        struct pollfd fd = {.fd = dns_fd(ask->dns), .events = POLLIN};
        int64_t next_ms = dns_next_ms(ask->dns);
        clock_poll(&fd, 1, next_ms < end_ms ? next_ms : end_ms);
        dns_step(ask->dns);
    }
    dns_forget(ask->dns);
}

/* -- what it was told -- */

static bool take_question(struct ask *ask, const char *word)
{
    const char *slash = strchr(word, '/');
    struct asked *next = &ask->questions[ask->count];
    if (slash == NULL || ask->count == QUESTIONS_MAX)
        return false;
    next->name = slash + 1;
    for (int type = 0; type < DNS_TYPES; type++)
        if (slice_is_word(slice_make(word, (size_t)(slash - word)), dns_type_name((enum dns_type)type))) {
            next->type = (enum dns_type)type;
            ask->count++;
            return ask->way != WAY_LOOP || dns_name_is_valid(slice_of(next->name));
        }
    return false;
}

static bool take_number(struct ask *ask, const char *word)
{
    const struct {
        const char *name;
        int64_t *to;
    } numbers[] = {
        {"try=", &ask->try_ms}, {"deadline=", &ask->deadline_ms}, {"way=", &ask->way}, {"rounds=", &ask->rounds}};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        size_t size = strlen(numbers[i].name);
        if (strncmp(word, numbers[i].name, size) == 0) {
            *numbers[i].to = strtoll(word + size, NULL, 10);
            return true;
        }
    }
    return false;
}

static bool take_server(struct ask *ask, const char *word)
{
    static const char name[] = "server=";
    const char *why;
    struct resolver *resolver = &ask->resolver;
    if (strncmp(word, name, sizeof(name) - 1) != 0 || resolver->count == RESOLVER_SERVERS_MAX)
        return false;
    return endpoint_parse(slice_of(word + sizeof(name) - 1), &resolver->servers[resolver->count++], &why);
}

int main(int argc, char **argv)
{
    static struct ask ask = {.try_ms = 2000, .deadline_ms = 10000, .rounds = 1};
    for (int i = 1; i < argc; i++)
        if (!take_number(&ask, argv[i]) && !take_server(&ask, argv[i]) && !take_question(&ask, argv[i])) {
            fprintf(stderr, "dns-ask: what is '%s'?\n", argv[i]);
            return 2;
        }
    ask.resolver.try_ms = ask.try_ms;
    ask.resolver.deadline_ms = ask.deadline_ms;
    int before = descriptor_count();
    int64_t began_ms = clock_ms();
    ask.dns = dns_new(&ask.resolver, ask.way == WAY_LOOP ? NULL : &ask.wait);
    for (int64_t round = 1; ask.dns != NULL && round <= ask.rounds; round++) {
        ask.prints = round == ask.rounds;
        if (ask.way == WAY_LOOP)
            loop(&ask);
        else
            hold_session(&ask);
    }
    printf("total ms=%" PRId64 " waited=%" PRId64, clock_ms() - began_ms, ask.lookups.waited_ms);
    printf(" before=%d during=%d", before, descriptor_count());
    dns_free(&ask.dns);
    printf(" after=%d\n", descriptor_count());
    return 0;
}
