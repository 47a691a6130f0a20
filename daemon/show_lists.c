/* SPDX-License-Identifier: ISC */
#include "daemon/show_internal.h"

static void say_health(struct show *show, struct buffer *to, const struct plan_list *list)
{
    char words[DNSLIST_WORDS_MAX];
    const struct dnslist_tests *tests = show->view.house->board.list_tests;
    const struct dnslist_facts facts = dnslist_read(list->is_tested ? tests : NULL, list->test_hash);
    dnslist_trouble_words(&facts, words);
    control_string(to, "state", list->is_tested ? dnslist_state_name(facts.state) : "not tested");
    if (facts.state != DNSLIST_UNKNOWN)
        control_number(to, "since_ms", show_age(show, facts.since_ms));
    if (facts.trouble != DNSLIST_FINE)
        control_string(to, "trouble", words);
    if (facts.tested_ms != 0)
        control_number(to, "tested_ms", show_age(show, facts.tested_ms));
}

static void say_counts(struct show *show, struct buffer *to, const struct plan_list *list)
{
    const struct dnslist_tally tally = dnslist_tally_of(show->view.house->board.list_counts, list->count_hash);
    uint64_t answers = tally.asked > tally.failures ? tally.asked - tally.failures : 0;
    show_count(to, "asked", tally.asked);
    show_count(to, "hits", tally.hits);
    show_count(to, "errors", tally.errors);
    show_count(to, "failures", tally.failures);
    if (answers == 0)
        return;
    show_count(to, "average_ms", tally.took_ms / answers);
    show_count(to, "most_ms", tally.took_most_ms);
}

bool show_lists(struct show *show)
{
    const struct plan *plan = show->view.plan;
    for (int i = 0; i < plan->list_count; i++) {
        const struct plan_list *list = &plan->lists[i];
        struct buffer *to = show_record(show, "list");
        control_string(to, "name", list->name);
        control_string(to, "zone", list->zone);
        control_string(to, "of", list->of);
        say_health(show, to, list);
        say_counts(show, to, list);
        control_end(to);
    }
    return true;
}
