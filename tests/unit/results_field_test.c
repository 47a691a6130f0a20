/* SPDX-License-Identifier: ISC
 *
 * Whose results a field gives, in every form that RFC 8601 allows and some that it does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/results_field.h"

static const struct slice ID = SLICE("mx.example.org");

/* `decides`: octets after which it is known; 0: at the field's end only. */
static const struct {
    const char *text;
    enum results_owner owner;
    size_t decides;
} fields[] = {
    /* clang-format off */
    { "Authentication-Results: mx.example.org; spf=pass",    RESULTS_OURS,    39 },
    { "Authentication-Results:mx.example.org;",              RESULTS_OURS,    38 },
    { "AUTHENTICATION-results: MX.Example.ORG;",             RESULTS_OURS,    39 },
    { "Authentication-Results: mx.example.org 1; none",      RESULTS_OURS,    39 },
    { "Authentication-Results: mx.example.org/1; none",      RESULTS_OURS,    39 },
    { "Authentication-Results: mx.example.org=1; none",      RESULTS_OURS,    39 },
    { "Authentication-Results: mx.example.org(c); none",     RESULTS_OURS,    39 },
    { "Authentication-Results: mx.example.org\r\n",          RESULTS_OURS,    39 },
    { "Authentication-Results: mx.example.org",              RESULTS_OURS,     0 },
    { "Authentication-Results: mx.example.org.; none",       RESULTS_OURS,    40 },
    { "Authentication-Results: mx.example.org.",             RESULTS_OURS,     0 },
    { "Authentication-Results \t : mx.example.org;",         RESULTS_OURS,    42 },
    { "Authentication-Results:\r\n\t mx.example.org\r\n ;",  RESULTS_OURS,    42 },
    { "Authentication-Results: \"mx.example.org\"; none",    RESULTS_OURS,    40 },
    { "Authentication-Results: \"mx\\.exam\\ple.org\" 1",    RESULTS_OURS,    42 },
    { "Authentication-Results: \" mx.example.org\r\n \";",   RESULTS_OURS,    44 },
    { "Authentication-Results: \"mx.example.org",            RESULTS_OURS,     0 },
    { "Authentication-Results: \"",                          RESULTS_OURS,     0 },
    { "Authentication-Results: \"mx\\",                      RESULTS_OURS,     0 },
    { "Authentication-Results: (a) mx.example.org;",         RESULTS_OURS,    43 },
    { "Authentication-Results: (a (b) \\) c)mx.example.org;", RESULTS_OURS,   51 },
    { "Authentication-Results: ()()(\r\n )mx.example.org(",  RESULTS_OURS,    48 },
    { "Authentication-Results: (a (b) mx.example.org;",      RESULTS_OURS,     0 },
    { "Authentication-Results: (a \\",                       RESULTS_OURS,     0 },
    { "Authentication-Results: mx . example (c) .org;",      RESULTS_OURS,    46 },
    { "Authentication-Results: mx.\"example\".org;",         RESULTS_OURS,    41 },
    { "Authentication-Results: \"mx\"\".example.org\";",     RESULTS_OURS,    42 },
    { "Authentication-Results: mx.example.org .evil.test;",  RESULTS_OURS,    39 },
    { "Authentication-Results: mx.example.org\"a\";",        RESULTS_OURS,    39 },
    { "Authentication-Results: mx\x01.example\x0b.org\x7f",  RESULTS_OURS,    41 },
    { "Authentication-Results: =?utf-8?q?mx.example.org?=",  RESULTS_OURS,    26 },
    { "Authentication-Results: mx. =?utf-8?q?example?=",     RESULTS_OURS,    30 },
    { "",                                                    RESULTS_FOREIGN,  0 },
    { "Authentication-Results",                              RESULTS_FOREIGN,  0 },
    { "Authentication-Results ",                             RESULTS_FOREIGN,  0 },
    { "Authentication-Results:",                             RESULTS_FOREIGN,  0 },
    { "Authentication-Results: ;",                           RESULTS_FOREIGN, 25 },
    { "Authentication-Results: mx.example.or",               RESULTS_FOREIGN,  0 },
    { "Authentication-Results: mx.example.or; none",         RESULTS_FOREIGN, 38 },
    { "Authentication-Results: mx.example.orgy; none",       RESULTS_FOREIGN, 39 },
    { "Authentication-Results: mx.example.org.net; none",    RESULTS_FOREIGN, 40 },
    { "Authentication-Results: mx.example.org..; none",      RESULTS_FOREIGN, 40 },
    { "Authentication-Results: \"mx.example.org.net\";",     RESULTS_FOREIGN, 41 },
    { "Authentication-Results: a.mx.example.org;",           RESULTS_FOREIGN, 25 },
    { "Authentication-Results: mx example.org;",             RESULTS_FOREIGN, 28 },
    { "Authentication-Results: mx(c)example.org;",           RESULTS_FOREIGN, 30 },
    { "Authentication-Results: mx \".example.org\";",        RESULTS_FOREIGN, 28 },
    { "Authentication-Results: mx.example.org\xc3\xa9;",     RESULTS_FOREIGN, 39 },
    { "Authentication-Results: =",                           RESULTS_FOREIGN,  0 },
    { "Authentication-Results: =1",                          RESULTS_FOREIGN, 26 },
    { "Authentication-Results: mx=?",                        RESULTS_FOREIGN, 27 },
    { "Authentication-Results: dkim=none (mx.example.org)",  RESULTS_FOREIGN, 25 },
    { "Authentication-Results: <mx.example.org>",            RESULTS_FOREIGN, 25 },
    { "Authentication-Results mx.example.org;",              RESULTS_FOREIGN, 24 },
    { "Authentication-Results\r\n : mx.example.org;",        RESULTS_FOREIGN, 23 },
    { "Authentication-Resultss: mx.example.org;",            RESULTS_FOREIGN, 23 },
    { "ARC-Authentication-Results: i=1; mx.example.org;",    RESULTS_FOREIGN,  2 },
    { "Subject: Authentication-Results: mx.example.org",     RESULTS_FOREIGN,  1 },
    /* clang-format on */
};

static void every_form(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const char *text = fields[i].text;
        size_t fed = 0, size = strlen(text);
        struct results_field field = {0};
        enum results_owner owner = RESULTS_UNDECIDED;
        while (owner == RESULTS_UNDECIDED && fed < size)
            owner = results_field_feed(&field, ID, text[fed++]);
        bool at_end = owner == RESULTS_UNDECIDED;
        if (at_end)
            owner = results_field_end(&field, ID);
        if (owner != fields[i].owner || (at_end ? 0 : fed) != fields[i].decides)
            fail_msg("%s: %d, known after %zu octets%s", text, (int)owner, fed, at_end ? " and its end" : "");
    }
}

static enum results_owner feed_many(struct results_field *field, char c, size_t count)
{
    enum results_owner owner = RESULTS_UNDECIDED;
    while (count-- > 0 && owner == RESULTS_UNDECIDED)
        owner = results_field_feed(field, ID, c);
    return owner;
}

static enum results_owner feed_text(struct results_field *field, const char *text)
{
    enum results_owner owner = RESULTS_UNDECIDED;
    for (; *text != '\0' && owner == RESULTS_UNDECIDED; text++)
        owner = results_field_feed(field, ID, *text);
    return owner;
}

static void what_takes_too_long_is_ours(void **unused)
{
    static const char *const begins[] = {
        "Authentication-Results", "Authentication-Results:", "Authentication-Results:(", "Authentication-Results:\""};
    (void)unused;
    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++) {
        struct results_field field = {0};
        assert_int_equal(feed_text(&field, begins[i]), RESULTS_UNDECIDED);
        size_t left = RESULTS_FIELD_MAX - strlen(begins[i]);
        assert_int_equal(feed_many(&field, ' ', left - 1), RESULTS_UNDECIDED);
        struct results_field decided = field;
        assert_int_equal(results_field_feed(&field, ID, ' '), RESULTS_OURS);
        if (begins[i][strlen(begins[i]) - 1] == ':')
            assert_int_equal(results_field_feed(&decided, ID, 'x'), RESULTS_FOREIGN); /* just in time */
    }
}

static void how_it_may_begin(void **unused)
{
    (void)unused;
    assert_true(results_field_may_begin(slice_of("A")));
    assert_true(results_field_may_begin(slice_of("authentication-r")));
    assert_true(results_field_may_begin(slice_of("Authentication-Results: x")));
    assert_true(results_field_may_begin(slice_of("Authentication-ResultsX")));
    assert_false(results_field_may_begin(slice_of("Authored-By: x")));
    assert_false(results_field_may_begin(slice_of(" A")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_form),
        cmocka_unit_test(what_takes_too_long_is_ours),
        cmocka_unit_test(how_it_may_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
