/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/command.h"

static const struct {
    struct slice line;
    enum command_fault fault;
    enum verb verb;
    const char *argument;
} lines[] = {
    /* clang-format off */
    { SLICE("EHLO mx.example.org\r\n"),       COMMAND_FINE,    VERB_EHLO,     "mx.example.org" },
    { SLICE("ehlo  a b \t\r\n"),              COMMAND_FINE,    VERB_EHLO,     "a b" },
    { SLICE("MAIL FROM:<a@b> SIZE=1\r\n"),    COMMAND_FINE,    VERB_MAIL,     "FROM:<a@b> SIZE=1" },
    { SLICE("mail from: <a@b>\r\n"),          COMMAND_FINE,    VERB_MAIL,     "from: <a@b>" },
    { SLICE("RCPT\tTO:<a@b>\r\n"),            COMMAND_FINE,    VERB_RCPT,     "TO:<a@b>" },
    { SLICE("DATA   \r\n"),                   COMMAND_FINE,    VERB_DATA,     "" },
    { SLICE("BDAT 100 LAST\r\n"),             COMMAND_FINE,    VERB_BDAT,     "100 LAST" },
    { SLICE("rSeT\r\n"),                      COMMAND_FINE,    VERB_RSET,     "" },
    { SLICE("NOOP\r\n"),                      COMMAND_FINE,    VERB_NOOP,     "" },
    { SLICE("QUIT\r\n"),                      COMMAND_FINE,    VERB_QUIT,     "" },
    { SLICE("VRFY a\r\n"),                    COMMAND_FINE,    VERB_VRFY,     "a" },
    { SLICE("STARTTLS\r\n"),                  COMMAND_FINE,    VERB_STARTTLS, "" },
    { SLICE("AUTH PLAIN AGEA\r\n"),           COMMAND_FINE,    VERB_AUTH,     "PLAIN AGEA" },
    { SLICE("XCLIENT ADDR=1\r\n"),            COMMAND_FINE,    VERB_XCLIENT,  "ADDR=1" },
    { SLICE("unknown\r\n"),                   COMMAND_FINE,    VERB_UNKNOWN,  "" },
    { SLICE("DATAX\r\n"),                     COMMAND_FINE,    VERB_UNKNOWN,  "" },
    { SLICE("MAILFROM:<a@b>\r\n"),            COMMAND_FINE,    VERB_UNKNOWN,  "" },
    { SLICE("GET / HTTP/1.1\r\n"),            COMMAND_FINE,    VERB_UNKNOWN,  "/ HTTP/1.1" },
    { SLICE(" QUIT\r\n"),                     COMMAND_FINE,    VERB_UNKNOWN,  "QUIT" },
    { SLICE("\tQUIT\r\n"),                    COMMAND_FINE,    VERB_UNKNOWN,  "QUIT" },
    { SLICE("\r\n"),                          COMMAND_FINE,    VERB_UNKNOWN,  "" },
    { SLICE("  \r\n"),                        COMMAND_FINE,    VERB_UNKNOWN,  "" },
    { SLICE("QUIT\n"),                        COMMAND_NO_CRLF, VERB_UNKNOWN,  "" },
    { SLICE("QUIT"),                          COMMAND_NO_CRLF, VERB_UNKNOWN,  "" },
    { SLICE("QUIT\r"),                        COMMAND_NO_CRLF, VERB_UNKNOWN,  "" },
    { SLICE("\n"),                            COMMAND_NO_CRLF, VERB_UNKNOWN,  "" },
    { SLICE(""),                              COMMAND_NO_CRLF, VERB_UNKNOWN,  "" },
    { SLICE("NOOP\nQUIT\r\n"),                COMMAND_NO_CRLF, VERB_UNKNOWN,  "" },
    { SLICE("NOOP\rQUIT\r\n"),                COMMAND_BARE_CR, VERB_UNKNOWN,  "" },
    { SLICE("QUIT\r\r\n"),                    COMMAND_BARE_CR, VERB_UNKNOWN,  "" },
    { SLICE("QUIT\0\r\n"),                    COMMAND_NUL,     VERB_UNKNOWN,  "" },
    { SLICE("NOOP \x1b[2J\r\n"),              COMMAND_CONTROL, VERB_UNKNOWN,  "" },
    { SLICE("NOOP \x7f\r\n"),                 COMMAND_CONTROL, VERB_UNKNOWN,  "" },
    /* clang-format on */
};

static void lines_become_commands(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct command command;
        enum command_fault fault = command_parse(lines[i].line, &command);
        if (fault != lines[i].fault || command.verb != lines[i].verb ||
            !slice_equal(command.argument, slice_of(lines[i].argument)))
            fail_msg("%.*s: fault %d, %s \"%.*s\"", SLICE_ARGS(lines[i].line), (int)fault, verb_name(command.verb),
                     SLICE_ARGS(command.argument));
    }
}

static void every_verb_is_found_by_its_name(void **unused)
{
    (void)unused;
    for (int verb = 0; verb < VERB_UNKNOWN; verb++) {
        char line[32];
        struct command command;
        snprintf(line, sizeof line, "%s x\r\n", verb_name((enum verb)verb));
        assert_int_equal(command_parse(slice_of(line), &command), COMMAND_FINE);
        assert_int_equal(command.verb, verb);
    }
    assert_non_null(verb_name(VERB_UNKNOWN));
}

static void helo_names_may_be_odd_but_not_harmful(void **unused)
{
    (void)unused;
    static const char *const safe[] = {"mx.example.org", "localhost", "my_pc", "[192.0.2.1]", "[IPv6:::1]",
                                       "[broken",        "192.0.2.1", "-",     "a@b"};
    static const char *const harmful[] = {"",
                                          "a b",
                                          "a\tb",
                                          "a\r\nb",
                                          "a\x1b[m",
                                          "a\x7f",
                                          "\xff",
                                          "a\xc2\x85"
                                          "b",
                                          "\xc3",
                                          "b\xc3\xbc.de",
                                          "\xe2\x80\xa8"};
    char name[257];
    memset(name, 'x', sizeof name);
    for (size_t i = 0; i < sizeof safe / sizeof *safe; i++)
        assert_true(helo_name_is_safe(slice_of(safe[i])));
    for (size_t i = 0; i < sizeof harmful / sizeof *harmful; i++)
        assert_false(helo_name_is_safe(slice_of(harmful[i])));
    assert_true(helo_name_is_safe(slice_make(name, 255)));
    assert_false(helo_name_is_safe(slice_make(name, 256)));
    assert_false(helo_name_is_safe(slice_make("a\0b", 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_commands),
        cmocka_unit_test(every_verb_is_found_by_its_name),
        cmocka_unit_test(helo_names_may_be_odd_but_not_harmful),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
