/* SPDX-License-Identifier: ISC
 *
 * Whole fields are left out of a header and nothing else, wherever it is cut.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/results_oracle.h"
#include "workers/smtp/header.h"
#include "workers/smtp/header_filter.h"

#define AR "Authentication-Results: "

static const char ID[] = "mx.test";

static const struct {
    const char *name, *text, *left;
    uint64_t removed;
} messages[] = {
    /* clang-format off */
    { "nothing",            "", "", 0 },
    { "none of ours",       "To: a\r\n" AR "b; none\r\n\r\nc\r\n", "To: a\r\n" AR "b; none\r\n\r\nc\r\n", 0 },
    { "the first",          AR "mx.test\r\nTo: a\r\n\r\n", "To: a\r\n\r\n", 1 },
    { "the last",           "To: a\r\n" AR "mx.test\r\n\r\nb\r\n", "To: a\r\n\r\nb\r\n", 1 },
    { "all",                AR "mx.test\r\n" AR "mx.test; a\r\n", "", 2 },
    { "folded",             "To: a\r\n" AR "\r\n mx.test\r\n ;\r\n\ta\r\nCc: b\r\n\r\n", "To: a\r\nCc: b\r\n\r\n", 1 },
    { "behind another's",   AR "b\r\n a\r\n" AR "mx.test\r\n\r\n", AR "b\r\n a\r\n\r\n", 1 },
    { "before another's",   AR "mx.test\r\n" AR "b\r\n a\r\n\r\n", AR "b\r\n a\r\n\r\n", 1 },
    { "not in the body",    "To: a\r\n\r\n" AR "mx.test\r\n", "To: a\r\n\r\n" AR "mx.test\r\n", 0 },
    { "not in a fold",      "To: a\r\n " AR "mx.test\r\n\r\n", "To: a\r\n " AR "mx.test\r\n\r\n", 0 },
    { "behind no field",    "hello a\r\n" AR "mx.test\r\n", "hello a\r\n" AR "mx.test\r\n", 0 },
    { "before no field",    AR "mx.test\r\nhello a\r\n", "hello a\r\n", 1 },
    { "before no name",     AR "mx.test\r\n: a\r\n", ": a\r\n", 1 },
    { "before a blank",     " a\r\n" AR "mx.test\r\n", " a\r\n" AR "mx.test\r\n", 0 },
    { "no field itself",    "Authentication-Results\r\n\r\n", "Authentication-Results\r\n\r\n", 0 },
    { "not named so",       "Authentication-Results a: mx.test\r\n", "Authentication-Results a: mx.test\r\n", 0 },
    { "of a mailbox",       "From a b\r\n" AR "mx.test\r\nTo: a\r\n\r\n", "From a b\r\nTo: a\r\n\r\n", 1 },
    { "not ended",          "To: a\r\n" AR "mx.te", "To: a\r\n" AR "mx.te", 0 },
    { "ended with it",      "To: a\r\n" AR "mx.test", "To: a\r\n", 1 },
    { "ended in its name",  "To: a\r\nAuthen", "To: a\r\nAuthen", 0 },
    { "LF alone (binary)",  "To: a\n" AR "mx.test\n b\nCc: d\n\n" AR "mx.test\n", "To: a\nCc: d\n\n" AR "mx.test\n", 1 },
    { "stuffed",            "..To: a\r\n" AR "mx.test\r\n..b: c\r\n\r\n", "..To: a\r\n..b: c\r\n\r\n", 1 },
    /* clang-format on */
};

struct sender {
    struct header header;
    struct header_filter filter;
    char sent[8192], held[RESULTS_FIELD_MAX];
    size_t sent_size, held_size;
};

static void put(struct sender *s, const char *octets, size_t size)
{
    assert_true(size <= sizeof s->sent - s->sent_size);
    memcpy(s->sent + s->sent_size, octets, size);
    s->sent_size += size;
}

static void follow(struct sender *s, enum filter_event event, struct slice run)
{
    if (event == FILTER_HOLD) {
        assert_true(run.size <= sizeof s->held - s->held_size);
        memcpy(s->held + s->held_size, run.at, run.size);
        s->held_size += run.size;
        return;
    }
    if (event == FILTER_KEEP) {
        put(s, s->held, s->held_size);
        put(s, run.at, run.size);
    }
    s->held_size = 0;
}

static void sift(struct sender *s, struct slice section)
{
    struct slice run;
    enum filter_event event;
    while ((event = header_filter_next(&s->filter, &section, &run)) != FILTER_MORE)
        follow(s, event, run);
}

static void finish(struct sender *s)
{
    if (!s->filter.ended)
        follow(s, header_filter_finish(&s->filter), slice_of(""));
}

static void feed(struct sender *s, struct slice run)
{
    sift(s, header_take(&s->header, &run));
    if (s->header.ended)
        finish(s);
    sift(s, run);
}

static void begin(struct sender *s, const char *id)
{
    s->header = (struct header){0};
    s->filter = (struct header_filter){.id = slice_of(id)};
    s->sent_size = s->held_size = 0;
}

static void check(const struct sender *s, size_t i, const char *how, size_t at)
{
    const char *left = messages[i].left;
    if (s->filter.removed != messages[i].removed || s->sent_size != strlen(left) ||
        memcmp(s->sent, left, s->sent_size) != 0)
        fail_msg("%s, %s %zu: %u removed, left is\n%.*s", messages[i].name, how, at, (unsigned)s->filter.removed,
                 (int)s->sent_size, s->sent);
}

static void whole_fields_are_left_out_however_it_is_cut(void **unused)
{
    static struct sender s;
    (void)unused;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct slice text = slice_of(messages[i].text);
        for (size_t cut = 0; cut <= text.size; cut++) {
            begin(&s, ID);
            feed(&s, slice_make(text.at, cut));
            feed(&s, slice_make(text.at + cut, text.size - cut));
            finish(&s);
            check(&s, i, "cut at", cut);
        }
        begin(&s, ID);
        for (size_t at = 0; at < text.size; at++)
            feed(&s, slice_make(text.at + at, 1));
        finish(&s);
        check(&s, i, "by octets", 1);
    }
}

static void without_a_name_nothing_is_left_out(void **unused)
{
    static struct sender s;
    (void)unused;
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct slice text = slice_of(messages[i].text);
        begin(&s, "");
        feed(&s, text);
        finish(&s);
        assert_int_equal(s.sent_size, text.size);
        assert_memory_equal(s.sent, text.at, text.size);
    }
}

/* Lines of no interest are one run, whatever is in them: each run more is a piece more to write. */
static void what_stays_is_one_run(void **unused)
{
    (void)unused;
    struct header_filter filter = {.id = slice_of(ID)};
    struct slice run,
        text = slice_of("To: a\r\n b\r\nAuthored-By: c\r\nAuthentication: d\r\nARC-Seal: e\r\n" AR "mx.test\r\n"),
        rest = text;
    assert_int_equal(header_filter_next(&filter, &rest, &run), FILTER_KEEP);
    assert_int_equal(run.size, text.size - strlen(AR "mx.test\r\n"));
}

/* A name with blanks behind it that do not end: the line goes, as a field with its folds or as no field without. */
static void a_name_that_does_not_end(void **unused)
{
    static struct sender s;
    static const char *const behind[] = {": b\r\n c\r\nTo: d\r\n\r\n", "b\r\n c\r\n", "\r\nb\r\n", "b"};
    static const char *const left[] = {"To: d\r\n\r\n", " c\r\n", "b\r\n", ""};
    char text[1400], expected[sizeof text];
    (void)unused;
    for (size_t i = 0; i < sizeof behind / sizeof *behind; i++) {
        size_t size = (size_t)snprintf(text, sizeof text, "Authentication-Results%1200s%s", "", behind[i]);
        struct results_answer answer = {.text = expected};
        for (size_t piece = 1; piece < size; piece += 300) {
            begin(&s, ID);
            for (size_t at = 0; at < size; at += piece)
                feed(&s, slice_make(text + at, size - at < piece ? size - at : piece));
            finish(&s);
            assert_int_equal(s.filter.removed, 1);
            assert_int_equal(s.sent_size, strlen(left[i]));
            assert_memory_equal(s.sent, left[i], s.sent_size);
        }
        results_oracle_ask(slice_make(text, size), ID, &answer);
        assert_int_equal(answer.size, strlen(left[i]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_fields_are_left_out_however_it_is_cut),
        cmocka_unit_test(without_a_name_nothing_is_left_out),
        cmocka_unit_test(what_stays_is_one_run),
        cmocka_unit_test(a_name_that_does_not_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
