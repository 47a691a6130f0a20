/* SPDX-License-Identifier: ISC
 *
 * listed_line: what an administrator writes is understood or refused with a reason, and what is written to the file is
 * read again as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/listed_line.h"

enum { NOW = 1000000000 }; /* in September 2001 */

static struct listed_line understood(const char *words)
{
    struct listed_line line;
    const char *why, *try;
    if (!listed_line_parse(slice_of(words), LISTED_BLOCKED, NOW, &line, &why, &try))
        fail_msg("%s: %s", words, why);
    assert_int_equal(line.entry.as, LISTED_BLOCKED);
    return line;
}

static void assert_refused(const char *words, const char *expected)
{
    struct listed_line line;
    const char *why, *try;
    assert_false(listed_line_parse(slice_of(words), LISTED_BLOCKED, NOW, &line, &why, &try));
    assert_string_equal(why, expected);
}

static void assert_network(const struct listed_line *line, const char *expected)
{
    char text[NETWORK_TEXT_MAX];
    network_print(&line->entry.network, text);
    assert_string_equal(text, expected);
}

static void an_administrator_is_understood(void **state)
{
    (void)state;
    struct listed_line line = understood("192.0.2.7");
    assert_network(&line, "192.0.2.7");
    assert_int_equal(line.entry.until_s, 0);
    assert_string_equal(line.reason, "");
    line = understood("  ::ffff:192.0.2.0/120   for 2h  reason  an   open proxy ");
    assert_network(&line, "192.0.2.0/24");
    assert_int_equal(line.entry.until_s, NOW + 7200);
    assert_string_equal(line.reason, "an   open proxy");
    line = understood("2001:db8::/32 reason for 1h");
    assert_int_equal(line.entry.until_s, 0);
    assert_string_equal(line.reason, "for 1h");
    line = understood("192.0.2.7 until 2026-12-01T00:00:00Z");
    assert_int_equal(line.entry.until_s, 1796083200);
    line = understood("192.0.2.7 for 3650d");
    assert_int_equal(line.entry.until_s, NOW + INT64_C(3650) * 86400);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    char longest[160] = "192.0.2.7 reason ";
    assert_refused("", "that is no address and no network");
    assert_refused("192.0.2.0/23/1", "that is no address and no network");
    assert_refused("192.0.2.1/24", "that is no address and no network"); /* a bit behind the prefix */
    assert_refused("mx.example.org", "that is no address and no network");
    assert_refused("192.0.2.7 2h", "neither for, until nor reason stands there");
    assert_refused("192.0.2.7 for", "that is no time from 1s to 3650d");
    assert_refused("192.0.2.7 for ever", "that is no time from 1s to 3650d");
    assert_refused("192.0.2.7 for 3651d", "that is no time from 1s to 3650d");
    assert_refused("192.0.2.7 for 1h until 2026-12-01T00:00:00Z", "neither for, until nor reason stands there");
    assert_refused("192.0.2.7 until 2001-01-01T00:00:00Z", "that is over already");
    assert_refused("192.0.2.7 until 2026-12-01", "that is no moment in UTC");
    assert_refused("192.0.2.7 until 2027-02-30T00:00:00Z", "that is no moment in UTC");
    assert_refused("192.0.2.7 until 2026-12-1T00:00:00Z", "that is no moment in UTC");
    assert_refused("192.0.2.7 until", "that is no moment in UTC");
    assert_refused("192.0.2.7 reason", "the reason is missing");
    memset(longest + strlen(longest), 'x', LISTED_REASON_MAX);
    assert_refused(longest, "the reason is longer than 95 characters");
    longest[strlen(longest) - 1] = '\0';
    assert_int_equal(strlen(understood(longest).reason), LISTED_REASON_MAX - 1);
}

static enum listed_line_kind kind_of(const char *text, const char **why)
{
    struct listed_line line;
    return listed_line_read(slice_of(text), &line, why);
}

static void assert_bad(const char *text, const char *expected)
{
    const char *why;
    assert_int_equal(kind_of(text, &why), LISTED_LINE_BAD);
    assert_string_equal(why, expected);
}

static void lines_of_a_file_are_told_apart(void **state)
{
    (void)state;
    const char *why;
    assert_int_equal(kind_of("", &why), LISTED_LINE_EMPTY);
    assert_int_equal(kind_of(" \t\r", &why), LISTED_LINE_BAD);
    assert_int_equal(kind_of("  # a note", &why), LISTED_LINE_EMPTY);
    assert_int_equal(kind_of("\tallow\t192.0.2.7\treason\tours", &why), LISTED_LINE_GOOD);
    assert_int_equal(kind_of("block 192.0.2.7 until 2001-01-01T00:00:00Z", &why), LISTED_LINE_GOOD);
    assert_bad("192.0.2.7", "it begins with neither block nor allow");
    assert_bad("blocked 192.0.2.7", "it begins with neither block nor allow");
    assert_bad("block", "that is no address and no network");
    assert_bad("block 192.0.2.7 for 1h", "`for` has no begin in a file: write until and the moment");
    assert_bad("block 192.0.2.7 reason \xc3\xa4", "it is not printable ASCII");
    assert_bad("block 192.0.2.7\r", "it is not printable ASCII");
}

static void assert_round_trip(const char *text)
{
    struct listed_line line;
    const char *why;
    char memory[LISTED_LINE_MAX];
    struct buffer to;
    buffer_init(&to, memory, sizeof(memory));
    assert_int_equal(listed_line_read(slice_of(text), &line, &why), LISTED_LINE_GOOD);
    listed_line_print(&to, &line.entry, line.reason);
    assert_false(to.overflow);
    assert_true(slice_equal(buffer_unread(&to), slice_of(text)));
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    char longest[LISTED_LINE_MAX];
    assert_round_trip("block 192.0.2.7");
    assert_round_trip("allow 0.0.0.0/0");
    assert_round_trip("block 2001:db8::/32 until 2026-12-01T00:00:00Z reason guesses passwords # not a note");
    assert_round_trip("allow 192.0.2.0/24 reason until 2026-12-01T00:00:00Z");
    snprintf(longest, sizeof(longest),
             "block 2001:db8:ffff:ffff:ffff:ffff:ffff:fffe/127 until 9999-12-31T23:59:59Z "
             "reason %095d",
             0);
    assert_round_trip(longest);
}

static void random_octets_do_no_harm(void **state)
{
    (void)state;
    static const char model[] = "block 192.0.2.0/24 until 2026-12-01T00:00:00Z reason a proxy";
    srandom(4711);
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t)random() % sizeof(model);
        struct listed_line line;
        const char *why;
        char *exact = malloc(size + 1); /* so that a sanitizer sees a read past its end */
        memcpy(exact, model, size);
        if (size > 0)
            exact[(size_t)random() % size] = (char)random();
        if (listed_line_read(slice_make(exact, size), &line, &why) == LISTED_LINE_GOOD)
            assert_true(memchr(line.reason, '\0', sizeof(line.reason)) != NULL);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_administrator_is_understood), cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(lines_of_a_file_are_told_apart), cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(random_octets_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
