/* SPDX-License-Identifier: ISC
 *
 * reply_pattern: which of a list's answers count, and what is no pattern.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "workers/lists/reply_pattern.h"

static const struct held {
    const char *pattern, *address;
    bool holds;
} cases[] = {
    {"127.0.0.2", "127.0.0.2", true},
    {"127.0.0.2", "127.0.0.3", false},
    {"127.0.0.2", "127.0.0.20", false},
    {"127.0.0.[2..11]", "127.0.0.2", true},
    {"127.0.0.[2..11]", "127.0.0.11", true},
    {"127.0.0.[2..11]", "127.0.0.12", false},
    {"127.0.0.[2..11]", "127.0.1.2", false},
    {"127.0.0.[2..4;7;10..11]", "127.0.0.7", true},
    {"127.0.0.[2..4;7;10..11]", "127.0.0.5", false},
    {"127.0.0.[7]", "127.0.0.7", true},
    {"127.0.[0..255].[1..3]", "127.0.15.2", true},
    {"127.0.[0..255].[1..3]", "127.0.15.0", false},
    {"[0..255].[0..255].[0..255].[0..255]", "203.0.113.5", true},
    {"127.0.0.002", "127.0.0.2", true},
    {"127.0.0.2", "::2", false},
    {"127.0.0.", "127.0.0.0", false},
};

static void what_a_pattern_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ipaddr address;
        assert_true(ipaddr_parse(slice_of(cases[i].address), &address));
        if (reply_pattern_holds(slice_of(cases[i].pattern), &address) != cases[i].holds)
            fail_msg("%s and %s", cases[i].pattern, cases[i].address);
    }
}

static const char *const wrongs[] = {
    "",
    "127",
    "127.0.0",
    "127.0.0.",
    "127.0.0.2.",
    "127.0.0.2.3",
    "127.0.0.256",
    "127.0.0.x",
    "127.0.0.-1",
    "127.0.0.[]",
    "127.0.0.[2",
    "127.0.0.2]",
    "127.0.0.[2;]",
    "127.0.0.[;2]",
    "127.0.0.[2..]",
    "127.0.0.[..2]",
    "127.0.0.[4..2]",
    "127.0.0.[2.4]",
    "127.0.0.[2...4]",
    "127.0.0.[2-4]",
    " 127.0.0.2",
    "127.0.0.2 ",
    "127.0.0.[2, 4]",
    "127.0.0.99999999999999999999",
    "127.0.0.0/24",
    "::1",
    "[127.0.0.2]",
};

static void what_is_no_pattern(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]) - 1; i++)
        assert_true(reply_pattern_is_valid(slice_of(cases[i].pattern)));
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
        if (reply_pattern_is_valid(slice_of(wrongs[i])))
            fail_msg("%s", wrongs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_pattern_holds),
        cmocka_unit_test(what_is_no_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
