/* SPDX-License-Identifier: ISC
 *
 * attributes: what a trusted gate says of a client is still held to what each name stands for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/attributes.h"

enum { ALL = 0x7ff, NO_LOGIN = ALL & ~ATTRIBUTE_LOGIN };

static const struct {
    const char *text;
    enum attribute_fault fault;
    const char *culprit;
} lines[] = {
    /* clang-format off */
    { "NAME=a.example ADDR=192.0.2.1 PORT=1234",           ATTRIBUTE_FINE,      "" },
    { " name=[UNAVAILABLE]  addr=IPV6:2001:db8::1 ",       ATTRIBUTE_FINE,      "" },
    { "REVERSE_NAME=[TEMPUNAVAIL] PROTO=ESMTP HELO=[192.0.2.1]", ATTRIBUTE_FINE, "" },
    { "DESTADDR=192.0.2.25 DESTPORT=25 IDENT=4TzX1s0Gz SOURCE=REMOTE", ATTRIBUTE_FINE, "" },
    { "",                                                  ATTRIBUTE_MISSING,   "" },
    { "LOGIN=ann",                                         ATTRIBUTE_BAD_NAME,  "LOGIN=ann" },
    { "ADDRESS=192.0.2.1",                                 ATTRIBUTE_BAD_NAME,  "ADDRESS=192.0.2.1" },
    { "ADDR=192.0.2.1 ADDR=192.0.2.1",                     ATTRIBUTE_DOUBLED,   "ADDR=192.0.2.1" },
    { "ADDR",                                              ATTRIBUTE_BAD_VALUE, "ADDR" },
    { "ADDR=",                                             ATTRIBUTE_BAD_VALUE, "ADDR=" },
    { "ADDR=2001:db8::1",                                  ATTRIBUTE_BAD_VALUE, "ADDR=2001:db8::1" },
    { "ADDR=IPV6:192.0.2.1",                               ATTRIBUTE_BAD_VALUE, "ADDR=IPV6:192.0.2.1" },
    { "ADDR=[192.0.2.1]",                                  ATTRIBUTE_BAD_VALUE, "ADDR=[192.0.2.1]" },
    { "ADDR=192.0.2.256",                                  ATTRIBUTE_BAD_VALUE, "ADDR=192.0.2.256" },
    { "PORT=65536",                                        ATTRIBUTE_BAD_VALUE, "PORT=65536" },
    { "PORT=-1",                                           ATTRIBUTE_BAD_VALUE, "PORT=-1" },
    { "NAME=a+0D+0AXCLIENT",                               ATTRIBUTE_BAD_VALUE, "NAME=a+0D+0AXCLIENT" },
    { "NAME=a+20b",                                        ATTRIBUTE_BAD_VALUE, "NAME=a+20b" },
    { "NAME=a+zz",                                         ATTRIBUTE_BAD_VALUE, "NAME=a+zz" },
    { "NAME=\xc3\xbc.example",                             ATTRIBUTE_BAD_VALUE, "NAME=\xc3\xbc.example" },
    { "HELO=a+00b",                                        ATTRIBUTE_BAD_VALUE, "HELO=a+00b" },
    { "PROTO=ESMTP;x",                                     ATTRIBUTE_BAD_VALUE, "PROTO=ESMTP;x" },
    { "IDENT=a+29b",                                       ATTRIBUTE_BAD_VALUE, "IDENT=a+29b" },
    { "SOURCE=MARS",                                       ATTRIBUTE_BAD_VALUE, "SOURCE=MARS" },
    /* clang-format on */
};

static void each_is_held_to_what_it_stands_for(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct attributes said = {0}, before = {0};
        struct slice culprit = {"", 0};
        enum attribute_fault fault = attributes_parse(slice_of(lines[i].text), NO_LOGIN, &said, &culprit);
        if (fault != lines[i].fault)
            fail_msg("%s: %d", lines[i].text, (int)fault);
        if (fault != ATTRIBUTE_FINE)
            assert_memory_equal(&said, &before, sizeof(said));
    }
}

static void what_was_said_is_there(void **unused)
{
    (void)unused;
    struct attributes said = {0};
    struct slice culprit;
    struct ipaddr address;
    uint16_t port;
    char text[IPADDR_TEXT_MAX];
    assert_int_equal(attributes_parse(slice_of("ADDR=IPV6:2001:db8::1 LOGIN=ann+2Bx@example.org NAME=[TEMPUNAVAIL]"),
                                      ALL, &said, &culprit),
                     ATTRIBUTE_FINE);
    assert_true(attributes_address(&said, ATTRIBUTE_ADDR, &address));
    ipaddr_print(&address, text);
    assert_string_equal(text, "2001:db8::1");
    assert_string_equal(attributes_get(&said, ATTRIBUTE_LOGIN)->text, "ann+x@example.org");
    assert_int_equal(attributes_get(&said, ATTRIBUTE_NAME)->state, ATTRIBUTE_TEMPUNAVAIL);
    assert_int_equal(attributes_get(&said, ATTRIBUTE_HELO)->state, ATTRIBUTE_NOT_SAID);
    assert_false(attributes_port(&said, ATTRIBUTE_PORT, &port));
    assert_int_equal(attributes_parse(slice_of("PORT=25 NAME=a.example"), ALL, &said, &culprit), ATTRIBUTE_FINE);
    assert_true(attributes_port(&said, ATTRIBUTE_PORT, &port));
    assert_int_equal(port, 25);
    assert_string_equal(attributes_get(&said, ATTRIBUTE_NAME)->text, "a.example");
    assert_true(attributes_address(&said, ATTRIBUTE_ADDR, &address)); /* a second line adds to the first */
}

static void long_values_are_refused(void **unused)
{
    (void)unused;
    char text[6 + ATTRIBUTE_VALUE_MAX + 2] = "LOGIN=";
    struct attributes said = {0};
    struct slice culprit;
    memset(text + 6, 'x', ATTRIBUTE_VALUE_MAX + 1);
    assert_int_equal(attributes_parse(slice_make(text, 6 + ATTRIBUTE_VALUE_MAX), ALL, &said, &culprit), ATTRIBUTE_FINE);
    assert_int_equal(strlen(attributes_get(&said, ATTRIBUTE_LOGIN)->text), ATTRIBUTE_VALUE_MAX);
    assert_int_equal(attributes_parse(slice_make(text, 6 + ATTRIBUTE_VALUE_MAX + 1), ALL, &said, &culprit),
                     ATTRIBUTE_BAD_VALUE);
}

static void they_are_printed_as_they_were_said(void **unused)
{
    (void)unused;
    struct attributes said = {0};
    struct slice culprit;
    char memory[200];
    struct buffer to;
    buffer_init(&to, memory, sizeof(memory));
    attributes_parse(slice_of("LOGIN=ann+2Bx NAME=[TEMPUNAVAIL] ADDR=IPV6:2001:db8::1"), ALL, &said, &culprit);
    attributes_print(&to, ATTRIBUTE_LOGIN, attributes_get(&said, ATTRIBUTE_LOGIN));
    attributes_print(&to, ATTRIBUTE_NAME, attributes_get(&said, ATTRIBUTE_NAME));
    attributes_print(&to, ATTRIBUTE_ADDR, attributes_get(&said, ATTRIBUTE_ADDR));
    attributes_print(&to, ATTRIBUTE_PORT, attributes_get(&said, ATTRIBUTE_PORT));
    assert_true(slice_equal(buffer_unread(&to), slice_of(" LOGIN=ann+2Bx NAME=[TEMPUNAVAIL] ADDR=IPV6:2001:db8::1 "
                                                         "PORT=[UNAVAILABLE]")));
    buffer_init(&to, memory, 8);
    assert_false(attributes_print(&to, ATTRIBUTE_LOGIN, attributes_get(&said, ATTRIBUTE_LOGIN)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_held_to_what_it_stands_for),
        cmocka_unit_test(what_was_said_is_there),
        cmocka_unit_test(long_values_are_refused),
        cmocka_unit_test(they_are_printed_as_they_were_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
