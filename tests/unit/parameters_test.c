/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/extensions.h"
#include "workers/smtp/parameters.h"

enum { ALL = KEYWORD_SIZE | KEYWORD_8BITMIME | KEYWORD_SMTPUTF8 | KEYWORD_DSN };
enum { EVERY = 0x7fffff };

static const struct {
    const char *text;
    uint32_t keywords;
    enum parameter_fault fault;
    const char *result; /* what is printed, or the culprit */
} mails[] = {
    /* clang-format off */
    { "",                                     ALL, PARAMETER_FINE,      "" },
    { " \t ",                                 ALL, PARAMETER_FINE,      "" },
    { " size=1000 body=8bitmime smtputf8",    ALL, PARAMETER_FINE,      " SIZE=1000 BODY=8BITMIME SMTPUTF8" },
    { " SIZE=0",                              ALL, PARAMETER_FINE,      " SIZE=0" },
    { " SIZE=18446744073709551615",           ALL, PARAMETER_FINE,      " SIZE=18446744073709551615" },
    { " BODY=7bit\tRET=hdrs ENVID=QQ+2B314=159", ALL, PARAMETER_FINE,   " BODY=7BIT RET=HDRS ENVID=QQ+2B314=159" },
    { " RET=FULL",                            ALL, PARAMETER_FINE,      " RET=FULL" },
    { " SIZE=99999999999999999999",           ALL, PARAMETER_FINE,      " SIZE=18446744073709551615" },
    { " SIZE=184467440737095516160",          ALL, PARAMETER_BAD_VALUE, "SIZE=184467440737095516160" },
    { " SIZE=9999999999999999999x",           ALL, PARAMETER_BAD_VALUE, "SIZE=9999999999999999999x" },
    { " SIZE=000000000000000000001",          ALL, PARAMETER_BAD_VALUE, "SIZE=000000000000000000001" },
    { " SIZE=",                               ALL, PARAMETER_BAD_VALUE, "SIZE=" },
    { " SIZE",                                ALL, PARAMETER_BAD_VALUE, "SIZE" },
    { " SIZE=-1",                             ALL, PARAMETER_BAD_VALUE, "SIZE=-1" },
    { " SIZE=1k",                             ALL, PARAMETER_BAD_VALUE, "SIZE=1k" },
    { " SIZE = 1",                            ALL, PARAMETER_BAD_VALUE, "SIZE" },
    { " SIZE=1 SIZE=1",                       ALL, PARAMETER_DOUBLED,   "SIZE=1" },
    { " SIZE=1 size=2",                       ALL, PARAMETER_DOUBLED,   "size=2" },
    { " SMTPUTF8 SMTPUTF8",                   ALL, PARAMETER_DOUBLED,   "SMTPUTF8" },
    { " SMTPUTF8=yes",                        ALL, PARAMETER_BAD_VALUE, "SMTPUTF8=yes" },
    { " SMTPUTF8=",                           ALL, PARAMETER_BAD_VALUE, "SMTPUTF8=" },
    { " BODY=BINARYMIME SIZE=1",              ALL, PARAMETER_BAD_VALUE, "BODY=BINARYMIME" },
    { " BODY",                                ALL, PARAMETER_BAD_VALUE, "BODY" },
    { " RET=BOTH",                            ALL, PARAMETER_BAD_VALUE, "RET=BOTH" },
    { " ENVID=",                              ALL, PARAMETER_BAD_VALUE, "ENVID=" },
    { " ENVID=a+0Db",                         ALL, PARAMETER_BAD_VALUE, "ENVID=a+0Db" },
    { " ENVID=a+",                            ALL, PARAMETER_BAD_VALUE, "ENVID=a+" },
    { " ENVID=\xc3\xbc",                      ALL, PARAMETER_BAD_VALUE, "ENVID=\xc3\xbc" },
    { " AUTH=<>",                             ALL, PARAMETER_UNKNOWN,   "AUTH=<>" },
    { " X",                                   ALL, PARAMETER_UNKNOWN,   "X" },
    { " =",                                   ALL, PARAMETER_UNKNOWN,   "=" },
    { " =SIZE",                               ALL, PARAMETER_UNKNOWN,   "=SIZE" },
    { " NOTIFY=NEVER",                        ALL, PARAMETER_UNKNOWN,   "NOTIFY=NEVER" },
    { " SIZE=1 BODY=7BIT",          KEYWORD_SIZE, PARAMETER_UNKNOWN,   "BODY=7BIT" },
    { " body=binarymime",                     EVERY, PARAMETER_FINE,    " BODY=BINARYMIME" },
    { " REQUIRETLS",                          EVERY, PARAMETER_FINE,    " REQUIRETLS" },
    { " REQUIRETLS=1",                        EVERY, PARAMETER_BAD_VALUE, "REQUIRETLS=1" },
    { " MT-PRIORITY=-9",                      EVERY, PARAMETER_FINE,    " MT-PRIORITY=-9" },
    { " mt-priority=0",                       EVERY, PARAMETER_FINE,    " MT-PRIORITY=0" },
    { " MT-PRIORITY=10",                      EVERY, PARAMETER_BAD_VALUE, "MT-PRIORITY=10" },
    { " MT-PRIORITY=+3",                      EVERY, PARAMETER_BAD_VALUE, "MT-PRIORITY=+3" },
    { " MT-PRIORITY=-0",                      EVERY, PARAMETER_BAD_VALUE, "MT-PRIORITY=-0" },
    { " MT-PRIORITY=-",                       EVERY, PARAMETER_BAD_VALUE, "MT-PRIORITY=-" },
    { " HOLDFOR=86400",                       EVERY, PARAMETER_FINE,    " HOLDFOR=86400" },
    { " HOLDFOR=0",                           EVERY, PARAMETER_BAD_VALUE, "HOLDFOR=0" },
    { " HOLDFOR=1000000000",                  EVERY, PARAMETER_BAD_VALUE, "HOLDFOR=1000000000" },
    { " HOLDUNTIL=2026-11-28T05:00:00Z",      EVERY, PARAMETER_FINE,    " HOLDUNTIL=2026-11-28T05:00:00Z" },
    { " HOLDUNTIL=2026-11-28T05:00:00.25Z",   EVERY, PARAMETER_FINE,    " HOLDUNTIL=2026-11-28T05:00:00.25Z" },
    { " HOLDUNTIL=2026-02-30T05:00:00Z",      EVERY, PARAMETER_BAD_VALUE, "HOLDUNTIL=2026-02-30T05:00:00Z" },
    { " HOLDUNTIL=2026-11-28T05:00:00+01:00", EVERY, PARAMETER_BAD_VALUE, "HOLDUNTIL=2026-11-28T05:00:00+01:00" },
    { " HOLDUNTIL=2026-11-28T05:00:00.Z",     EVERY, PARAMETER_BAD_VALUE, "HOLDUNTIL=2026-11-28T05:00:00.Z" },
    { " HOLDUNTIL=2026-11-28T05:00:00.2",     EVERY, PARAMETER_BAD_VALUE, "HOLDUNTIL=2026-11-28T05:00:00.2" },
    { " HOLDUNTIL=2026-11-28T05:00:00ZZ",     EVERY, PARAMETER_BAD_VALUE, "HOLDUNTIL=2026-11-28T05:00:00ZZ" },
    { " HOLDFOR=1 HOLDUNTIL=2026-11-28T05:00:00Z", EVERY, PARAMETER_BAD_VALUE, "HOLDUNTIL=2026-11-28T05:00:00Z" },
    { " HOLDUNTIL=2026-11-28T05:00:00Z HOLDFOR=1", EVERY, PARAMETER_BAD_VALUE, "HOLDFOR=1" },
    { " BY=120;R",                            EVERY, PARAMETER_FINE,    " BY=120;R" },
    { " BY=+120;rt",                          EVERY, PARAMETER_FINE,    " BY=120;RT" },
    { " BY=-5;N",                             EVERY, PARAMETER_FINE,    " BY=-5;N" },
    { " BY=0;NT",                             EVERY, PARAMETER_FINE,    " BY=0;NT" },
    { " BY=0;R",                              EVERY, PARAMETER_BAD_VALUE, "BY=0;R" },
    { " BY=-5;R",                             EVERY, PARAMETER_BAD_VALUE, "BY=-5;R" },
    { " BY=120",                              EVERY, PARAMETER_BAD_VALUE, "BY=120" },
    { " BY=120;",                             EVERY, PARAMETER_BAD_VALUE, "BY=120;" },
    { " BY=120;X",                            EVERY, PARAMETER_BAD_VALUE, "BY=120;X" },
    { " BY=120;RTT",                          EVERY, PARAMETER_BAD_VALUE, "BY=120;RTT" },
    { " BY=1234567890;R",                     EVERY, PARAMETER_BAD_VALUE, "BY=1234567890;R" },
    { " BY=;R",                               EVERY, PARAMETER_BAD_VALUE, "BY=;R" },
    { " AUTH=<>",                             EVERY, PARAMETER_FINE,    " AUTH=<>" },
    { " AUTH=e+3Dmc2@example.com",            KEYWORD_AUTH_PLAIN, PARAMETER_FINE, " AUTH=e+3Dmc2@example.com" },
    { " AUTH=a+0Ab@c",                        EVERY, PARAMETER_BAD_VALUE, "AUTH=a+0Ab@c" },
    { " RET=FULL",               ALL & ~KEYWORD_DSN, PARAMETER_UNKNOWN, "RET=FULL" },
    { " SIZE=1",                              0,   PARAMETER_UNKNOWN,   "SIZE=1" },
    /* clang-format on */
};

static void mail_parameters(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof mails / sizeof *mails; i++) {
        char memory[256];
        struct buffer to;
        struct mail_parameters mail;
        struct slice result = {0};
        enum parameter_fault fault = mail_parameters_parse(slice_of(mails[i].text), mails[i].keywords, &mail, &result);
        buffer_init(&to, memory, sizeof memory);
        if (fault == PARAMETER_FINE) {
            assert_true(mail_parameters_print(&to, &mail, EVERY));
            result = buffer_unread(&to);
        }
        if (fault != mails[i].fault || !slice_equal(result, slice_of(mails[i].result)))
            fail_msg("\"%s\": %d \"%.*s\"", mails[i].text, (int)fault, SLICE_ARGS(result));
    }
}

static const struct {
    const char *text;
    enum parameter_fault fault;
    const char *result;
} rcpts[] = {
    /* clang-format off */
    { "",                                     PARAMETER_FINE,      "" },
    { " notify=never",                        PARAMETER_FINE,      " NOTIFY=NEVER" },
    { " NOTIFY=DELAY,success,FAILURE",        PARAMETER_FINE,      " NOTIFY=SUCCESS,FAILURE,DELAY" },
    { " NOTIFY=DELAY,DELAY",                  PARAMETER_FINE,      " NOTIFY=DELAY" },
    { " ORCPT=rfc822;a+2Bb@c NOTIFY=NEVER",   PARAMETER_FINE,      " NOTIFY=NEVER ORCPT=rfc822;a+2Bb@c" },
    { " ORCPT=x-400;C=de;A=b",                PARAMETER_FINE,      " ORCPT=x-400;C=de;A=b" },
    { " ORCPT=utf-8;\xc3\xbc@b",              PARAMETER_FINE,      " ORCPT=utf-8;\xc3\xbc@b" },
    { " ORCPT=UTF-8;\\x{FC}@b\\x{20AC}",      PARAMETER_FINE,      " ORCPT=UTF-8;\\x{FC}@b\\x{20AC}" },
    { " NOTIFY=NEVER,DELAY",                  PARAMETER_BAD_VALUE, "NOTIFY=NEVER,DELAY" },
    { " NOTIFY=DELAY,NEVER",                  PARAMETER_BAD_VALUE, "NOTIFY=DELAY,NEVER" },
    { " NOTIFY=DELAY,",                       PARAMETER_BAD_VALUE, "NOTIFY=DELAY," },
    { " NOTIFY=,DELAY",                       PARAMETER_BAD_VALUE, "NOTIFY=,DELAY" },
    { " NOTIFY=,",                            PARAMETER_BAD_VALUE, "NOTIFY=," },
    { " NOTIFY=",                             PARAMETER_BAD_VALUE, "NOTIFY=" },
    { " NOTIFY",                              PARAMETER_BAD_VALUE, "NOTIFY" },
    { " NOTIFY=ALWAYS",                       PARAMETER_BAD_VALUE, "NOTIFY=ALWAYS" },
    { " NOTIFY=DELAY NOTIFY=DELAY",           PARAMETER_DOUBLED,   "NOTIFY=DELAY" },
    { " ORCPT=a@b",                           PARAMETER_BAD_VALUE, "ORCPT=a@b" },
    { " ORCPT=;a@b",                          PARAMETER_BAD_VALUE, "ORCPT=;a@b" },
    { " ORCPT=rfc822;",                       PARAMETER_BAD_VALUE, "ORCPT=rfc822;" },
    { " ORCPT=rfc.822;a@b",                   PARAMETER_BAD_VALUE, "ORCPT=rfc.822;a@b" },
    { " ORCPT=rfc822;a+0D+0Ab",               PARAMETER_BAD_VALUE, "ORCPT=rfc822;a+0D+0Ab" },
    { " ORCPT=rfc822;a+b",                    PARAMETER_BAD_VALUE, "ORCPT=rfc822;a+b" },
    { " ORCPT=rfc822;\xc3\xbc@b",             PARAMETER_BAD_VALUE, "ORCPT=rfc822;\xc3\xbc@b" },
    { " ORCPT=utf-8;\xc3@b",                  PARAMETER_BAD_VALUE, "ORCPT=utf-8;\xc3@b" },
    { " ORCPT=utf-8;a\\x{0D}b",               PARAMETER_BAD_VALUE, "ORCPT=utf-8;a\\x{0D}b" },
    { " ORCPT=utf-8;a+5Cx{0A}b",              PARAMETER_BAD_VALUE, "ORCPT=utf-8;a+5Cx{0A}b" },
    { " ORCPT=utf-8;a\\x{2028}",              PARAMETER_BAD_VALUE, "ORCPT=utf-8;a\\x{2028}" },
    { " ORCPT=utf-8;a\\x{}",                  PARAMETER_BAD_VALUE, "ORCPT=utf-8;a\\x{}" },
    { " ORCPT=utf-8;a\\x{41",                 PARAMETER_BAD_VALUE, "ORCPT=utf-8;a\\x{41" },
    { " ORCPT=utf-8;a\\",                     PARAMETER_BAD_VALUE, "ORCPT=utf-8;a\\" },
    { " SIZE=1",                              PARAMETER_UNKNOWN,   "SIZE=1" },
    /* clang-format on */
};

static void rcpt_parameters(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof rcpts / sizeof *rcpts; i++) {
        char memory[256];
        struct buffer to;
        struct rcpt_parameters rcpt;
        struct slice result = {0};
        enum parameter_fault fault = rcpt_parameters_parse(slice_of(rcpts[i].text), ALL, &rcpt, &result);
        buffer_init(&to, memory, sizeof memory);
        if (fault == PARAMETER_FINE) {
            assert_true(rcpt_parameters_print(&to, &rcpt));
            result = buffer_unread(&to);
        }
        if (fault != rcpts[i].fault || !slice_equal(result, slice_of(rcpts[i].result)))
            fail_msg("\"%s\": %d \"%.*s\"", rcpts[i].text, (int)fault, SLICE_ARGS(result));
    }
}

static void long_values_are_refused(void **unused)
{
    (void)unused;
    char text[1200];
    struct mail_parameters mail;
    struct rcpt_parameters rcpt;
    struct slice culprit;
    memset(text, 'x', sizeof text);
    memcpy(text, "ENVID=", 6);
    assert_int_equal(mail_parameters_parse(slice_make(text, 6 + 256), ALL, &mail, &culprit), PARAMETER_FINE);
    assert_int_equal(mail_parameters_parse(slice_make(text, 6 + 257), ALL, &mail, &culprit), PARAMETER_BAD_VALUE);
    memcpy(text, "ORCPT=utf-8;", 12);
    assert_int_equal(rcpt_parameters_parse(slice_make(text, 6 + 1024), ALL, &rcpt, &culprit), PARAMETER_FINE);
    assert_int_equal(rcpt_parameters_parse(slice_make(text, 6 + 1025), ALL, &rcpt, &culprit), PARAMETER_BAD_VALUE);
}

static void what_inside_lacks(void **unused)
{
    (void)unused;
    char memory[64];
    struct buffer to;
    struct slice culprit;
    struct mail_parameters mail;
    struct rcpt_parameters rcpt;
    mail_parameters_parse(slice_of("SIZE=1 BODY=7BIT"), ALL, &mail, &culprit);
    assert_int_equal(mail_parameters_need(&mail), 0);
    buffer_init(&to, memory, sizeof memory);
    assert_true(mail_parameters_print(&to, &mail, 0));
    assert_int_equal(buffer_unread(&to).size, 0);
    mail_parameters_parse(slice_of("BODY=8BITMIME SMTPUTF8 ENVID=x"), ALL, &mail, &culprit);
    assert_int_equal(mail_parameters_need(&mail), KEYWORD_8BITMIME | KEYWORD_SMTPUTF8 | KEYWORD_DSN);
    buffer_init(&to, memory, 20);
    assert_false(mail_parameters_print(&to, &mail, ALL));
    mail_parameters_parse(slice_of("AUTH=<> HOLDFOR=1 BY=1;R MT-PRIORITY=1 REQUIRETLS BODY=BINARYMIME"), EVERY, &mail,
                          &culprit);
    assert_int_equal(mail_parameters_need(&mail), KEYWORD_FUTURERELEASE | KEYWORD_DELIVERBY | KEYWORD_MT_PRIORITY |
                                                      KEYWORD_REQUIRETLS | KEYWORD_BINARYMIME | KEYWORD_CHUNKING);
    mail_parameters_parse(slice_of("AUTH=<>"), EVERY, &mail, &culprit);
    buffer_init(&to, memory, sizeof memory);
    assert_true(mail_parameters_print(&to, &mail, 0));
    assert_int_equal(buffer_unread(&to).size, 0);
    mail_parameters_parse(slice_of("AUTH=<> ENVID=x HOLDUNTIL=2026-11-28T05:00:00Z"), EVERY, &mail, &culprit);
    mail_parameters_end_line(&mail);
    assert_true(mail_parameters_print(&to, &mail, EVERY));
    assert_int_equal(buffer_unread(&to).size, 0);
    rcpt_parameters_parse(slice_of("NOTIFY=NEVER"), ALL, &rcpt, &culprit);
    assert_int_equal(rcpt_parameters_need(&rcpt), KEYWORD_DSN);
    rcpt_parameters_parse(slice_of("ORCPT=utf-8;\xc3\xbc"), ALL, &rcpt, &culprit);
    assert_int_equal(rcpt_parameters_need(&rcpt), KEYWORD_DSN | KEYWORD_SMTPUTF8);
    /* Not offered: the client's fault, and no sign that inside offers less than it did. */
    assert_int_equal(rcpt_parameters_parse(slice_of("ORCPT=utf-8;\xc3\xbc"), KEYWORD_DSN, &rcpt, &culprit),
                     PARAMETER_BAD_VALUE);
    assert_true(slice_equal(culprit, slice_of("ORCPT=utf-8")));
    assert_int_equal(rcpt_parameters_parse(slice_of("ORCPT=utf-8;\\x{FC}"), KEYWORD_DSN, &rcpt, &culprit),
                     PARAMETER_FINE);
    rcpt_parameters_parse(slice_of(""), ALL, &rcpt, &culprit);
    assert_int_equal(rcpt_parameters_need(&rcpt), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_parameters),
        cmocka_unit_test(rcpt_parameters),
        cmocka_unit_test(long_values_are_refused),
        cmocka_unit_test(what_inside_lacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
