/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/attributes.h"
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
    { "mx\nXCLIENT\tname  addr",                   KEYWORD_XCLIENT, 0, ATTRIBUTE_NAME | ATTRIBUTE_ADDR },
    { "mx\nXCLIENT=NAME ADDR",                     0, 0, 0 },
    { "mx\nXCLIENT",                               KEYWORD_XCLIENT, 0, 0 },
    { "mx\nETRN\nVRFY\nXEXCH50\nBURL\nAUTH\n\n PIPELININGS", 0, 0, 0 },
    { "mx\nAUTH GSSAPI plain DIGEST-MD5 SCRAM-SHA-256-PLUS EXTERNAL ANONYMOUS LOGIN SCRAM-SHA-256 NTLM",
                                                   KEYWORD_AUTH_PLAIN | KEYWORD_AUTH_LOGIN | KEYWORD_AUTH_SCRAM_SHA_256,
                                                   0, 0 },
    { "mx\nAUTH CRAM-MD5\nAUTH=SCRAM-SHA-1 OAUTHBEARER\nAUTHXOAUTH2 XOAUTH2",
                                                   KEYWORD_AUTH_CRAM_MD5 | KEYWORD_AUTH_SCRAM_SHA_1 |
                                                   KEYWORD_AUTH_OAUTHBEARER, 0, 0 },
    { "mx\nCHUNKING\nBINARYMIME\nREQUIRETLS\nMT-PRIORITY", KEYWORD_CHUNKING | KEYWORD_BINARYMIME | KEYWORD_REQUIRETLS |
                                                   KEYWORD_MT_PRIORITY, 0, 0 },
    { "mx\nFUTURERELEASE",                         0, 0, 0 }, /* its limits are no option */
    { "mx\nFUTURERELEASE 86400 2026-13-01T00:00:00Z", 0, 0, 0 },
    /* clang-format on */
};

static void only_what_is_known_is_kept(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        struct reply reply = {.code = 250, .text = slice_of(answers[i].text)};
        struct extensions found;
        extensions_parse(&reply, &found);
        if (found.keywords != answers[i].keywords || found.numbers[NUMBER_SIZE] != answers[i].size_limit ||
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
    { { KEYWORD_PIPELINING | KEYWORD_8BITMIME }, "mx.example.org\nPIPELINING\n8BITMIME" },
    { { KEYWORD_SIZE },                         "mx.example.org\nSIZE" },
    { { KEYWORD_SIZE, { 10240000 } },           "mx.example.org\nSIZE 10240000" },
    { { 0, { 10240000 }, 0x1ff },               "mx.example.org" },
    { { KEYWORD_XCLIENT, .xclient = ATTRIBUTE_NAME | ATTRIBUTE_ADDR }, "mx.example.org\nXCLIENT NAME ADDR" },
    { { KEYWORD_XFORWARD, .xforward = ATTRIBUTE_ADDR | ATTRIBUTE_IDENT }, "mx.example.org\nXFORWARD ADDR IDENT" },
    { { KEYWORD_AUTH_LOGIN | KEYWORD_AUTH_PLAIN | KEYWORD_DSN }, "mx.example.org\nDSN\nAUTH PLAIN LOGIN" },
    { { KEYWORD_LIMITS, .numbers = { [NUMBER_RCPTMAX] = 20, [NUMBER_MAILMAX] = 5, [NUMBER_RCPTDOMAINMAX] = 1 } },
                                                "mx.example.org\nLIMITS RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1" },
    { { KEYWORD_DELIVERBY },                    "mx.example.org\nDELIVERBY" },
    { { KEYWORD_DELIVERBY, .numbers = { [NUMBER_BY_MIN] = 240 } }, "mx.example.org\nDELIVERBY 240" },
    { { KEYWORD_FUTURERELEASE, .numbers = { [NUMBER_HOLD_FOR] = 86400, [NUMBER_HOLD_UNTIL] = 1795842000 } },
                                                "mx.example.org\nFUTURERELEASE 86400 2026-11-28T05:00:00Z" },
    { { KEYWORD_MT_PRIORITY, .numbers = { [NUMBER_PRIORITIES] = 2 } }, "mx.example.org\nMT-PRIORITY STANAG4406" },
    { { KEYWORD_MT_PRIORITY, .numbers = { [NUMBER_PRIORITIES] = 99 } }, "mx.example.org\nMT-PRIORITY" },
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
    char memory[1024];
    struct buffer to;
    struct extensions offered = {0x7fffff, {12345, 100, 10, 3, 240, 86400, 1795842000, 1}, 0x7ff, 0x7ff}, found;
    buffer_init(&to, memory, sizeof memory);
    assert_true(extensions_print(&to, slice_of("mx"), &offered));
    struct reply reply = {.code = 250, .text = buffer_unread(&to)};
    extensions_parse(&reply, &found);
    assert_int_equal(found.keywords, offered.keywords);
    assert_memory_equal(found.numbers, offered.numbers, sizeof found.numbers);
    assert_int_equal(found.xclient, offered.xclient);
    assert_int_equal(found.xforward, offered.xforward);
    buffer_init(&to, memory, 20);
    assert_false(extensions_print(&to, slice_of("mx"), &offered));
}

static void numbers_are_bounded(void **unused)
{
    (void)unused;
    struct extensions found;
    struct reply reply = {.code = 250,
                          .text = slice_of("mx\nLIMITS rcptmax=20 MAILMAX=1000000 RCPTDOMAINMAX= X=1\nDELIVERBY -5\n"
                                           "MT-PRIORITY OTHER\nFUTURERELEASE 9999999999 2026-11-28T05:00:00Z")};
    extensions_parse(&reply, &found);
    assert_int_equal(found.keywords, KEYWORD_LIMITS | KEYWORD_DELIVERBY | KEYWORD_MT_PRIORITY);
    assert_int_equal(found.numbers[NUMBER_RCPTMAX], 20);
    for (int i = NUMBER_MAILMAX; i < KEYWORD_NUMBERS; i++)
        assert_int_equal(found.numbers[i], i == NUMBER_HOLD_UNTIL ? 1795842000 : 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_known_is_kept),
        cmocka_unit_test(a_refusal_offers_nothing),
        cmocka_unit_test(offers_are_printed_a_keyword_a_line),
        cmocka_unit_test(what_is_printed_is_understood),
        cmocka_unit_test(numbers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
