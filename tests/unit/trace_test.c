/* SPDX-License-Identifier: ISC
 *
 * What the Received line says of TLS, and that nothing of a client's certificate breaks out of its comment. How what
 * checks found is printed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "workers/trace.h"

static struct session_options options;
static const struct service service = {.hostname = "mx.example.org", .listener = "mx"};
static char text[TRACE_MAX + 1];

static int begin(void **state)
{
    struct session *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->service = &service;
    s->options = &options;
    s->esmtp = true;
    s->client.kind = ENDPOINT_IP;
    ipaddr_parse(slice_of("192.0.2.7"), &s->client.address);
    ipaddr_print(&s->client.address, s->client_text);
    snprintf(s->name, sizeof(s->name), "client.example");
    snprintf(s->id, sizeof(s->id), "abc");
    *state = s;
    return 0;
}

static int end(void **state)
{
    free(*state);
    return 0;
}

static void secure(struct session *s)
{
    s->tls.version = "TLSv1.3";
    s->tls.cipher = "TLS_AES_256_GCM_SHA384";
    s->tls.bits = 256;
}

static const char *printed(const struct session *s)
{
    struct buffer to;
    buffer_init(&to, text, sizeof(text) - 1);
    assert_true(trace_received(&to, s, 1000000000));
    text[to.end] = '\0';
    return text;
}

static void assert_says(const struct session *s, const char *part)
{
    if (strstr(printed(s), part) == NULL)
        fail_msg("%s\nlacks\n%s", text, part);
}

static void assert_folded(const struct session *s)
{
    for (const char *line = printed(s); *line != '\0'; line = strstr(line, "\r\n") + 2)
        assert_true(strcspn(line, "\r") <= 78);
}

static void test_in_the_clear(void **state)
{
    struct session *s = *state;
    assert_says(s, "Received: from client.example ([192.0.2.7])\r\n\tby mx.example.org with ESMTP id abc;\r\n\t");
    assert_null(strstr(text, "using"));
}

static void test_name(void **state)
{
    struct session *s = *state;
    s->client_name = (struct attribute_value){ATTRIBUTE_KNOWN, "mail.example"};
    assert_says(s, "Received: from client.example (mail.example [192.0.2.7])\r\n\tby");
    s->client_name = (struct attribute_value){ATTRIBUTE_UNAVAILABLE, ""};
    assert_says(s, "Received: from client.example (unknown [192.0.2.7])\r\n\tby");
    ipaddr_parse(slice_of("2001:db8::7"), &s->client.address);
    ipaddr_print(&s->client.address, s->client_text);
    assert_says(s, "Received: from client.example (unknown [IPv6:2001:db8::7])\r\n\tby");
}

static void test_tls(void **state)
{
    struct session *s = *state;
    secure(s);
    assert_says(s, " ([192.0.2.7])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\tby mx");
    assert_says(s, " with ESMTPS id abc;");
    assert_null(strstr(text, "client CN"));
    assert_folded(s);
}

/* RFC 3848 and RFC 6531 know these words and no others. */
static void test_protocols(void **state)
{
    struct session *s = *state;
    s->transaction.parameters.smtputf8 = true;
    assert_says(s, " with UTF8SMTP id ");
    secure(s);
    assert_says(s, " with UTF8SMTPS id ");
    s->transaction.parameters.smtputf8 = false;
    s->esmtp = false;
    assert_says(s, " with SMTP id ");
    s->auth = "PLAIN";
    assert_says(s, " with SMTP id ");
    s->esmtp = true;
    assert_says(s, " with ESMTPSA id ");
    s->transaction.parameters.smtputf8 = true;
    assert_says(s, " with UTF8SMTPSA id ");
    s->tls.version = NULL;
    assert_says(s, " with UTF8SMTPA id ");
    s->transaction.parameters.smtputf8 = false;
    assert_says(s, " with ESMTPA id ");
}

static void test_client_certificate(void **state)
{
    struct session *s = *state;
    secure(s);
    s->tls.peer_given = true;
    snprintf(s->tls.peer_name, sizeof(s->tls.peer_name), "relay.example.net");
    assert_says(s, "bits))\r\n\t(client CN \"relay.example.net\", not verified)\r\n\tby ");
    s->tls.peer_verified = true;
    assert_says(s, "(client CN \"relay.example.net\", verified)\r\n");
    assert_folded(s);
}

/* A certificate's name is what its owner wrote into it. */
static void test_hostile_certificate(void **state)
{
    struct session *s = *state;
    secure(s);
    s->tls.peer_given = true;
    snprintf(s->tls.peer_name, sizeof(s->tls.peer_name), "a\") \\(b\r\nX-Forged: yes\x80");
    assert_says(s, "\r\n\t(client CN \"a?? ??b??X-Forged: yes?\", not verified)\r\n\tby ");
    memset(s->tls.peer_name, 'x', sizeof(s->tls.peer_name) - 1);
    assert_folded(s);
}

/* -- what checks found -- */

static const char *printed_results(const struct session *s)
{
    struct buffer to;
    buffer_init(&to, text, sizeof(text) - 1);
    assert_true(trace_results(&to, s));
    text[to.end] = '\0';
    return text;
}

static void unfold(char *at)
{
    for (char *fold = strstr(at, "\r\n "); fold != NULL; fold = strstr(fold, "\r\n "))
        memmove(fold, fold + 2, strlen(fold + 2) + 1);
}

static void assert_lines(const char *line, size_t limit)
{
    for (; *line != '\0'; line = strstr(line, "\r\n") + 2)
        if (strcspn(line, "\r") > limit)
            fail_msg("a line of %zu octets: %s", strcspn(line, "\r"), line);
}

static void test_results(void **state)
{
    struct session *s = *state;
    assert_string_equal(printed_results(s), "");
    result_add(&s->transaction.results, "spf=pass smtp.mailfrom=%s", "a.example");
    assert_string_equal(printed_results(s),
                        "Authentication-Results: mx.example.org;\r\n\tspf=pass smtp.mailfrom=a.example\r\n");
    result_add(&s->results, "iprev=pass policy.iprev=192.0.2.7");
    assert_string_equal(printed_results(s),
                        "Authentication-Results: mx.example.org;\r\n\tiprev=pass policy.iprev=192.0.2.7;\r\n"
                        "\tspf=pass smtp.mailfrom=a.example\r\n");
    options.authserv_id = "example.org";
    assert_non_null(strstr(printed_results(s), "Authentication-Results: example.org;\r\n"));
    options.authserv_id = NULL;
}

static void test_results_are_folded(void **state)
{
    struct session *s = *state;
    static const char result[] =
        "spf=softfail (a comment that is long enough for more than one line, with  two  blanks "
        "in it) smtp.mailfrom=\"a sender\"@a.domain.that.is.long.example smtp.helo=b.example";
    result_add(&s->transaction.results, "%s", result);
    assert_lines(printed_results(s), 78);
    unfold(text);
    assert_non_null(strstr(text, result));
}

/* Each length of two words: where the line is full, the second is on the next. */
static void test_results_are_folded_in_time(void **state)
{
    struct session *s = *state;
    for (int size = 1; size < 120; size++) {
        s->transaction.results = (struct results){0};
        result_add(&s->transaction.results, "spf=pass %.*s b", size,
                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
        result_add(&s->transaction.results, "iprev=pass");
        assert_lines(printed_results(s), size < 77 ? 78 : (size_t)size + 1);
        assert_null(strstr(text, "\r\n\r\n"));
    }
}

/* As much as fits into `results`, all in one word, or in many results. */
static void test_results_without_measure(void **state)
{
    struct session *s = *state;
    char word[RESULTS_BYTES - 8];
    memset(word, 'x', sizeof word);
    word[sizeof word - 1] = '\0';
    assert_true(result_add(&s->transaction.results, "a=%s", word));
    assert_string_equal(printed_results(s), "");
    word[900] = '\0';
    s->transaction.results = (struct results){0};
    assert_true(result_add(&s->transaction.results, "a=b %s", word));
    assert_lines(printed_results(s), 998);
    assert_non_null(strstr(text, word));
    memset(word, ' ', 900); /* never a line of blanks alone */
    word[0] = 'a';
    word[899] = 'b';
    s->transaction.results = (struct results){0};
    assert_true(result_add(&s->transaction.results, "%s", word));
    assert_lines(printed_results(s), 998);
    while (result_add(&s->results, "a=b (0123456789 0123456789 0123456789 01234567)"))
        ;
    while (result_add(&s->transaction.results, "a=b"))
        ;
    printed_results(s);
}

static void test_results_of_a_long_host(void **state)
{
    struct session *s = *state;
    options.authserv_id = "a-host-name-of-sixty-octets.that-is-more-than-fits.example.org";
    result_add(&s->results, "iprev=pass");
    assert_lines(printed_results(s), 78);
    assert_non_null(strstr(text, "Authentication-Results:\r\n\ta-host"));
    options.authserv_id = NULL;
}

/* What does not fit is left out whole. */
static void test_no_room(void **state)
{
    struct session *s = *state;
    struct buffer to;
    result_add(&s->results, "iprev=pass");
    buffer_init(&to, text, 60);
    buffer_put_text(&to, "before");
    assert_false(trace_received(&to, s, 1000000000));
    assert_int_equal(to.end, 6);
    assert_true(trace_results(&to, s) == (to.end > 6));
    assert_false(to.overflow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_the_clear, begin, end),
        cmocka_unit_test_setup_teardown(test_name, begin, end),
        cmocka_unit_test_setup_teardown(test_tls, begin, end),
        cmocka_unit_test_setup_teardown(test_protocols, begin, end),
        cmocka_unit_test_setup_teardown(test_client_certificate, begin, end),
        cmocka_unit_test_setup_teardown(test_hostile_certificate, begin, end),
        cmocka_unit_test_setup_teardown(test_results, begin, end),
        cmocka_unit_test_setup_teardown(test_results_are_folded, begin, end),
        cmocka_unit_test_setup_teardown(test_results_are_folded_in_time, begin, end),
        cmocka_unit_test_setup_teardown(test_results_without_measure, begin, end),
        cmocka_unit_test_setup_teardown(test_results_of_a_long_host, begin, end),
        cmocka_unit_test_setup_teardown(test_no_room, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
