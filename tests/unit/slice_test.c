/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/slice.h"

static void take_until_takes_the_separator_too(void **unused)
{
    (void)unused;
    struct slice rest = slice_of("a,,b");
    assert_true(slice_equal(slice_take_until(&rest, ','), slice_of("a")));
    assert_true(slice_equal(slice_take_until(&rest, ','), slice_of("")));
    assert_true(slice_equal(slice_take_until(&rest, ','), slice_of("b")));
    assert_int_equal(rest.size, 0);
    assert_int_equal(slice_take_until(&rest, ',').size, 0);
}

static void order_is_that_of_octets(void **unused)
{
    (void)unused;
    static const char *const sorted[] = {"", "a", "a b", "ab", "b", "\xff"};
    for (int i = 0; i < 6; i++)
        for (int j = 0; j < 6; j++) {
            int order = slice_order(slice_of(sorted[i]), slice_of(sorted[j]));
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    assert_int_equal(slice_order((struct slice){0}, slice_of("")), 0);
}

static void words_are_between_blanks(void **unused)
{
    (void)unused;
    struct slice rest = slice_of(" \tMAIL  FROM:<a>\t");
    assert_true(slice_equal(slice_take_word(&rest), slice_of("MAIL")));
    assert_true(slice_equal(slice_take_word(&rest), slice_of("FROM:<a>")));
    assert_int_equal(slice_take_word(&rest).size, 0);
    assert_true(slice_equal(slice_trim(slice_of("\t a b \t")), slice_of("a b")));
    assert_int_equal(slice_trim(slice_of(" \t ")).size, 0);
}

static void drop_stops_at_the_end(void **unused)
{
    (void)unused;
    struct slice rest = slice_of("abc");
    slice_drop(&rest, 1);
    assert_true(slice_equal(rest, slice_of("bc")));
    slice_drop(&rest, 9);
    assert_int_equal(rest.size, 0);
}

static void empty_slices_may_have_no_memory(void **unused)
{
    (void)unused;
    struct slice none = {0};
    assert_true(slice_equal(none, slice_of("")));
    assert_false(slice_has(none, 'a'));
    assert_int_equal(slice_take_until(&none, 'a').size, 0);
    assert_int_equal(slice_take_word(&none).size, 0);
    assert_int_equal(slice_trim(none).size, 0);
    slice_drop(&none, 1);
    assert_true(slice_starts_nocase(none, ""));
}

static void case_is_that_of_ascii(void **unused)
{
    (void)unused;
    assert_true(slice_is_word(slice_of("eHlO"), "EHLO"));
    assert_false(slice_is_word(slice_of("EHLOX"), "EHLO"));
    assert_false(slice_is_word(slice_of("EHL"), "EHLO"));
    assert_true(slice_starts_nocase(slice_of("from:<>"), "FROM:"));
    assert_false(slice_starts_nocase(slice_of("from"), "FROM:"));
    assert_false(slice_equal_nocase(slice_of("\xe4"), slice_of("\xc4")));
    assert_false(slice_equal_nocase(slice_of("["), slice_of("{")));
    assert_true(ascii_is_alnum('Z') && ascii_is_alnum('a') && ascii_is_alnum('0'));
    assert_false(ascii_is_alnum('_') || ascii_is_alnum('\xe4') || ascii_is_digit('a'));
}

static const struct {
    const char *text;
    bool is_number;
    uint64_t number;
} numbers[] = {
    /* clang-format off */
    { "0",                    true,  0 },
    { "007",                  true,  7 },
    { "18446744073709551615", true,  UINT64_MAX },
    { "18446744073709551616", false, 0 },
    { "99999999999999999999", false, 0 },
    { "",                     false, 0 },
    { "+1",                   false, 0 },
    { "-1",                   false, 0 },
    { " 1",                   false, 0 },
    { "1 ",                   false, 0 },
    { "0x10",                 false, 0 },
    /* clang-format on */
};

static void numbers_are_digits_and_nothing_else(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        uint64_t number = 42;
        if (slice_to_number(slice_of(numbers[i].text), &number) != numbers[i].is_number)
            fail_msg("%s", numbers[i].text);
        assert_true(number == (numbers[i].is_number ? numbers[i].number : 42));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(take_until_takes_the_separator_too),
        cmocka_unit_test(order_is_that_of_octets),
        cmocka_unit_test(words_are_between_blanks),
        cmocka_unit_test(drop_stops_at_the_end),
        cmocka_unit_test(empty_slices_may_have_no_memory),
        cmocka_unit_test(case_is_that_of_ascii),
        cmocka_unit_test(numbers_are_digits_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
