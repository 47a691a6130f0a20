/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/reply.h"

static struct reply_reader reader;

/* Reads `text` line by line; the progress is that of the last line read. */
static enum reply_progress read_reply(struct slice text, struct reply *out)
{
    enum reply_progress progress = REPLY_MORE;
    reply_reader_begin(&reader);
    *out = (struct reply){0};
    while (text.size > 0 && progress == REPLY_MORE) {
        const char *end = memchr(text.at, '\n', text.size);
        size_t size = end ? (size_t)(end - text.at) + 1 : text.size;
        progress = reply_reader_line(&reader, slice_make(text.at, size), out);
        slice_drop(&text, size);
    }
    return progress;
}

static const struct {
    struct slice from_inside;
    enum reply_progress progress;
    int code;
    const char *enhanced, *text;
} replies[] = {
    /* clang-format off */
    { SLICE("250 2.1.0 Ok\r\n"),                    REPLY_DONE, 250, "2.1.0",     "Ok" },
    { SLICE("220 mx ESMTP\r\n"),                    REPLY_DONE, 220, "",          "mx ESMTP" },
    { SLICE("250\r\n"),                             REPLY_DONE, 250, "",          "" },
    { SLICE("250 \r\n"),                            REPLY_DONE, 250, "",          "" },
    { SLICE("250 ok\n"),                            REPLY_DONE, 250, "",          "ok" },
    { SLICE("250 ok \t\r\r\n"),                     REPLY_DONE, 250, "",          "ok" },
    { SLICE("250-mx\r\n250-SIZE 1\r\n250 DSN\r\n"), REPLY_DONE, 250, "",          "mx\nSIZE 1\nDSN" },
    { SLICE("250-\r\n250-\r\n250\r\n"),             REPLY_DONE, 250, "",          "\n\n" },
    { SLICE("550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1\r\n"), REPLY_DONE, 550, "5.7.1", "a\nb\n" },
    { SLICE("550-5.7.1 a\r\n550 5.1.1 b\r\n"),      REPLY_DONE, 550, "5.7.1",     "a\n5.1.1 b" },
    { SLICE("550-a\r\n550 5.1.1 b\r\n"),            REPLY_DONE, 550, "",          "a\n5.1.1 b" },
    { SLICE("550 5.123.456 a\r\n"),                 REPLY_DONE, 550, "5.123.456", "a" },
    { SLICE("550 5.1234.1 a\r\n"),                  REPLY_DONE, 550, "",          "5.1234.1 a" },
    { SLICE("550 5.1 a\r\n"),                       REPLY_DONE, 550, "",          "5.1 a" },
    { SLICE("550 5.1. a\r\n"),                      REPLY_DONE, 550, "",          "5.1. a" },
    { SLICE("550 5.1.1.1 a\r\n"),                   REPLY_DONE, 550, "",          "5.1.1.1 a" },
    { SLICE("550 5.1.1x\r\n"),                      REPLY_DONE, 550, "",          "5.1.1x" },
    { SLICE("550 4.1.1 a\r\n"),                     REPLY_DONE, 550, "",          "4.1.1 a" },  /* of another class */
    { SLICE("354 3.0.0 go\r\n"),                    REPLY_DONE, 354, "",          "3.0.0 go" },
    { SLICE("451 4.3.0\r\n"),                       REPLY_DONE, 451, "4.3.0",     "" },
    { SLICE("250 a\0b\x1b[m\tc\x7f" "d\re\r\n"),    REPLY_DONE, 250, "",          "a b [m c d e" },
    { SLICE("250 \xc3\xbc\r\n"),                    REPLY_DONE, 250, "",          "\xc3\xbc" },
    { SLICE("250-\xfc\xc3\xbc\r\n250 \xc3\xbc\r\n"), REPLY_DONE, 250, "",         "???\n\xc3\xbc" },
    { SLICE("250-a\r\n"),                           REPLY_MORE, 0,   "",          "" },
    { SLICE("250-a\r\n251 b\r\n"),                  REPLY_BAD,  0,   "",          "" },
    { SLICE("250-a\r\nb\r\n"),                      REPLY_BAD,  0,   "",          "" },
    { SLICE("250\tx\r\n"),                          REPLY_BAD,  0,   "",          "" },
    { SLICE("250x\r\n"),                            REPLY_BAD,  0,   "",          "" },
    { SLICE("2500 x\r\n"),                          REPLY_BAD,  0,   "",          "" },
    { SLICE("25 x\r\n"),                            REPLY_BAD,  0,   "",          "" },
    { SLICE("25\r\n"),                              REPLY_BAD,  0,   "",          "" },
    { SLICE("2x0 x\r\n"),                           REPLY_BAD,  0,   "",          "" },
    { SLICE(" 250 x\r\n"),                          REPLY_BAD,  0,   "",          "" },
    { SLICE("+250 x\r\n"),                          REPLY_BAD,  0,   "",          "" },
    { SLICE("199 x\r\n"),                           REPLY_BAD,  0,   "",          "" },
    { SLICE("600 x\r\n"),                           REPLY_BAD,  0,   "",          "" },
    { SLICE("000 x\r\n"),                           REPLY_BAD,  0,   "",          "" },
    { SLICE("\r\n"),                                REPLY_BAD,  0,   "",          "" },
    { SLICE("\n"),                                  REPLY_BAD,  0,   "",          "" },
    { SLICE("250 no line end"),                     REPLY_BAD,  0,   "",          "" },
    { SLICE("HTTP/1.1 400 Bad Request\r\n"),        REPLY_BAD,  0,   "",          "" },
    { SLICE("\x16\x03\x01\n"),                      REPLY_BAD,  0,   "",          "" },
    /* clang-format on */
};

static void replies_of_inside_are_read_with_care(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        struct reply reply;
        enum reply_progress progress = read_reply(replies[i].from_inside, &reply);
        if (progress != replies[i].progress || reply.code != replies[i].code ||
            strcmp(reply.enhanced, replies[i].enhanced) != 0 || !slice_equal(reply.text, slice_of(replies[i].text)))
            fail_msg("%.*s: %d %d \"%s\" \"%.*s\"", SLICE_ARGS(replies[i].from_inside), (int)progress, reply.code,
                     reply.enhanced, SLICE_ARGS(reply.text));
    }
}

static struct slice make_line(char memory[REPLY_LINE_MAX + 2], const char *prefix, size_t size)
{
    memset(memory, 'x', REPLY_LINE_MAX + 2);
    memcpy(memory, prefix, strlen(prefix));
    memcpy(memory + size - 2, "\r\n", 2);
    return slice_make(memory, size);
}

static void lines_and_their_sum_are_bounded(void **unused)
{
    (void)unused;
    char line[REPLY_LINE_MAX + 2];
    struct reply reply;
    assert_int_equal(read_reply(make_line(line, "250 ", REPLY_LINE_MAX), &reply), REPLY_DONE);
    assert_int_equal(reply.text.size, REPLY_LINE_MAX - 6);
    assert_int_equal(read_reply(make_line(line, "250 ", REPLY_LINE_MAX + 1), &reply), REPLY_BAD);

    reply_reader_begin(&reader);
    for (int i = 0; i < REPLY_LINES_MAX; i++)
        assert_int_equal(reply_reader_line(&reader, slice_of("250-x\r\n"), &reply), REPLY_MORE);
    assert_int_equal(reply_reader_line(&reader, slice_of("250 x\r\n"), &reply), REPLY_BAD);

    reply_reader_begin(&reader);
    struct slice long_line = make_line(line, "250-", REPLY_LINE_MAX);
    for (int i = 0; i < 4; i++)
        assert_int_equal(reply_reader_line(&reader, long_line, &reply), REPLY_MORE);
    assert_true(reader.size <= REPLY_TEXT_MAX);
    assert_int_equal(reply_reader_line(&reader, long_line, &reply), REPLY_BAD);
    assert_true(reader.size <= REPLY_TEXT_MAX);
}

static void a_text_of_exactly_the_limit_is_read(void **unused)
{
    (void)unused;
    enum { TEXT = 2040, LEFT = REPLY_TEXT_MAX - 4 * (TEXT + 1) }; /* each with the '\n' behind it */
    char line[REPLY_LINE_MAX + 2];
    struct reply reply;
    for (size_t last = LEFT - 2; last <= LEFT + 2; last++) {
        reply_reader_begin(&reader);
        for (int i = 0; i < 4; i++)
            assert_int_equal(reply_reader_line(&reader, make_line(line, "250-", 6 + TEXT), &reply), REPLY_MORE);
        enum reply_progress expected = last <= LEFT ? REPLY_DONE : REPLY_BAD;
        assert_int_equal(reply_reader_line(&reader, make_line(line, "250 ", 6 + last), &reply), expected);
    }
}

static const struct {
    struct reply reply;
    const char *printed;
} prints[] = {
    /* clang-format off */
    { REPLY(220, "", "mx ESMTP"),             "220 mx ESMTP\r\n" },
    { REPLY(250, "2.1.0", "Ok"),              "250 2.1.0 Ok\r\n" },
    { REPLY(250, "", "mx\nSIZE 1\nDSN"),      "250-mx\r\n250-SIZE 1\r\n250 DSN\r\n" },
    { REPLY(550, "5.7.1", "a\n\nb"),          "550-5.7.1 a\r\n550-5.7.1\r\n550 5.7.1 b\r\n" },
    { REPLY(250, "", ""),                     "250 \r\n" },
    { REPLY(250, "2.0.0", ""),                "250 2.0.0\r\n" },
    { REPLY(250, "", "a\n"),                  "250 a\r\n" },
    { REPLY(550, "", "a\r\n250 b\x1b"),       "550-a \r\n550 250 b \r\n" },
    /* clang-format on */
};

static void replies_are_printed(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof prints / sizeof *prints; i++) {
        char memory[128];
        struct buffer to;
        buffer_init(&to, memory, sizeof memory);
        assert_true(reply_print(&to, &prints[i].reply));
        if (!slice_equal(buffer_unread(&to), slice_of(prints[i].printed)))
            fail_msg("%.*s", SLICE_ARGS(buffer_unread(&to)));
    }
}

static void what_does_not_fit_is_not_begun(void **unused)
{
    (void)unused;
    char memory[64];
    struct buffer to;
    struct reply reply = REPLY(250, "2.0.0", "one line\nanother line\nand a third"), none = {0};
    for (size_t size = 1; size < 58; size++) {
        buffer_init(&to, memory, size);
        buffer_put_char(&to, '!');
        bool fits = reply_print(&to, &reply);
        assert_int_equal(fits, false);
        assert_true(slice_equal(buffer_unread(&to), slice_of("!")));
    }
    buffer_init(&to, memory, sizeof memory);
    assert_false(reply_print(&to, &none));
    assert_int_equal(buffer_unread(&to).size, 0);
}

/* Whatever the text, no line is over 512 octets, all have code and enhanced code, and no word of the text is lost. */
static void check_wrapped(struct slice text)
{
    static char memory[1 << 16];
    struct buffer to;
    struct reply reply = {.code = 550, .enhanced = "5.7.1", .text = text}, again;
    buffer_init(&to, memory, sizeof memory);
    assert_true(reply_print(&to, &reply));
    struct slice rest = buffer_unread(&to);
    while (rest.size > 0) {
        struct slice line = slice_take_until(&rest, '\n');
        assert_true(line.size + 1 <= 512);
        assert_true(slice_starts_nocase(line, rest.size > 0 ? "550-5.7.1" : "550 5.7.1"));
    }
    assert_int_equal(read_reply(buffer_unread(&to), &again), REPLY_DONE);
    size_t at = 0;
    for (size_t i = 0; i < again.text.size; i++) {
        if (again.text.at[i] == '\n' || again.text.at[i] == ' ')
            continue;
        while (at < text.size && (text.at[at] == ' ' || text.at[at] == '\n'))
            at++;
        assert_true(at < text.size);
        assert_int_equal(text.at[at++], again.text.at[i]);
    }
    assert_int_equal(slice_trim(slice_make(text.at + at, text.size - at)).size, 0);
}

static void long_lines_are_wrapped(void **unused)
{
    (void)unused;
    char text[3000];
    for (size_t size = 480; size < 1100; size++) {
        memset(text, 'x', size);
        check_wrapped(slice_make(text, size)); /* no blank at all */
        for (size_t i = 0; i < size; i++)
            text[i] = i % 7 == 6 ? ' ' : 'x';
        check_wrapped(slice_make(text, size));
        for (size_t i = 0; i < size; i++)
            text[i] = "\xe2\x82\xac"[i % 3];
        check_wrapped(slice_make(text, size - size % 3)); /* would be '?' if a character were cut */
        memset(text, ' ', size);
        check_wrapped(slice_make(text, size));
    }
}

static void a_line_is_broken_at_its_last_blank(void **unused)
{
    (void)unused;
    char text[1024], memory[2048], expected[2048];
    struct buffer to;
    memset(text, 'a', sizeof text);
    text[500] = ' ';
    struct reply reply = {.code = 250, .text = slice_make(text, 600)};
    buffer_init(&to, memory, sizeof memory);
    assert_true(reply_print(&to, &reply));
    int size = snprintf(expected, sizeof expected, "250-%.500s\r\n250 %.99s\r\n", text, text + 501);
    assert_true(slice_equal(buffer_unread(&to), slice_make(expected, (size_t)size)));
}

static void a_challenge_is_one_line(void **unused)
{
    (void)unused;
    char text[2000], memory[4096], expected[4096];
    struct buffer to;
    memset(text, 'a', sizeof text);
    struct reply reply = {.code = 334, .text = slice_make(text, sizeof text)};
    buffer_init(&to, memory, sizeof memory);
    assert_true(reply_print(&to, &reply));
    int size = snprintf(expected, sizeof expected, "334 %.2000s\r\n", text);
    assert_true(slice_equal(buffer_unread(&to), slice_make(expected, (size_t)size)));
}

static void classes(void **unused)
{
    (void)unused;
    struct reply reply = REPLY(451, "4.3.0", ""), none = {0};
    assert_int_equal(reply_class(&reply), 4);
    assert_int_equal(reply_class(&none), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_of_inside_are_read_with_care),
        cmocka_unit_test(lines_and_their_sum_are_bounded),
        cmocka_unit_test(a_text_of_exactly_the_limit_is_read),
        cmocka_unit_test(replies_are_printed),
        cmocka_unit_test(what_does_not_fit_is_not_begun),
        cmocka_unit_test(long_lines_are_wrapped),
        cmocka_unit_test(a_line_is_broken_at_its_last_blank),
        cmocka_unit_test(a_challenge_is_one_line),
        cmocka_unit_test(classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
