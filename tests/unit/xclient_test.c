/* SPDX-License-Identifier: ISC
 *
 * xclient: one line with what is known and offered, and never one that inside would take for too long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/must.h"
#include "workers/xclient.h"

enum { EVERYTHING = 0x1ff };

static struct endpoint client, local;

static struct inside_client who_is(const char *address)
{
    const char *why;
    must(endpoint_parse(slice_of("192.0.2.25:25"), &local, &why));
    client = (struct endpoint){.kind = ENDPOINT_UNIX};
    if (address != NULL)
        must(endpoint_parse(slice_of(address), &client, &why));
    return (struct inside_client){.client = &client, .local = &local};
}

static void expect(uint32_t attributes, const struct inside_client *who, const char *expected)
{
    char memory[2048];
    struct buffer line;
    buffer_init(&line, memory, sizeof(memory));
    bool fine = xclient_print(&line, attributes, who);
    assert_int_equal(fine, expected != NULL);
    if (fine && !slice_equal(buffer_unread(&line), slice_of(expected)))
        fail_msg("%.*s", SLICE_ARGS(buffer_unread(&line)));
}

static void expect_address(uint32_t attributes, const char *address, const char *expected)
{
    struct inside_client who = who_is(address);
    expect(attributes, &who, expected);
}

static void what_is_offered_is_said(void **unused)
{
    (void)unused;
    expect_address(ATTRIBUTE_NAME | ATTRIBUTE_ADDR | ATTRIBUTE_PORT, "198.51.100.7:1234",
                   "XCLIENT NAME=[TEMPUNAVAIL] ADDR=198.51.100.7 PORT=1234\r\n");
    expect_address(ATTRIBUTE_NAME | ATTRIBUTE_ADDR, "[2001:db8::7]:1234",
                   "XCLIENT NAME=[TEMPUNAVAIL] ADDR=IPV6:2001:db8::7\r\n");
    expect_address(ATTRIBUTE_ADDR | ATTRIBUTE_PORT | ATTRIBUTE_DESTADDR | ATTRIBUTE_DESTPORT | ATTRIBUTE_HELO |
                       ATTRIBUTE_PROTO,
                   "198.51.100.7:1234", "XCLIENT ADDR=198.51.100.7 PORT=1234 DESTADDR=192.0.2.25 DESTPORT=25\r\n");
    expect_address(ATTRIBUTE_NAME | ATTRIBUTE_ADDR | ATTRIBUTE_PORT | ATTRIBUTE_REVERSE_NAME, NULL,
                   "XCLIENT NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE] REVERSE_NAME=[UNAVAILABLE]\r\n");
    expect_address(ATTRIBUTE_NAME | ATTRIBUTE_PORT, "198.51.100.7:1234", NULL);
    expect_address(0, "198.51.100.7:1234", NULL);
}

static void what_is_known_is_said(void **unused)
{
    (void)unused;
    static const bool esmtp = true;
    struct attribute_value name = {ATTRIBUTE_KNOWN, "a.example"}, reverse = {ATTRIBUTE_UNAVAILABLE, ""};
    struct inside_client who = who_is("198.51.100.7:1234");
    who.name = &name;
    who.reverse_name = &reverse;
    who.login = "ann+x";
    who.helo = "b.example";
    who.esmtp = &esmtp;
    expect(EVERYTHING, &who,
           "XCLIENT NAME=a.example ADDR=198.51.100.7 PORT=1234 LOGIN=ann+2Bx DESTADDR=192.0.2.25 DESTPORT=25 "
           "REVERSE_NAME=[UNAVAILABLE] PROTO=ESMTP HELO=b.example\r\n");
    name = (struct attribute_value){0};
    who.helo = who.login = "";
    expect(ATTRIBUTE_NAME | ATTRIBUTE_ADDR | ATTRIBUTE_LOGIN | ATTRIBUTE_HELO | ATTRIBUTE_PROTO, &who,
           "XCLIENT NAME=[TEMPUNAVAIL] ADDR=198.51.100.7\r\n");
}

static void a_login_is_said_where_it_is_asked_for(void **unused)
{
    (void)unused;
    struct inside_client who = who_is("192.0.2.7:1");
    who.login = "a b=\xc3\xbc";
    expect(ATTRIBUTE_ADDR | ATTRIBUTE_LOGIN, &who, "XCLIENT ADDR=192.0.2.7 LOGIN=a+20b+3D+C3+BC\r\n");
    expect(ATTRIBUTE_ADDR, &who, "XCLIENT ADDR=192.0.2.7\r\n");
}

static void a_long_line_loses_its_end_or_is_none(void **unused)
{
    (void)unused;
    static char longest[256], helo[256];
    struct inside_client who = who_is("192.0.2.7:1");
    static const bool esmtp = false;
    memset(longest, 'n', sizeof(longest) - 1);
    memset(helo, 'h', sizeof(helo) - 1);
    who.login = longest;
    who.helo = helo;
    who.esmtp = &esmtp;
    char expected[1024];
    snprintf(expected, sizeof(expected),
             "XCLIENT NAME=[TEMPUNAVAIL] ADDR=192.0.2.7 PORT=1 LOGIN=%s DESTADDR=192.0.2.25 DESTPORT=25 "
             "REVERSE_NAME=[TEMPUNAVAIL] PROTO=SMTP\r\n",
             longest);
    expect(EVERYTHING, &who, expected);
    memset(longest, ' ', sizeof(longest) - 1); /* three octets each: more than the line may have */
    expect(ATTRIBUTE_ADDR | ATTRIBUTE_LOGIN, &who, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_offered_is_said),
        cmocka_unit_test(what_is_known_is_said),
        cmocka_unit_test(a_login_is_said_where_it_is_asked_for),
        cmocka_unit_test(a_long_line_loses_its_end_or_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
