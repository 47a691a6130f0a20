/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/header.h"

static const struct {
    const char *name, *text;
    bool ends;
    unsigned received_count;
    const char *message_id;
} sections[] = {
    /* clang-format off */
    { "nothing",          "",                                                       false, 0, "" },
    { "empty line first", "\r\nReceived: body\r\n",                                 true,  0, "" },
    { "usual",            "Received: a\r\n\tby b\r\nMessage-ID: <1@a>\r\n\r\nReceived: body\r\n", true, 1, "<1@a>" },
    { "any case",         "RECEIVED: a\r\nreceived:\r\nmessage-id:<1@a>\r\n\r\n",   true,  2, "<1@a>" },
    { "blank before :",   "Received : a\r\nMessage-ID\t: <1@a>\r\n\r\n",            true,  1, "<1@a>" },
    { "folded id",        "Message-ID:\r\n <1@\r\n\ta>\r\nTo: b\r\n\r\n",           true,  0, "<1@a>" },
    { "the first id",     "Message-ID: <1@a>\r\nMessage-ID: <2@a>\r\n\r\n",         true,  0, "<1@a>" },
    { "names alike",      "X-Received: a\r\nReceived-SPF: a\r\nReceive: a\r\nMessage-IDs: <1@a>\r\n\r\n", true, 0, "" },
    { "no field",         "Received: a\r\nhello\r\nReceived: b\r\n",                true,  1, "" },
    { "no name",          ": a\r\n\t: b\r\nReceived: b\r\n\r\n",                   true,  1, "" },
    { "a blank, no name", " : a\r\nReceived: b\r\n\r\n",                          true,  1, "" },
    { "DEL in a name",    "a\x7f: a\r\nReceived: b\r\n\r\n",                       true,  1, "" },
    { "blanks on top",    " \t\r\nReceived: b\r\n",                               true,  0, "" },
    { "blank in a name",  "Received by: a\r\nReceived: b\r\n",                      true,  0, "" },
    { "8-bit name",       "Receiv\xe9" "d: a\r\nReceived: b\r\n",                   true,  0, "" },
    { "continues nothing", " Received: a\r\nReceived: b\r\n",                       true,  0, "" },
    { "in a value",       "Subject: Received: a\r\n Received: b\r\n\r\n",           true,  0, "" },
    { "a line of blanks", "Subject: a\r\n \r\nReceived: b\r\n\r\n",                 true,  1, "" },
    { "stuffed",          "Subject: a\r\n..Received: b\r\n\r\n",                    true,  0, "" },
    { "not ended",        "Received: a\r\nReceived: b\r\n",                         false, 2, "" },
    { "of a mailbox",     "From a Thu\r\n>From b \r\nReceived: a\r\n\r\n",    true,  1, "" },
    { "of one, later",    "To: a\r\nFrom a Thu\r\nReceived: a\r\n",            true,  0, "" },
    { "it folds nothing", "From a Thu\r\n b\r\nReceived: a\r\n",               true,  0, "" },
    { "like one",         "From : a\r\n b\r\nfrom  : a\r\n b\r\nReceived: a\r\n\r\n", true, 1, "" },
    { "small letters",    "from a Thu\r\nReceived: a\r\n",                      true,  0, "" },
    { "for the log",      "Message-ID: <\x1b[m\xff@a>\r\n\r\n",                     true,  0, "<?[m?@a>" },
    /* clang-format on */
};

static void check(const struct header *header, size_t i)
{
    if (header->ended != sections[i].ends || header->received_count != sections[i].received_count ||
        strcmp(header->message_id, sections[i].message_id) != 0)
        fail_msg("%s: ended %d, %u received, id \"%s\"", sections[i].name, header->ended, header->received_count,
                 header->message_id);
}

/* Together with what is left, what is taken is all of it. */
static void feed(struct header *header, struct slice run)
{
    struct slice rest = run, section = header_take(header, &rest);
    assert_ptr_equal(section.at, run.at);
    assert_ptr_equal(section.at + section.size, rest.at);
    assert_int_equal(section.size + rest.size, run.size);
    assert_true(header->ended || rest.size == 0);
}

static void where_the_section_ends(void **unused)
{
    (void)unused;
    static const char *const rests[] = {"\n\r\nbody", "\xe9 body", "a body", "\rbody"};
    static const char *const texts[] = {"To: a\r\n\r\n\r\nbody", "To: a\r\n\xe9 body", "To: a\r\nnot a body",
                                        "To: a\r\n:\r\nX\rbody"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct header header = {0};
        struct slice rest = slice_of(texts[i]);
        header_take(&header, &rest);
        assert_string_equal(rest.at, rests[i]);
        assert_int_equal(header_take(&header, &rest).size, 0);
        assert_string_equal(rest.at, rests[i]);
    }
}

static void sections_are_read_however_they_are_cut(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        size_t size = strlen(sections[i].text);
        for (size_t cut = 0; cut <= size; cut++) {
            struct header header = {0};
            feed(&header, slice_make(sections[i].text, cut));
            feed(&header, slice_make(sections[i].text + cut, size - cut));
            check(&header, i);
        }
        struct header header = {0};
        for (size_t at = 0; at < size; at++)
            feed(&header, slice_make(sections[i].text + at, 1));
        check(&header, i);
    }
}

static void feed_text(struct header *header, const char *text)
{
    feed(header, slice_of(text));
}

static void long_ones_are_bounded(void **unused)
{
    (void)unused;
    char id[MESSAGE_ID_MAX + 1];
    memset(id, 'x', sizeof id);
    for (size_t size = MESSAGE_ID_MAX - 2; size <= MESSAGE_ID_MAX + 1; size++) {
        struct header header = {0};
        feed_text(&header, "Message-ID: ");
        feed(&header, slice_make(id, size));
        feed_text(&header, "\r\nMessage-ID: <second@a>\r\n\r\n");
        assert_int_equal(strlen(header.message_id), size < MESSAGE_ID_MAX ? size : 0);
    }
    struct header header = {0};
    for (int i = 0; i < 100; i++)
        feed(&header, slice_make(id, sizeof id));
    feed_text(&header, ": a\r\nReceived: b\r\n\r\n");
    assert_true(header.ended);
    assert_int_equal(header.received_count, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_are_read_however_they_are_cut),
        cmocka_unit_test(where_the_section_ends),
        cmocka_unit_test(long_ones_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
