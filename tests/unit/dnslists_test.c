/* SPDX-License-Identifier: ISC
 *
 * dnslists: what was found is found again by its hash, whatever stands in the shared memory is in range, and what is
 * not there any more makes room.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/dnslists.h"

enum { NOW = 1000000, QUIET = 600 };

static struct dnslist_tests tests_region;
static struct dnslist_counts counts_region;

static int set_up(void **state)
{
    (void)state;
    memset(&tests_region, 0, sizeof(tests_region));
    memset(&counts_region, 0, sizeof(counts_region));
    return 0;
}

static uint64_t numbered(int i)
{
    char name[32];
    snprintf(name, sizeof(name), "list%d.test", i);
    return dnslist_hash(name, 0);
}

static void a_name_is_one_whatever_its_letters(void **state)
{
    (void)state;
    assert_true(dnslist_hash("Zen.Test", 2) == dnslist_hash("zen.test", 2));
    assert_true(dnslist_hash("zen.test", 1) != dnslist_hash("zen.test", 2));
    assert_true(dnslist_hash("zen.test", 2) != dnslist_hash("zen.tesu", 2));
}

static void a_test_is_found_again(void **state)
{
    (void)state;
    for (int i = 0; i < DNSLISTS_MAX; i++) {
        struct dnslist_test *test = dnslist_test_of(&tests_region, numbered(i));
        assert_non_null(test);
        atomic_store(&test->failures, (uint32_t)i);
        atomic_store(&test->state, DNSLIST_BROKEN);
    }
    assert_null(dnslist_test_of(&tests_region, numbered(DNSLISTS_MAX)));
    for (int i = 0; i < DNSLISTS_MAX; i++) {
        assert_int_equal(dnslist_read(&tests_region, numbered(i)).failures, i);
        assert_int_equal(dnslist_read(&tests_region, numbered(i)).state, DNSLIST_BROKEN);
    }
    assert_int_equal(dnslist_read(&tests_region, numbered(DNSLISTS_MAX)).state, DNSLIST_UNKNOWN);
    assert_int_equal(dnslist_read(NULL, numbered(1)).state, DNSLIST_UNKNOWN);
}

static void what_is_out_of_range_is_unknown(void **state)
{
    char words[DNSLIST_WORDS_MAX];
    (void)state;
    memset(&tests_region, 0xff, sizeof(tests_region));
    atomic_store(&tests_region.items[7].whose, numbered(1));
    struct dnslist_facts facts = dnslist_read(&tests_region, numbered(1));
    assert_int_equal(facts.state, DNSLIST_UNKNOWN);
    assert_int_equal(facts.trouble, DNSLIST_FINE);
    dnslist_trouble_words(&facts, words);
    assert_string_equal(words, "");
}

static void troubles_have_words(void **state)
{
    char words[DNSLIST_WORDS_MAX];
    struct dnslist_facts facts = {.trouble = DNSLIST_ERRS, .answer = 0x7ffffffe};
    (void)state;
    dnslist_trouble_words(&facts, words);
    assert_string_equal(words, "answers 127.255.255.254");
    facts = (struct dnslist_facts){.trouble = DNSLIST_SILENT, .failures = 1};
    assert_false(dnslist_is_silent(&facts));
    facts.failures = DNSLIST_SILENT_MANY;
    assert_true(dnslist_is_silent(&facts));
    facts.trouble = DNSLIST_ERRS;
    assert_false(dnslist_is_silent(&facts));
}

static void counts_add_up(void **state)
{
    const struct dnslist_tally one = {1, 1, 0, 0, 20, 20}, other = {1, 0, 0, 1, 0, 0};
    (void)state;
    dnslist_add(&counts_region, numbered(1), &one);
    dnslist_add(&counts_region, numbered(2), &one);
    dnslist_add(&counts_region, numbered(1), &other);
    dnslist_add(NULL, numbered(1), &one);
    struct dnslist_tally sum = dnslist_tally_of(&counts_region, numbered(1));
    assert_int_equal(sum.asked, 2);
    assert_int_equal(sum.hits, 1);
    assert_int_equal(sum.failures, 1);
    assert_int_equal(sum.took_ms, 20);
    assert_int_equal(sum.took_most_ms, 20);
    assert_int_equal(dnslist_tally_of(&counts_region, numbered(3)).asked, 0);
    assert_int_equal(dnslist_tally_of(NULL, numbered(1)).asked, 0);
}

static void a_full_region_counts_no_more(void **state)
{
    const struct dnslist_tally one = {.asked = 1};
    (void)state;
    for (int i = 0; i <= DNSLISTS_MAX; i++)
        dnslist_add(&counts_region, numbered(i), &one);
    assert_int_equal(dnslist_tally_of(&counts_region, numbered(DNSLISTS_MAX - 1)).asked, 1);
    assert_int_equal(dnslist_tally_of(&counts_region, numbered(DNSLISTS_MAX)).asked, 0);
    assert_true(dnslist_may_tell(&counts_region, numbered(DNSLISTS_MAX), NOW, QUIET));
}

static void an_error_is_told_now_and_then(void **state)
{
    (void)state;
    assert_true(dnslist_may_tell(&counts_region, numbered(1), NOW, QUIET));
    assert_false(dnslist_may_tell(&counts_region, numbered(1), NOW, QUIET));
    assert_false(dnslist_may_tell(&counts_region, numbered(1), NOW + QUIET - 1, QUIET));
    assert_true(dnslist_may_tell(&counts_region, numbered(2), NOW, QUIET));
    assert_true(dnslist_may_tell(&counts_region, numbered(1), NOW + QUIET, QUIET));
    assert_true(dnslist_may_tell(&counts_region, numbered(1), NOW - 1, QUIET)); /* a time to come is damage */
    assert_true(dnslist_may_tell(NULL, numbered(1), NOW, QUIET));
}

static void what_is_not_there_any_more_goes(void **state)
{
    const struct dnslist_tally one = {.asked = 1};
    const uint64_t zones[] = {numbered(1)}, names[] = {numbered(2)};
    (void)state;
    for (int i = 0; i < DNSLISTS_MAX; i++) {
        atomic_store(&dnslist_test_of(&tests_region, numbered(i))->state, DNSLIST_BROKEN);
        dnslist_add(&counts_region, numbered(i), &one);
    }
    dnslists_keep(&tests_region, zones, &counts_region, names, 1);
    for (int i = 0; i < DNSLISTS_MAX; i++) {
        assert_int_equal(dnslist_read(&tests_region, numbered(i)).state, i == 1 ? DNSLIST_BROKEN : DNSLIST_UNKNOWN);
        assert_int_equal(dnslist_tally_of(&counts_region, numbered(i)).asked, i == 2);
    }
    struct dnslist_test *test = dnslist_test_of(&tests_region, numbered(DNSLISTS_MAX));
    assert_non_null(test);
    assert_int_equal(atomic_load(&test->state), DNSLIST_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_is_one_whatever_its_letters),
        cmocka_unit_test_setup(a_test_is_found_again, set_up),
        cmocka_unit_test_setup(what_is_out_of_range_is_unknown, set_up),
        cmocka_unit_test(troubles_have_words),
        cmocka_unit_test_setup(counts_add_up, set_up),
        cmocka_unit_test_setup(a_full_region_counts_no_more, set_up),
        cmocka_unit_test_setup(an_error_is_told_now_and_then, set_up),
        cmocka_unit_test_setup(what_is_not_there_any_more_goes, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
