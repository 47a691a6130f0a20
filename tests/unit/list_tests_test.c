/* SPDX-License-Identifier: ISC
 *
 * list_tests: when a list is tested, and what makes it broken, good again, or silent. What DNS says is the test's, and
 * so is the time: a day is a matter of milliseconds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/lib/fake_clock.h"
#include "tests/lib/fake_dns.h"
#include "workers/housekeeper/list_tests.h"

enum { MINUTE_MS = 60000, INTERVAL_MS = 30 * MINUTE_MS, LISTS = 4 };

static struct list lists[LISTS] = {
    {.name = "zen", .zone = "zen.test", .of = LIST_OF_CLIENT, .ipv4 = true, .ipv6 = true, .self_test = true},
    {.name = "zen-too", .zone = "Zen.Test", .of = LIST_OF_CLIENT, .ipv4 = true, .self_test = true},
    {.name = "dbl.test", .of = LIST_OF_HELO | LIST_OF_SENDER, .self_test = true},
    {.name = "six.test", .of = LIST_OF_CLIENT, .ipv6 = true, .self_test = true},
};
static struct dnsbl_options options = {.common = {MODE_ENFORCE}};
static struct policy policies[1] = {{.name = "p", .mode = MODE_ENFORCE}};
static const struct block_list policy_list = {policies, 1, sizeof(policies[0])};
static struct housekeeper_options own;
static const struct resolver resolver;
static const struct housekeeping work = {.options = &own, .policies = &policy_list, .resolver = &resolver};
static struct dnslist_tests list_tests_region;
static struct dnslist_counts list_counts_region;
static struct scoreboard board = {.list_tests = &list_tests_region, .list_counts = &list_counts_region};
static struct list_tests subject;
static char logged[RECORD_MAX];

static void take_line(enum level level, const char *line)
{
    (void)level;
    strncat(logged, line, sizeof(logged) - strlen(logged) - 2);
    strncat(logged, "\n", 2);
}

/* What was logged since this was last asked. */
static const char *take_log(void)
{
    static char taken[RECORD_MAX];
    snprintf(taken, sizeof(taken), "%s", logged);
    logged[0] = '\0';
    return taken;
}

static void say(const char *line)
{
    const char *why;
    assert_true(fake_dns_add(slice_of(line), &why));
}

static void zone_is_well(void)
{
    fake_dns_clear();
    say("2.0.0.127.zen.test A 127.0.0.2");
}

/* The loop of the housekeeper, for so long. */
static void pass(int64_t ms)
{
    for (int64_t end_ms = clock_ms() + ms, next_ms; clock_ms() < end_ms; fake_clock_move_to(next_ms)) {
        list_tests_step(&subject, clock_ms());
        next_ms = list_tests_next_ms(&subject);
        next_ms = next_ms < end_ms ? next_ms : end_ms;
        if (next_ms <= clock_ms())
            next_ms = clock_ms() + 1;
    }
    list_tests_step(&subject, clock_ms());
}

static void begin(size_t count)
{
    options.lists = (struct block_list){lists, count, sizeof(lists[0])};
    assert_true(list_tests_open(&subject, &work, &board, clock_ms()));
    pass(1);
}

static struct dnslist_facts facts_of(int list)
{
    return dnslist_read(&list_tests_region, list_test_hash(&lists[list]));
}

static int set_up(void **state)
{
    (void)state;
    int i = 0;
    while (check_table[i]->options != &dnsbl_block)
        i++;
    policies[0].check_options[i] = &options;
    memset(&list_tests_region, 0, sizeof(list_tests_region));
    memset(&list_counts_region, 0, sizeof(list_counts_region));
    own.dnsbl_test_interval_ms = INTERVAL_MS;
    log_to_function(take_line);
    take_log();
    zone_is_well();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    list_tests_close(&subject);
    fake_dns_clear();
    return 0;
}

static void a_good_list_is_no_news(void **state)
{
    (void)state;
    begin(2);
    assert_int_equal(subject.count, 1); /* one zone under two names */
    assert_int_equal(facts_of(0).state, DNSLIST_GOOD);
    assert_string_equal(take_log(), "");
    assert_int_equal(fake_dns_asked(), 2);
    pass(2 * INTERVAL_MS);
    assert_int_equal(fake_dns_asked(), 6);
}

static const struct broken {
    const char *lines[2], *why;
} brokens[] = {
    {{NULL}, "lists nothing, not even its test entry"},
    {{"2.0.0.127.zen.test A nodata"}, "lists nothing, not even its test entry"},
    {{"2.0.0.127.zen.test A 127.0.0.2", "1.0.0.127.zen.test A 127.0.0.2"}, "lists everything"},
    {{"2.0.0.127.zen.test A 127.255.255.254"}, "answers 127.255.255.254"},
    {{"2.0.0.127.zen.test A 127.0.0.1", "1.0.0.127.zen.test A 127.0.0.1"}, "answers 127.0.0.1"},
    {{"2.0.0.127.zen.test A 203.0.113.5", "1.0.0.127.zen.test A 203.0.113.5"}, "answers 203.0.113.5"},
    {{"2.0.0.127.zen.test A silent", "1.0.0.127.zen.test A 127.0.0.2"}, NULL}, /* the one is still waited for */
    {{"2.0.0.127.zen.test A fails", "1.0.0.127.zen.test A 127.0.0.2"}, "lists everything"},
};

static void what_makes_a_list_broken(void **state)
{
    for (size_t i = 0; i < sizeof(brokens) / sizeof(brokens[0]); i++) {
        char wanted[200];
        set_up(state);
        fake_dns_clear();
        for (int k = 0; k < 2 && brokens[i].lines[k] != NULL; k++)
            say(brokens[i].lines[k]);
        begin(1);
        snprintf(wanted, sizeof(wanted), "event=dnsbl-list list=zen state=broken why=\"%s\"\n", brokens[i].why);
        assert_string_equal(take_log(), brokens[i].why != NULL ? wanted : "");
        assert_int_equal(facts_of(0).state, brokens[i].why != NULL ? DNSLIST_BROKEN : DNSLIST_UNKNOWN);
        tear_down(state);
    }
}

static void a_broken_list_is_tested_sooner_and_gets_well(void **state)
{
    (void)state;
    fake_dns_clear();
    begin(1);
    take_log();
    pass(MINUTE_MS);
    assert_int_equal(fake_dns_asked(), 4);
    pass(2 * MINUTE_MS);
    assert_int_equal(fake_dns_asked(), 6);
    pass(4 * MINUTE_MS - 10);
    assert_int_equal(fake_dns_asked(), 6);
    assert_string_equal(take_log(), "");
    zone_is_well();
    pass(10);
    assert_int_equal(facts_of(0).state, DNSLIST_GOOD);
    assert_string_equal(take_log(), "event=dnsbl-list list=zen state=good\n");
    assert_int_equal(fake_dns_asked(), 2);
}

static void one_that_is_broken_for_long_is_tested_at_the_interval(void **state)
{
    (void)state;
    fake_dns_clear();
    begin(1);
    pass((int64_t)24 * 60 * MINUTE_MS);
    int before = fake_dns_asked();
    pass(10 * INTERVAL_MS);
    assert_int_equal(fake_dns_asked() - before, 20);
}

static void a_silent_list_stays_as_it_was(void **state)
{
    (void)state;
    begin(1);
    fake_dns_clear();
    say("2.0.0.127.zen.test A fails");
    pass(INTERVAL_MS);
    assert_int_equal(facts_of(0).state, DNSLIST_GOOD);
    assert_int_equal(facts_of(0).trouble, DNSLIST_SILENT);
    assert_string_equal(take_log(), "");
    pass(MINUTE_MS);
    assert_string_equal(take_log(), "event=dnsbl-list list=zen answers=no\n");
    pass(2 * MINUTE_MS);
    assert_string_equal(take_log(), "");
    zone_is_well();
    pass(4 * MINUTE_MS);
    assert_string_equal(take_log(), "event=dnsbl-list list=zen answers=yes\n");
    assert_int_equal(facts_of(0).state, DNSLIST_GOOD);
}

static void a_test_that_gets_no_answer_blocks_no_other(void **state)
{
    (void)state;
    say("test.dbl.test A silent");
    say("2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.six.test A 127.0.0.2");
    begin(LISTS);
    assert_int_equal(subject.count, 3);
    pass(INTERVAL_MS);
    assert_int_equal(facts_of(0).state, DNSLIST_GOOD);
    assert_int_equal(facts_of(2).state, DNSLIST_UNKNOWN);
    assert_int_equal(facts_of(3).state, DNSLIST_GOOD);
}

static void names_have_entries_of_their_own(void **state)
{
    (void)state;
    say("test.dbl.test A 127.0.1.2");
    say("invalid.dbl.test A 127.0.1.2");
    begin(3);
    assert_string_equal(take_log(), "event=dnsbl-list list=dbl.test state=broken why=\"lists everything\"\n");
}

static void workers_errors_let_it_be_tested_soon(void **state)
{
    const struct dnslist_tally error = {.asked = 1, .errors = 1};
    (void)state;
    begin(2);
    pass(2 * MINUTE_MS);
    fake_dns_clear();
    say("2.0.0.127.zen.test A 127.255.255.254");
    dnslist_add(&list_counts_region, list_count_hash(&lists[1]), &error);
    pass(MINUTE_MS / 2);
    assert_string_equal(take_log(), "event=dnsbl-list list=zen state=broken why=\"answers 127.255.255.254\"\n");
    int before = fake_dns_asked();
    for (int i = 0; i < 100; i++) { /* and no more than that, whatever they say */
        dnslist_add(&list_counts_region, list_count_hash(&lists[1]), &error);
        pass(MINUTE_MS / 100);
    }
    assert_true(fake_dns_asked() - before <= 2);
}

static void it_goes_on_from_what_stands_there(void **state)
{
    (void)state;
    fake_dns_clear();
    begin(1);
    take_log();
    list_tests_close(&subject);
    begin(1);
    assert_string_equal(take_log(), "");
    assert_int_equal(facts_of(0).state, DNSLIST_BROKEN);
}

static void without_tests_nothing_is_known(void **state)
{
    (void)state;
    fake_dns_clear();
    begin(1);
    list_tests_close(&subject);
    int before = fake_dns_asked();
    own.dnsbl_test_interval_ms = 0;
    begin(1);
    pass(INTERVAL_MS);
    assert_int_equal(facts_of(0).state, DNSLIST_UNKNOWN);
    assert_int_equal(fake_dns_asked(), before);
    assert_int_equal(list_tests_poll(&subject).fd, -1);
}

int main(void)
{
#define TIMED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TIMED(a_good_list_is_no_news),
        cmocka_unit_test(what_makes_a_list_broken),
        TIMED(a_broken_list_is_tested_sooner_and_gets_well),
        TIMED(one_that_is_broken_for_long_is_tested_at_the_interval),
        TIMED(a_silent_list_stays_as_it_was),
        TIMED(a_test_that_gets_no_answer_blocks_no_other),
        TIMED(names_have_entries_of_their_own),
        TIMED(workers_errors_let_it_be_tested_soon),
        TIMED(it_goes_on_from_what_stands_there),
        TIMED(without_tests_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
