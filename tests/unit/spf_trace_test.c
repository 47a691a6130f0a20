/* SPDX-License-Identifier: ISC
 *
 * Received-SPF says what was found, and nothing that comes from outside breaks out of its value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/session.h"

enum { VALUE_BYTES = 4096, LINE_MAX_OCTETS = 998 };

static const struct service service = {.hostname = "mx.example.org", .listener = "mx"};
static char text[VALUE_BYTES];

static int begin(void **state)
{
    struct session *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->service = &service;
    snprintf(s->client_text, sizeof(s->client_text), "192.0.2.7");
    snprintf(s->name, sizeof(s->name), "client.example");
    s->transaction.sender.local = slice_of("ann");
    s->transaction.sender.domain = slice_of("example.com");
    s->transaction.spf = (struct spf_trace){true, SPF_MAILFROM, {SPF_PASS, "ip4:192.0.2.0/24"}};
    *state = s;
    return 0;
}

static int end(void **state)
{
    free(*state);
    return 0;
}

static const char *printed(const struct session *s)
{
    struct buffer to;
    buffer_init(&to, text, sizeof(text) - 1);
    assert_true(spf_trace_print(&to, s));
    text[to.end] = '\0';
    return text;
}

static void assert_says(const struct session *s, const char *part)
{
    if (strstr(printed(s), part) == NULL)
        fail_msg("%s\nlacks\n%s", text, part);
}

static void what_was_found_is_said(void **state)
{
    struct session *s = *state;
    assert_string_equal(printed(s), "pass\r\n\treceiver=mx.example.org;\r\n\tclient-ip=192.0.2.7;\r\n\t"
                                    "envelope-from=\"ann@example.com\";\r\n\thelo=client.example;\r\n\t"
                                    "identity=mailfrom;\r\n\tmechanism=\"ip4:192.0.2.0/24\"");
    s->transaction.sender = (struct path){.is_null = true};
    s->transaction.spf = (struct spf_trace){true, SPF_HELO, {SPF_TEMPERROR, "client.example TXT: no answer"}};
    snprintf(s->client_text, sizeof(s->client_text), "2001:db8::7");
    assert_string_equal(printed(s), "temperror\r\n\treceiver=mx.example.org;\r\n\tclient-ip=\"2001:db8::7\";\r\n\t"
                                    "envelope-from=\"\";\r\n\thelo=client.example;\r\n\tidentity=helo;\r\n\t"
                                    "problem=\"client.example TXT: no answer\"");
}

static void nothing_is_said_where_nothing_is_known(void **state)
{
    struct session *s = *state;
    struct buffer to;
    buffer_init(&to, text, 100);
    buffer_put_text(&to, "before");
    assert_false(spf_trace_print(&to, s));
    assert_true(slice_equal(buffer_unread(&to), slice_of("before")));
    buffer_init(&to, text, sizeof(text));
    s->transaction.spf.is_known = false;
    assert_false(spf_trace_print(&to, s));
    assert_int_equal(to.end, 0);
}

static void what_comes_from_outside_stays_in_its_quotes(void **state)
{
    struct session *s = *state;
    s->transaction.sender.local = slice_of("\"a\\\"; b=\"");
    assert_says(s, "envelope-from=\"\\\"a\\\\\\\"; b=\\\"@example.com\";\r\n");
    s->transaction.sender.local = slice_make("a\r\nX: y\0\xc3\xa9", 10);
    assert_says(s, "envelope-from=\"a??X: y???@example.com\";\r\n");
    snprintf(s->name, sizeof(s->name), "a;b (c) %%s\t");
    assert_says(s, "helo=\"a;b (c) %s?\";\r\n");
    snprintf(s->name, sizeof(s->name), "a..b");
    assert_says(s, "helo=\"a..b\";\r\n");
    snprintf(s->name, sizeof(s->name), "[192.0.2.7]");
    assert_says(s, "helo=\"[192.0.2.7]\";\r\n");
}

static void no_line_is_too_long(void **state)
{
    struct session *s = *state;
    char local[PATH_MAX_OCTETS];
    memset(local, '"', sizeof local);
    s->transaction.sender.local = slice_make(local, sizeof local - 64);
    for (const char *line = printed(s), *next; (next = strstr(line, "\r\n")) != NULL; line = next + 2)
        assert_true(next - line <= LINE_MAX_OCTETS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_found_is_said, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_said_where_nothing_is_known, begin, end),
        cmocka_unit_test_setup_teardown(what_comes_from_outside_stays_in_its_quotes, begin, end),
        cmocka_unit_test_setup_teardown(no_line_is_too_long, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
