/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"

#include "workers/housekeeper/list_tests.h"

enum { LOOK_MS = 15000, SOON_MS = 60000, DOUBLINGS_MAX = 20, QUESTION_BITS = 1 };

/* -- what was found -- */

static uint32_t number_of(const struct ipaddr *address)
{
    const uint8_t *b = address->bytes;
    return address->family != 4 ? 0 : (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* A proof that it is broken goes before an answer that is missing. */
static enum dnslist_trouble trouble_of(const struct list_test *t)
{
    if (t->heard[LIST_MUST] == LIST_ERROR || t->heard[LIST_MUST_NOT] == LIST_ERROR)
        return DNSLIST_ERRS;
    if (t->heard[LIST_MUST_NOT] == LIST_LISTED)
        return DNSLIST_LISTS_ALL;
    if (t->heard[LIST_MUST] == LIST_NOT_LISTED)
        return DNSLIST_LISTS_NOTHING;
    return t->heard[LIST_MUST] == LIST_LISTED && t->heard[LIST_MUST_NOT] == LIST_NOT_LISTED ? DNSLIST_FINE
                                                                                            : DNSLIST_SILENT;
}

static enum dnslist_state state_after(enum dnslist_state was, enum dnslist_trouble trouble)
{
    if (trouble == DNSLIST_SILENT)
        return was;
    return trouble == DNSLIST_FINE ? DNSLIST_GOOD : DNSLIST_BROKEN;
}

/* It being good from the start is no news. */
static void tell(const struct list_test *t, enum dnslist_state was, const struct dnslist_facts *is)
{
    char why[DNSLIST_WORDS_MAX];
    struct record r;
    if (is->state == was || (was == DNSLIST_UNKNOWN && is->state == DNSLIST_GOOD))
        return;
    dnslist_trouble_words(is, why);
    record_begin(&r, "dnsbl-list");
    record_string(&r, "list", t->list->name);
    record_string(&r, "state", dnslist_state_name(is->state));
    record_string(&r, "why", why);
    record_send(&r, is->state == DNSLIST_BROKEN ? LEVEL_WARNING : LEVEL_NOTICE);
}

static void tell_silence(const struct list_test *t, const struct dnslist_facts *was, const struct dnslist_facts *is)
{
    struct record r;
    if (dnslist_is_silent(was) == dnslist_is_silent(is))
        return;
    record_begin(&r, "dnsbl-list");
    record_string(&r, "list", t->list->name);
    record_string(&r, "answers", dnslist_is_silent(is) ? "no" : "yes");
    record_send(&r, dnslist_is_silent(is) ? LEVEL_WARNING : LEVEL_NOTICE);
}

static void write_down(const struct list_tests *tests, const struct list_test *t, int64_t now_ms)
{
    struct dnslist_test *place = t->place;
    const struct dnslist_facts was = dnslist_read(tests->board->list_tests, atomic_load(&place->whose));
    enum dnslist_trouble trouble = trouble_of(t);
    enum dnslist_state state = state_after(was.state, trouble);
    bool goes_on = was.trouble == DNSLIST_SILENT || trouble != DNSLIST_SILENT; /* silences in a row are counted anew */
    uint32_t failures = trouble == DNSLIST_FINE ? 0 : goes_on ? was.failures + (was.failures < UINT32_MAX) : 1;
    atomic_store(&place->answer, t->error);
    atomic_store(&place->trouble, trouble);
    atomic_store(&place->failures, failures);
    atomic_store(&place->tested_ms, now_ms);
    if (state != was.state)
        atomic_store(&place->since_ms, now_ms);
    atomic_store(&place->state, state);
    const struct dnslist_facts is = dnslist_read(tests->board->list_tests, atomic_load(&place->whose));
    tell(t, was.state, &is);
    tell_silence(t, &was, &is);
}

/* In its turn; sooner when something is wrong, the later the longer it is. */
static int64_t next_after(const struct list_tests *tests, const struct list_test *t, int64_t now_ms)
{
    uint32_t failures = atomic_load(&t->place->failures);
    int64_t interval = tests->interval_ms, soon = SOON_MS;
    if (failures == 0)
        return t->next_ms + interval * ((now_ms - t->next_ms) / interval + 1);
    for (uint32_t i = 1; i < failures && i < DOUBLINGS_MAX && soon < interval; i++)
        soon *= 2;
    return now_ms + (soon < interval ? soon : interval);
}

/* -- a test -- */

static void hear(void *context, uint32_t ticket, enum dns_status status, const struct dns_record *records, int count,
                 bool cut)
{
    struct list_tests *tests = context;
    struct list_test *t = &tests->tests[ticket >> QUESTION_BITS];
    const struct ipaddr *which;
    (void)cut;
    enum list_answer answer = list_judge(t->list, status, records, count, &which);
    /* What it is listed for does not matter here. */
    t->heard[ticket & ((1u << QUESTION_BITS) - 1)] =
        answer == LIST_NOT_LISTED && status == DNS_FOUND ? LIST_LISTED : answer;
    if (answer == LIST_ERROR)
        t->error = number_of(which);
    if (--t->open > 0)
        return;
    int64_t now_ms = clock_ms();
    write_down(tests, t, now_ms);
    t->next_ms = next_after(tests, t, now_ms);
}

static void name_question(const struct list *list, enum list_question question, char name[DNS_NAME_MAX + 1])
{
    uint8_t last = question == LIST_MUST ? 2 : 1;
    const struct ipaddr v4 = {4, {127, 0, 0, last}};
    const struct ipaddr v6 = {6, {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = last}};
    if (list->of != LIST_OF_CLIENT)
        snprintf(name, DNS_NAME_MAX + 1, "%s.%s", question == LIST_MUST ? "test" : "invalid", list_zone(list));
    else
        dns_reverse_name(name, list->ipv4 ? &v4 : &v6, list_zone(list)); /* LIST_ZONE_MAX leaves room */
}

/* Answers may come before the second question is asked. */
static void begin(struct list_tests *tests, int i)
{
    char name[DNS_NAME_MAX + 1];
    struct list_test *t = &tests->tests[i];
    t->open = LIST_QUESTIONS;
    t->error = 0;
    for (enum list_question question = LIST_MUST; question < LIST_QUESTIONS; question++) {
        name_question(t->list, question, name);
        dns_ask(tests->dns, DNS_A, name, hear, tests, (uint32_t)i << QUESTION_BITS | question);
    }
}

/* -- what workers have heard: rumour, which no more than asks for another test -- */

static uint64_t count_errors(const struct list_tests *tests, const struct list *of)
{
    uint64_t errors = 0;
    const struct list *list;
    for (size_t i = 0; (list = lists_at(tests->policies, i)) != NULL; i++)
        if (list_test_hash(list) == list_test_hash(of))
            errors += dnslist_tally_of(tests->board->list_counts, list_count_hash(list)).errors;
    return errors;
}

static void look(struct list_tests *tests, int64_t now_ms)
{
    if (now_ms < tests->look_ms)
        return;
    tests->look_ms = now_ms + LOOK_MS;
    for (int i = 0; i < tests->count; i++) {
        struct list_test *t = &tests->tests[i];
        uint64_t errors = count_errors(tests, t->list), before = t->errors;
        int64_t soon_ms = atomic_load(&t->place->tested_ms) + SOON_MS;
        t->errors = errors;
        if (errors > before && atomic_load(&t->place->state) != DNSLIST_BROKEN && soon_ms < t->next_ms)
            t->next_ms = soon_ms;
    }
}

void list_tests_step(struct list_tests *tests, int64_t now_ms)
{
    if (tests->dns == NULL)
        return;
    dns_step(tests->dns);
    look(tests, now_ms);
    for (int i = 0; i < tests->count; i++)
        if (tests->tests[i].open == 0 && now_ms >= tests->tests[i].next_ms)
            begin(tests, i);
}

struct pollfd list_tests_poll(const struct list_tests *tests)
{
    return (struct pollfd){.fd = tests->dns != NULL ? dns_fd(tests->dns) : -1, .events = POLLIN};
}

int64_t list_tests_next_ms(const struct list_tests *tests)
{
    if (tests->dns == NULL)
        return CLOCK_NEVER;
    int64_t next = dns_next_ms(tests->dns);
    next = tests->look_ms < next ? tests->look_ms : next;
    for (int i = 0; i < tests->count; i++)
        if (tests->tests[i].open == 0 && tests->tests[i].next_ms < next)
            next = tests->tests[i].next_ms;
    return next;
}

/* -- beginning and end -- */

static bool is_there(const struct list_tests *tests, const struct list *list)
{
    for (int i = 0; i < tests->count; i++)
        if (list_test_hash(tests->tests[i].list) == list_test_hash(list))
            return true;
    return false;
}

/* What nobody asks any more, or nobody tests, goes: a list that was broken once would be so for ever. */
static void forget_others(const struct list_tests *tests)
{
    uint64_t zones[DNSLISTS_MAX], names[DNSLISTS_MAX];
    const struct list *list;
    size_t count = 0;
    for (size_t i = 0; count < DNSLISTS_MAX && (list = lists_at(tests->policies, i)) != NULL; i++, count++) {
        zones[count] = list->self_test && tests->interval_ms > 0 ? list_test_hash(list) : 0;
        names[count] = list_count_hash(list);
    }
    dnslists_keep(tests->board->list_tests, zones, tests->board->list_counts, names, count);
}

static void add_all(struct list_tests *tests)
{
    const struct list *list;
    for (size_t i = 0; tests->count < DNSLISTS_MAX && (list = lists_at(tests->policies, i)) != NULL; i++) {
        if (!list->self_test || is_there(tests, list))
            continue;
        struct dnslist_test *place = dnslist_test_of(tests->board->list_tests, list_test_hash(list));
        if (place == NULL)
            continue;
        tests->tests[tests->count++] =
            (struct list_test){.list = list, .place = place, .errors = count_errors(tests, list)};
    }
}

/* All are due now, and their next turns come one after the other. */
static void spread(struct list_tests *tests, int64_t now_ms)
{
    for (int i = 0; i < tests->count; i++)
        tests->tests[i].next_ms = now_ms - tests->interval_ms + tests->interval_ms * (i + 1) / tests->count;
}

bool list_tests_open(struct list_tests *tests, const struct housekeeping *work, struct scoreboard *board,
                     int64_t now_ms)
{
    *tests = (struct list_tests){.board = board,
                                 .policies = work->policies,
                                 .interval_ms = work->options->dnsbl_test_interval_ms,
                                 .look_ms = now_ms + LOOK_MS};
    forget_others(tests);
    if (tests->interval_ms > 0)
        add_all(tests);
    if (tests->count == 0)
        return true;
    spread(tests, now_ms);
    tests->dns = dns_new(work->resolver, NULL);
    return tests->dns != NULL;
}

void list_tests_close(struct list_tests *tests)
{
    dns_free(&tests->dns);
}
