/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/control.h"

/* -- requests */

static bool parses(const char *line, struct control_request *request)
{
    const char *why;
    bool good = control_parse(slice_of(line), request, &why);
    assert_true(good == (why == NULL));
    return good;
}

static void assert_refused(const char *line, const char *expected)
{
    struct control_request request;
    const char *why;
    assert_false(control_parse(slice_of(line), &request, &why));
    assert_string_equal(why, expected);
}

static void test_a_request_is_a_verb_and_its_arguments(void **state)
{
    (void)state;
    struct control_request request;
    assert_true(parses("status", &request));
    assert_int_equal(request.verb, CONTROL_STATUS);
    assert_int_equal(request.count, 0);
    assert_true(parses("  kill   1k0t361f2da0000 ", &request));
    assert_int_equal(request.verb, CONTROL_KILL);
    assert_int_equal(request.count, 1);
    assert_true(slice_equal(request.arguments[0], slice_of("1k0t361f2da0000")));
    assert_true(parses("trace 192.0.2.0/24 5m", &request));
    assert_int_equal(request.count, 2);
}

static void test_what_is_no_request_is_refused(void **state)
{
    (void)state;
    assert_refused("", "the request is empty");
    assert_refused("   ", "the request is empty");
    assert_refused("STATUS", "there is no such verb");
    assert_refused("statu", "there is no such verb");
    assert_refused("statuss", "there is no such verb");
    assert_refused("status now", "too many arguments");
    assert_refused("kill", "an argument is missing");
    assert_refused("kill a b", "too many arguments");
    assert_refused("trace a b c d e f", "too many arguments");
    assert_refused("status\r", "the request is not printable ASCII");
    assert_refused("kill\ta", "the request is not printable ASCII");
    assert_refused("kill \xff", "the request is not printable ASCII");
    char longest[CONTROL_LINE_MAX + 1] = "kill ";
    memset(longest + 5, 'x', sizeof(longest) - 6);
    longest[CONTROL_LINE_MAX] = '\0';
    assert_refused(longest, "the request is too long");
    struct control_request request;
    longest[CONTROL_LINE_MAX - 1] = '\0'; /* with its LF that is the most */
    assert_true(parses(longest, &request));
}

static void assert_words(const struct control_request *request, int first, const char *expected)
{
    assert_true(slice_equal(control_words_from(request, first), slice_of(expected)));
}

/* A reason has as many words as it likes, within the line. */
static void test_the_last_argument_may_be_the_rest_of_the_line(void **state)
{
    (void)state;
    struct control_request request;
    assert_true(parses("block  192.0.2.0/24 for 1h reason  an   open proxy, seen today ", &request));
    assert_int_equal(request.verb, CONTROL_BLOCK);
    assert_int_equal(request.count, 5);
    assert_true(slice_equal(request.arguments[4], slice_of("an   open proxy, seen today")));
    assert_words(&request, 0, "192.0.2.0/24 for 1h reason  an   open proxy, seen today");
    assert_words(&request, 3, "reason  an   open proxy, seen today");
    assert_words(&request, 5, "");
    assert_true(parses("allow 192.0.2.7 reason ours", &request));
    assert_int_equal(request.count, 3);
    assert_words(&request, 0, "192.0.2.7 reason ours");
    assert_true(parses("block", &request));
    assert_words(&request, 0, "");
    assert_refused("forget", "an argument is missing");
    assert_refused("forget 192.0.2.7 192.0.2.8", "too many arguments");
    assert_true(parses("rates forget \"a  b\"@example.org", &request)); /* a key may have blanks */
    assert_words(&request, 1, "\"a  b\"@example.org");
}

static void test_a_nul_is_no_end(void **state)
{
    (void)state;
    struct control_request request;
    const char *why;
    assert_false(control_parse(slice_make("status\0x", 8), &request, &why));
}

static void test_every_verb_has_a_complete_row(void **state)
{
    (void)state;
    for (int i = 0; i < CONTROL_VERBS; i++) {
        const struct control_row *row = &control_verbs[i];
        enum control_verb verb;
        assert_non_null(row->name);
        assert_true(strlen(row->meaning) > 0);
        assert_true(row->arguments_most <= CONTROL_ARGUMENTS_MAX && row->arguments_least <= row->arguments_most);
        assert_true((row->arguments_most > 0) == (strlen(row->arguments) > 0));
        assert_true(control_find(slice_of(row->name), &verb));
        assert_int_equal(verb, i);
    }
}

static void test_levels_have_names(void **state)
{
    (void)state;
    bool configured;
    enum level level;
    for (enum level i = LEVEL_ERROR; i <= LEVEL_DEBUG; i++) {
        assert_true(control_parse_level(slice_of(control_level_name(i)), &configured, &level));
        assert_int_equal(level, i);
        assert_false(configured);
    }
    assert_true(control_parse_level(slice_of("configured"), &configured, &level));
    assert_true(configured);
    assert_false(control_parse_level(slice_of("Debug"), &configured, &level));
    assert_false(control_parse_level(slice_of(""), &configured, &level));
}

static int64_t duration(const char *text)
{
    int64_t ms;
    return control_parse_duration(slice_of(text), CONTROL_TRACE_MAX_MS, &ms) ? ms : -1;
}

static void test_durations_have_a_unit_and_an_end(void **state)
{
    (void)state;
    assert_int_equal(duration("1s"), 1000);
    assert_int_equal(duration("10m"), 600000);
    assert_int_equal(duration("24h"), CONTROL_TRACE_MAX_MS);
    assert_int_equal(duration("1d"), CONTROL_TRACE_MAX_MS);
    assert_int_equal(duration("86401s"), -1);
    assert_int_equal(duration("2d"), -1);
    assert_int_equal(duration("0s"), -1);
    assert_int_equal(duration("10"), -1);
    assert_int_equal(duration("m"), -1);
    assert_int_equal(duration(""), -1);
    assert_int_equal(duration("-1s"), -1);
    assert_int_equal(duration("1h30m"), -1);
    assert_int_equal(duration("18446744073709551615d"), -1);
    assert_int_equal(duration("99999999999999999999s"), -1);
    int64_t ms;
    assert_true(control_parse_duration(slice_of("3650d"), CONTROL_LISTED_MAX_MS, &ms));
    assert_int_equal(ms, CONTROL_LISTED_MAX_MS);
    assert_false(control_parse_duration(slice_of("3651d"), CONTROL_LISTED_MAX_MS, &ms));
}

/* -- records */

static void assert_printed(struct buffer *printed, const char *expected)
{
    struct slice text = buffer_unread(printed);
    assert_int_equal(text.size, strlen(expected));
    assert_memory_equal(text.at, expected, text.size);
}

static void test_types_are_seen_from_the_outside(void **state)
{
    (void)state;
    char memory[CONTROL_RECORD_MAX];
    struct buffer to;
    buffer_init(&to, memory, sizeof(memory));
    control_begin(&to, "session");
    control_string(&to, "id", "true");
    control_string(&to, "none", NULL);
    control_string(&to, "empty", "");
    control_number(&to, "pid", -4711);
    control_flag(&to, "busy", true);
    control_text(&to, "odd", slice_make("a\"b\\c\n\0\xff=", 9));
    control_end(&to);
    assert_printed(&to, "session id=\"true\" empty=\"\" pid=-4711 busy=true odd=\"a\\\"b\\\\c\\x0A\\x00\\xFF=\"\n");
}

static void test_what_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    char memory[24];
    struct buffer to;
    buffer_init(&to, memory, sizeof(memory));
    control_begin(&to, "kind");
    control_string(&to, "long", "this does not fit at all");
    control_number(&to, "n", 1234567890123);
    control_number(&to, "m", 9);
    control_end(&to);
    assert_true(to.overflow);
    assert_printed(&to, "kind n=1234567890123\n");
}

static void assert_no_fields(const char *line)
{
    struct slice rest = slice_of(line), kind;
    static struct control_field field;
    bool read = control_read_kind(&rest, &kind);
    while (read && control_read_field(&rest, &field))
        ;
    assert_true(!read || rest.size > 0);
}

static void test_what_is_no_record_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        " a=1",
        "UP a=1",
        "x  a=1",
        "x a",
        "x a=",
        "x =1",
        "x a=1x",
        "x a=--1",
        "x a=\"",
        "x a=\"b",
        "x a=\"\\\"",
        "x a=\"\\q\"",
        "x a=\"\\x4\"",
        "x a=\"\\x4g\"",
        "x a=\"\\xab\"",
        "x a=\"b\"c",
        "x a=yes",
        "x a=1 ",
        "x a=\"\n\"",
        "x a=\"\xff\"",
        "x a=9223372036854775808",
        "x a=TRUE",
        "x,a=1",
        "x a=1\t",
        "x a=- ",
        "x A=1",
        "x a=\"\x7f\"",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_no_fields(lines[i]);
}

static void assert_same(const struct control_field *field, const char *key, enum control_type type, const char *text,
                        size_t size)
{
    assert_true(slice_equal(field->key, slice_of(key)));
    assert_int_equal(field->type, type);
    assert_int_equal(field->size, size);
    assert_memory_equal(field->text, text, size);
}

/* Everything that is printed is read again as it was, whatever it holds. */
static void test_round_trip(void **state)
{
    (void)state;
    static struct control_field field;
    static const int64_t numbers[] = {0, 1, -1, INT64_MAX, INT64_MIN, 4711};
    char memory[CONTROL_RECORD_MAX], octets[256];
    for (int i = 0; i < 256; i++)
        octets[i] = (char)i;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct buffer to;
        buffer_init(&to, memory, sizeof(memory));
        control_begin(&to, "some-kind");
        control_text(&to, "octets", slice_make(octets, sizeof(octets)));
        control_number(&to, "number", numbers[i]);
        control_flag(&to, "no", false);
        struct slice rest = buffer_unread(&to), kind;
        assert_true(control_read_kind(&rest, &kind));
        assert_true(slice_equal(kind, slice_of("some-kind")));
        assert_true(control_read_field(&rest, &field));
        assert_same(&field, "octets", CONTROL_IS_TEXT, octets, sizeof(octets));
        assert_true(control_read_field(&rest, &field));
        assert_int_equal(field.type, CONTROL_IS_NUMBER);
        assert_int_equal(field.number, numbers[i]);
        assert_true(control_read_field(&rest, &field));
        assert_same(&field, "no", CONTROL_IS_FLAG, "false", 5);
        assert_false(control_read_field(&rest, &field));
        assert_int_equal(rest.size, 0);
    }
}

/* Random octets, and records with one octet changed: no crash, no step back, an end. Bounded by the number of rounds.
 */
static void test_random_octets_do_no_harm(void **state)
{
    (void)state;
    static const char model[] = "session id=\"1k0\\x41\\\"t3\" pid=4711 busy=true why=\"\\\\\"";
    static struct control_field field;
    srandom(4711);
    for (int round = 0; round < 20000; round++) {
        char line[sizeof(model)];
        size_t size = sizeof(model) - 1;
        memcpy(line, model, sizeof(model));
        if (round % 2 == 0)
            line[(size_t)random() % size] = (char)random();
        else
            for (size_t i = 0; i < size; i++)
                line[i] = (char)random();
        char *exact = malloc(size); /* so that a sanitizer sees a read past its end */
        memcpy(exact, line, size);
        struct slice rest = slice_make(exact, size), kind;
        struct control_request request;
        const char *why;
        control_parse(rest, &request, &why);
        for (bool more = control_read_kind(&rest, &kind); more;) {
            size_t before = rest.size;
            more = control_read_field(&rest, &field);
            assert_true(rest.size < before || !more);
            assert_true(field.size < sizeof(field.text) && field.text[field.size] == '\0');
        }
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request_is_a_verb_and_its_arguments),
        cmocka_unit_test(test_what_is_no_request_is_refused),
        cmocka_unit_test(test_the_last_argument_may_be_the_rest_of_the_line),
        cmocka_unit_test(test_a_nul_is_no_end),
        cmocka_unit_test(test_every_verb_has_a_complete_row),
        cmocka_unit_test(test_levels_have_names),
        cmocka_unit_test(test_durations_have_a_unit_and_an_end),
        cmocka_unit_test(test_types_are_seen_from_the_outside),
        cmocka_unit_test(test_what_does_not_fit_is_left_out_whole),
        cmocka_unit_test(test_what_is_no_record_is_refused),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_random_octets_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
