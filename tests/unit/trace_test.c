/* SPDX-License-Identifier: ISC
 *
 * What the Received line says of TLS, and that nothing of a client's certificate breaks out of its comment.
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

static const struct service service = {.hostname = "mx.example.org", .listener = "mx"};
static char text[TRACE_MAX];

static int begin(void **state)
{
    struct session *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->service = &service;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_in_the_clear, begin, end),
        cmocka_unit_test_setup_teardown(test_name, begin, end),
        cmocka_unit_test_setup_teardown(test_tls, begin, end),
        cmocka_unit_test_setup_teardown(test_protocols, begin, end),
        cmocka_unit_test_setup_teardown(test_client_certificate, begin, end),
        cmocka_unit_test_setup_teardown(test_hostile_certificate, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
