/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/extensions.h"

static const struct {
    const char *text;
    uint32_t keywords;
    uint64_t size_limit;
    uint32_t xclient;
} answers[] = {
    /* clang-format off */
    { "mx.example.org",                            0, 0, 0 },
    { "PIPELINING",                                0, 0, 0 },  /* the greeting is none */
    { "",                                          0, 0, 0 },
    { "mx\nPIPELINING\n8bitmime\nSMTPUTF8",        KEYWORD_PIPELINING | KEYWORD_8BITMIME | KEYWORD_SMTPUTF8, 0, 0 },
    { "mx\nENHANCEDSTATUSCODES\nDSN\nCHUNKING\nSTARTTLS", KEYWORD_ENHANCEDSTATUSCODES | KEYWORD_DSN |
                                                   KEYWORD_CHUNKING | KEYWORD_STARTTLS, 0, 0 },
    { "mx\nSIZE 10240000",                         KEYWORD_SIZE, 10240000, 0 },
    { "mx\nSIZE",                                  KEYWORD_SIZE, 0, 0 },
    { "mx\nSIZE 0",                                KEYWORD_SIZE, 0, 0 },
    { "mx\nSIZE 5000\nSIZE 3000\nSIZE 0\nSIZE 4000", KEYWORD_SIZE, 3000, 0 },
    { "mx\nSIZE many",                             KEYWORD_SIZE, 0, 0 },
    { "mx\nSIZE 99999999999999999999",             KEYWORD_SIZE, 0, 0 },
    { "mx\nSIZE=1000",                             0, 0, 0 },
    { "mx\nXCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT REVERSE_NAME OTHER",
                                                   KEYWORD_XCLIENT, 0, 0x1ff },
    { "mx\nXCLIENT\tname  addr",                   KEYWORD_XCLIENT, 0, XCLIENT_NAME | XCLIENT_ADDR },
    { "mx\nXCLIENT=NAME ADDR",                     0, 0, 0 },
    { "mx\nXCLIENT",                               KEYWORD_XCLIENT, 0, 0 },
    { "mx\nETRN\nVRFY\nAUTH PLAIN\nXEXCH50\n\n PIPELININGS", 0, 0, 0 },
    /* clang-format on */
};

static void only_what_is_known_is_kept(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct reply reply = {.code = 250, .text = slice_of(answers[i].text)};
        struct extensions found;
        extensions_parse(&reply, &found);
        if (found.keywords != answers[i].keywords || found.size_limit != answers[i].size_limit ||
            found.xclient != answers[i].xclient)
            fail_msg("%s", answers[i].text);
    }
}

static void a_refusal_offers_nothing(void **unused)
{
    (void)unused;
    struct reply reply = {.code = 550, .text = slice_of("mx\nPIPELINING")};
    struct extensions found;
    extensions_parse(&reply, &found);
    assert_int_equal(found.keywords, 0);
}

static const struct {
    struct extensions offered;
    const char *printed;
} offers[] = {
    /* clang-format off */
    { { 0 },                                    "mx.example.org" },
    { { KEYWORD_PIPELINING | KEYWORD_8BITMIME, 0, 0 }, "mx.example.org\nPIPELINING\n8BITMIME" },
    { { KEYWORD_SIZE, 0, 0 },                   "mx.example.org\nSIZE" },
    { { KEYWORD_SIZE, 10240000, 0 },            "mx.example.org\nSIZE 10240000" },
    { { 0, 10240000, 0x1ff },                   "mx.example.org" },
    { { KEYWORD_XCLIENT, 0, XCLIENT_NAME | XCLIENT_ADDR }, "mx.example.org\nXCLIENT NAME ADDR" },
    /* clang-format on */
};

static void offers_are_printed_a_keyword_a_line(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof offers / sizeof *offers; i++) {
        char memory[128];
        struct buffer to;
        buffer_init(&to, memory, sizeof memory);
        assert_true(extensions_print(&to, slice_of("mx.example.org"), &offers[i].offered));
        if (!slice_equal(buffer_unread(&to), slice_of(offers[i].printed)))
            fail_msg("%.*s", SLICE_ARGS(buffer_unread(&to)));
    }
}

static void what_is_printed_is_understood(void **unused)
{
    (void)unused;
    char memory[512];
    struct buffer to;
    struct extensions offered = {0x1ff, 12345, 0x1ff}, found;
    buffer_init(&to, memory, sizeof memory);
    assert_true(extensions_print(&to, slice_of("mx"), &offered));
    struct reply reply = {.code = 250, .text = buffer_unread(&to)};
    extensions_parse(&reply, &found);
    assert_int_equal(found.keywords, offered.keywords);
    assert_int_equal(found.size_limit, offered.size_limit);
    assert_int_equal(found.xclient, offered.xclient);
    buffer_init(&to, memory, 20);
    assert_false(extensions_print(&to, slice_of("mx"), &offered));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_known_is_kept),
        cmocka_unit_test(a_refusal_offers_nothing),
        cmocka_unit_test(offers_are_printed_a_keyword_a_line),
        cmocka_unit_test(what_is_printed_is_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
