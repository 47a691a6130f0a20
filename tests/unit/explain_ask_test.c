/* SPDX-License-Identifier: ISC
 *
 * explain_ask: the words of posternctl explain, as they should be and as somebody else may send them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "workers/explain/explain_ask.h"

enum { WORDS_MAX = 10 };

static struct explain_ask ask;
static const char *why;

static bool parse(const char *line)
{
    struct slice words[WORDS_MAX], rest = slice_of(line);
    int count = 0;
    for (rest = slice_trim(rest); rest.size > 0 && count < WORDS_MAX; rest = slice_trim(rest))
        words[count++] = slice_take_word(&rest);
    bool good = explain_ask_parse(words, count, &ask, &why);
    assert_int_equal(good, why == NULL);
    return good;
}

static void assert_word(struct slice word, const char *wanted)
{
    assert_int_equal(word.size, strlen(wanted));
    assert_memory_equal(word.at, wanted, word.size);
}

static void an_address_is_enough(void **state)
{
    (void)state;
    assert_true(parse("192.0.2.7"));
    assert_int_equal(ask.client.family, 4);
    assert_true(!ask.has_from && !ask.has_to && !ask.enforce && ask.helo.size == 0 && ask.listener.size == 0);
    assert_true(parse("2001:db8::7"));
    assert_int_equal(ask.client.family, 6);
}

static void everything_in_any_order(void **state)
{
    (void)state;
    assert_true(
        parse("192.0.2.7 to=bob@example.org listener=mx mode=enforce login=ann name=a.example FROM=<ann@a.example> "
              "helo=[192.0.2.7]"));
    assert_word(ask.to.local, "bob");
    assert_word(ask.from.domain, "a.example");
    assert_word(ask.helo, "[192.0.2.7]");
    assert_word(ask.login, "ann");
    assert_word(ask.name, "a.example");
    assert_word(ask.listener, "mx");
    assert_true(ask.enforce);
}

static void the_null_sender_in_two_ways(void **state)
{
    (void)state;
    assert_true(parse("192.0.2.7 from= to=postmaster"));
    assert_true(ask.has_from && ask.from.is_null && ask.has_to);
    assert_true(parse("192.0.2.7 from=<>"));
    assert_true(ask.from.is_null);
}

static void what_is_wrong_is_said(void **state)
{
    static const char *const wrong[] = {
        "",
        "mail.example.com",
        "192.0.2.0/24",
        "helo=x 192.0.2.7",
        "192.0.2.7 helo=",
        "192.0.2.7 from=ann",
        "192.0.2.7 from=<ann@a.example>x",
        "192.0.2.7 from=a@b from=a@b",
        "192.0.2.7 to=bob@example.org",
        "192.0.2.7 from= to=",
        "192.0.2.7 from= to=<>",
        "192.0.2.7 login=",
        "192.0.2.7 name=..",
        "192.0.2.7 listener=",
        "192.0.2.7 mode=watch",
        "192.0.2.7 subject=x",
        "192.0.2.7 helo",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (parse(wrong[i]))
            fail_msg("taken: %s", wrong[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_is_enough),
        cmocka_unit_test(everything_in_any_order),
        cmocka_unit_test(the_null_sender_in_two_ways),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    return cmocka_run_group_tests_name("explain_ask", tests, NULL, NULL);
}
