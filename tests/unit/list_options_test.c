/* SPDX-License-Identifier: ISC
 *
 * Proves that a DNS list which could not work is refused with file, line and what is allowed, and what lists mean.
 */
#include "tests/lib/root_block.h"
#include "tests/unit/config_fixture.h"
#include "workers/lists/list_options.h"

#define REST                                                                                                           \
    "\nlistener mx { backend = b policy = p }\nbackend b { server s { address = 127.0.0.1:1 } pass_client = xclient "  \
    "}\n"

/* The text stands in policy p { }, on its second line. */
static char *file_of(const char *text)
{
    static char file[16384];
    snprintf(file, sizeof(file), "policy p {\n%s }%s", text, REST);
    return file;
}

static const struct wrong {
    const char *text, *why;
} wrongs[] = {
    /* clang-format off */
    {"dnsbl { list zen.test { } }", "c:2: policy p: dnsbl: list zen.test: score: is missing; say how many points it is worth, or action = defer, reject or drop"},
    {"dnsbl { list zen.test { score = 1001 } }", "c:2: policy p: dnsbl: list zen.test: score: \"1001\" is out of range; allowed: -1000..1000, a whole number"},
    {"dnsbl { list zen.test { score = -1001 } }", "c:2: policy p: dnsbl: list zen.test: score: \"-1001\" is out of range; allowed: -1000..1000, a whole number"},
    {"dnsbl { list zen.test { score = - } }", "c:2: policy p: dnsbl: list zen.test: score: \"-\" is not a number; allowed: -1000..1000, a whole number"},
    {"dnsbl { list zen.test { score = 1 replies = 127.0.0 } }", "c:2: policy p: dnsbl: list zen.test: replies: '127.0.0' is no pattern; allowed: 127.0.0.2, 127.0.0.[2..11], \"127.0.[0..3].[1;3..5]\""},
    {"dnsbl { list zen.test { score = 1 replies = { } } }", "c:2: policy p: dnsbl: list zen.test: replies: an empty list: nothing would ever count; leave the option out"},
    {"dnsbl { list zen { score = 1 zone = 'no zone' } }", "c:2: policy p: dnsbl: list zen: zone: 'no zone' is no zone; allowed: a domain name like zen.spamhaus.org, without a dot at its end"},
    {"dnsbl { list zen.test. { score = 1 } }", "c:2: policy p: dnsbl: list zen.test.: list: 'zen.test.' is no zone; allowed: a domain name like zen.spamhaus.org, without a dot at its end"},
    {"dnsbl { list zen { score = 1 } }", "c:2: policy p: dnsbl: list zen: list: 'zen' has no dot; name the zone, or say zone = zen if that is all of it"},
    {"dnsbl { list zen.test { score = 1 replies = 127.255.255.254 } }", "c:2: policy p: dnsbl: list zen.test: replies: '127.255.255.254' is how lists say that they do not serve you; it never counts"},
    {"dnsbl { list zen.test { score = 1 of = client+sender } }", "c:2: policy p: dnsbl: list zen.test: of: a list of addresses is none of names; make two lists, one with the other's zone"},
    {"dnsbl { list zen.test { score = 1 of = helo ipv6 = no } }", "c:2: policy p: dnsbl: list zen.test: ipv6: goes with of = client"},
    {"dnsbl { list zen.test { score = 1 ipv4 = no ipv6 = no } }", "c:2: policy p: dnsbl: list zen.test: ipv6: neither ipv4 nor ipv6: nobody would be asked about"},
    {"dnsbl { list zen.test { action = reject score = -1 } }", "c:2: policy p: dnsbl: list zen.test: action: a list with a negative score allows; it refuses nobody"},
    {"dnsbl { list zen.test { score = 1 reply = x } }", "c:2: policy p: dnsbl: list zen.test: reply: goes with action = defer, reject or drop"},
    {"dnsbl { list zen.test { action = reject reply = '' } }", "c:2: policy p: dnsbl: list zen.test: reply: 0 characters; allowed: 1 to 120"},
    {"dnsbl { list zen.test { score = 1 text = yes } }", "c:2: policy p: dnsbl: list zen.test: text: goes with action = defer, reject or drop"},
    {"dnsbl { list 'a b' { score = 1 } }", "c:2: policy p: dnsbl: list a b: \"a b\" is no name of a list; allowed: 100 characters, no blanks"},
    /* clang-format on */
};

static void what_does_not_fit_together_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
        expect_error(root_block(), file_of(wrongs[i].text), wrongs[i].why);
}

static void what_lists_mean(void **state)
{
    char of[LIST_OF_WORDS_MAX];
    (void)state;
    struct config *config =
        load_ok(root_block(), file_of("dnsbl { on_hit = defer list a.test { } list b { zone = A.test score = -2 }\n"
                                      "list c.test { of = sender+helo action = drop } list d.test { action = score "
                                      "score = 3 ipv4 = no } }"));
    const struct root *root = config_root(config);
    const struct list *a = lists_at(&root->policies, 0), *b = lists_at(&root->policies, 1),
                      *c = lists_at(&root->policies, 2), *d = lists_at(&root->policies, 3);
    const struct dnsbl_options options = {.on_hit = LIST_DEFER - LIST_SCORE};
    assert_null(lists_at(&root->policies, 4));
    assert_string_equal(list_zone(a), "a.test");
    assert_true(list_test_hash(a) == list_test_hash(b));
    assert_true(list_count_hash(a) != list_count_hash(b));
    assert_true(list_test_hash(c) != list_test_hash(d));
    assert_int_equal(list_action(&options, a), LIST_DEFER);
    assert_int_equal(list_action(&options, b), LIST_SCORE);
    assert_int_equal(list_action(&options, c), LIST_DROP);
    assert_int_equal(list_action(&options, d), LIST_SCORE);
    assert_int_equal(b->score, -2);
    list_of_words(c, of);
    assert_string_equal(of, "helo+sender");
    config_free(&config);
}

static void lists_that_are_off_are_none(void **state)
{
    (void)state;
    struct config *config = load_ok(root_block(), file_of("dnsbl { mode = off list a.test { score = 1 } }"));
    const struct root *root = config_root(config);
    assert_null(lists_at(&root->policies, 0));
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(what_does_not_fit_together_is_refused),
        config_test_case(what_lists_mean),
        config_test_case(lists_that_are_off_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
