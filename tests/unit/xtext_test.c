/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/xtext.h"

static const struct {
    struct slice octets;
    const char *encoded;
} pairs[] = {
    /* clang-format off */
    { SLICE("plain@example.org"),   "plain@example.org" },
    { SLICE("user+tag@b"),          "user+2Btag@b" },
    { SLICE("a=b c"),               "a+3Db+20c" },
    { SLICE("\r\n\0\x7f"),          "+0D+0A+00+7F" },
    { SLICE("\xc3\xbc"),            "+C3+BC" },
    { SLICE("!~"),                  "!~" },
    { SLICE(""),                    "" },
    /* clang-format on */
};

static void what_was_encoded_is_decoded(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char memory[64], back_memory[64];
        struct buffer to, back;
        buffer_init(&to, memory, sizeof memory);
        buffer_init(&back, back_memory, sizeof back_memory);
        assert_true(xtext_print(&to, pairs[i].octets));
        assert_true(slice_equal(buffer_unread(&to), slice_of(pairs[i].encoded)));
        assert_true(xtext_decode(&back, buffer_unread(&to)));
        assert_true(slice_equal(buffer_unread(&back), pairs[i].octets));
    }
}

static const struct {
    const char *text;
    bool is_valid, is_valid_8bit;
} texts[] = {
    /* clang-format off */
    { "QQ314159",       true,  true },
    { "a+2Bb+20c",      true,  true },
    { "a=b",            true,  true },   /* sloppy, but means one thing */
    { "+C3+BC",         true,  true },
    { "\xc3\xbc",       false, true },
    { "\xc3",           false, false },
    { "\xc2\x85",       false, false },
    { "a b",            false, false },
    { "a\tb",           false, false },
    { "+",              false, false },
    { "+2",             false, false },
    { "+2b",            false, false },  /* RFC 3461: upper case */
    { "+ZZ",            false, false },
    { "++2B",           false, false },
    { "a+0Db",          false, false },
    { "a+0Ab",          false, false },
    { "a+00b",          false, false },
    { "a+7Fb",          false, false },
    { "a+09b",          false, false },
    /* clang-format on */
};

static void what_stands_for_a_control_is_refused(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (xtext_is_valid(slice_of(texts[i].text), false) != texts[i].is_valid ||
            xtext_is_valid(slice_of(texts[i].text), true) != texts[i].is_valid_8bit)
            fail_msg("%s", texts[i].text);
}

static void no_room_is_said(void **unused)
{
    (void)unused;
    char memory[4];
    struct buffer to;
    buffer_init(&to, memory, sizeof memory);
    assert_false(xtext_print(&to, slice_of("a++")));
    buffer_clear(&to);
    assert_false(xtext_decode(&to, slice_of("+41+42+43+44+45")));
    assert_false(xtext_decode(&to, slice_of("+4")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_encoded_is_decoded),
        cmocka_unit_test(what_stands_for_a_control_is_refused),
        cmocka_unit_test(no_room_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
