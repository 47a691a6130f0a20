/* SPDX-License-Identifier: ISC
 *
 * store_record: two names have two keys, whatever is in them; a key and a record that were printed are the same when
 * they are read again; and nothing is read that would not have been printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/store_record.h"

enum { NOW = 1700000000 };

static const char *text_of(const struct store_key *key)
{
    static char text[STORE_KEY_MAX + 1];
    snprintf(text, sizeof(text), "%.*s", SLICE_ARGS(store_key_slice(key)));
    return text;
}

static struct store_key grey(const char *client, const char *sender, const char *recipient)
{
    struct store_key key;
    store_key_grey(&key, slice_of(client), slice_of(sender), slice_of(recipient));
    return key;
}

static bool same(const struct store_key *a, const struct store_key *b)
{
    return slice_equal(store_key_slice(a), store_key_slice(b));
}

/* Printed and read again. */
static void assert_comes_back(const struct store_key *key, const struct store_record *record)
{
    char memory[STORE_LINE_MAX], again[STORE_LINE_MAX];
    struct buffer line, second;
    struct store_key key_read;
    struct store_record record_read;
    buffer_init(&line, memory, sizeof(memory));
    store_line_print(&line, store_key_slice(key), record);
    assert_false(line.overflow);
    const char *wrong = store_line_parse(buffer_unread(&line), &key_read, &record_read);
    if (wrong != NULL)
        fail_msg("%.*s: %s", SLICE_ARGS(buffer_unread(&line)), wrong);
    assert_true(same(key, &key_read));
    buffer_init(&second, again, sizeof(again));
    store_line_print(&second, store_key_slice(&key_read), &record_read);
    assert_true(slice_equal(buffer_unread(&line), buffer_unread(&second)));
}

static void keys_look_as_documented(void **unused)
{
    (void)unused;
    struct store_key key = grey("192.0.2.0/24", "Some.One@Example.ORG", "postmaster");
    assert_string_equal(text_of(&key), "g 192.0.2.0/24 some.one@example.org postmaster");
    key = grey("example.org", "<>", "");
    assert_string_equal(text_of(&key), "g example.org <>");
    key = grey("2001:db8::/64", "", "");
    assert_string_equal(text_of(&key), "g 2001:db8::/64");
    key = grey("2001:db8::/64", "", "a@example.com");
    assert_string_equal(text_of(&key), "g 2001:db8::/64 * a@example.com");
    key = grey("192.0.2.0/24", "\"a b%\x7f\xc3\xa9\t\"@x", "*");
    assert_string_equal(text_of(&key), "g 192.0.2.0/24 \"a%20b%25%7f%c3%a9%09\"@x %2a");
    store_key_of(&key, STORE_DOMAIN, slice_of("Example.ORG"));
    assert_string_equal(text_of(&key), "d example.org");
}

static void networks_are_printed_as_networks(void **unused)
{
    (void)unused;
    struct ipaddr address;
    struct store_key key;
    assert_true(ipaddr_parse(slice_of("2001:DB8:0::1"), &address));
    struct network network = network_of(&address, 64);
    store_key_network(&key, STORE_NETWORK, &network);
    assert_string_equal(text_of(&key), "n 2001:db8::/64");
    assert_true(ipaddr_parse(slice_of("192.0.2.77"), &address));
    network = network_of(&address, 32);
    store_key_network(&key, STORE_TRAP, &network);
    assert_string_equal(text_of(&key), "t 192.0.2.77");
}

static void every_octet_comes_back(void **unused)
{
    (void)unused;
    struct store_record record = {NOW, NOW + 5, 0, 3, {.passed = 1}};
    for (int c = 0; c < 256; c++) {
        char text[3] = {'a', (char)c, 'b'};
        struct store_key key, plain = grey("a.example", "a", "");
        store_key_grey(&key, slice_of("a.example"), slice_make(text, sizeof(text)), slice_make(text + 1, 1));
        assert_false(same(&key, &plain));
        assert_comes_back(&key, &record);
    }
}

static void two_names_have_two_keys(void **unused)
{
    (void)unused;
    static const char *const names[] = {"a",  "a b", "a%20b", "a%2520b", "%",   "%-",  "%-0123456789abcdef",
                                        "*",  "%2a", "<>",    "%3c%3e",  "a\t", "a\n", "a%",
                                        "a%b"};
    size_t count = sizeof(names) / sizeof(names[0]);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            struct store_key a = grey("x", names[i], "r"), b = grey("x", names[j], "r");
            assert_int_equal(same(&a, &b), i == j);
        }
    struct store_key none = grey("x", "", "r"), star = grey("x", "*", "r"), only = grey("x", "r", "");
    assert_false(same(&none, &star));
    assert_false(same(&none, &only));
}

static void long_parts_are_cut_and_stay_two(void **unused)
{
    (void)unused;
    struct store_record record = {NOW, NOW, NOW, 0, {.passed = 0}};
    char one[1000], two[1000];
    memset(one, 'a', sizeof(one));
    for (size_t size = STORE_PART_MAX - 1; size <= sizeof(one); size++) {
        memcpy(two, one, sizeof(two));
        two[size - 1] = '\xff';
        struct store_key a, b;
        struct slice first = slice_make(one, size), second = slice_make(two, size);
        store_key_grey(&a, first, first, first);
        store_key_grey(&b, first, first, second);
        assert_false(same(&a, &b));
        assert_true(a.size <= 1 + 3 * (STORE_PART_MAX + 1));
        assert_comes_back(&a, &record);
        assert_comes_back(&b, &record);
    }
    one[999] = 'A'; /* case is no difference in the hash either */
    struct store_key upper, lower;
    store_key_of(&upper, STORE_DOMAIN, slice_make(one, sizeof(one)));
    one[999] = 'a';
    store_key_of(&lower, STORE_DOMAIN, slice_make(one, sizeof(one)));
    assert_true(same(&upper, &lower));
}

static void escapes_are_not_cut_in_their_middle(void **unused)
{
    (void)unused;
    char part[400];
    struct store_record record = {0};
    memset(part, ' ', sizeof(part));
    for (size_t plain = 0; plain < 6; plain++) {
        memset(part, 'x', plain);
        struct store_key key;
        store_key_of(&key, STORE_DOMAIN, slice_make(part, sizeof(part)));
        assert_comes_back(&key, &record);
    }
}

static void an_allowance_is_of_the_client_alone(void **unused)
{
    (void)unused;
    struct store_key key = grey("192.0.2.0/24", "a@example.org", "b@example.com"), allowance, trap;
    assert_true(store_key_allowance(&allowance, store_key_slice(&key)));
    assert_string_equal(text_of(&allowance), "a 192.0.2.0/24");
    assert_false(store_key_allowance(&trap, store_key_slice(&allowance)));
    assert_false(store_key_allowance(&trap, slice_of("g ")));
}

static void kinds_are_known_by_their_letter(void **unused)
{
    (void)unused;
    enum store_kind kind;
    static const char *const good[STORE_KINDS] = {"g a b c", "a b", "n 192.0.2.0/24", "d x", "t ::1"};
    for (int i = 0; i < STORE_KINDS; i++) {
        assert_true(store_kind_of(slice_of(good[i]), &kind));
        assert_int_equal(kind, i);
        assert_int_equal(good[i][0], store_kind_letter(kind));
    }
    static const char *const bad[] = {"",     "g",      "g ",        "x a",   "gg a",   " g a",   "g  a",
                                      "g a ", "g a  b", "g a b c d", "a b c", "d \x80", "d a\tb", "!"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(store_kind_of(slice_of(bad[i]), &kind));
}

static void a_record_is_over_from_its_second_on(void **unused)
{
    (void)unused;
    struct store_record record = {.expires_s = NOW};
    assert_false(store_record_is_over(&record, NOW - 1));
    assert_true(store_record_is_over(&record, NOW));
    record.expires_s = 0;
    assert_false(store_record_is_over(&record, (time_t)1 << 40));
}

static void times_stay_in_their_bits(void **unused)
{
    (void)unused;
    assert_int_equal(store_seconds(-1), 0);
    assert_int_equal(store_seconds(NOW), NOW);
    assert_int_equal(store_seconds((time_t)UINT32_MAX + 1), UINT32_MAX);
    assert_int_equal(store_later_end(7, 5), 7);
    assert_int_equal(store_later_end(5, 7), 7);
    assert_int_equal(store_later_end(0, 7), 0); /* never */
    assert_int_equal(store_later_end(7, 0), 0);
}

static void records_of_all_kinds_come_back(void **unused)
{
    (void)unused;
    static const struct store_record records[] = {
        {0}, {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX, {0}}, {NOW - 1, NOW, NOW + 86400, 7, {0}}};
    static const char *const names[STORE_KINDS] = {"g x.example a@b", "a x.example", "n 192.0.2.0/24", "d x.example",
                                                   "t 2001:db8::1"};
    for (int i = 0; i < STORE_KINDS; i++)
        for (size_t j = 0; j < sizeof(records) / sizeof(records[0]); j++) {
            struct store_key key;
            struct store_record record = records[j];
            bool is_damaged;
            key.size = strlen(names[i]);
            memcpy(key.text, names[i], key.size);
            if (i == STORE_NETWORK || i == STORE_DOMAIN)
                record.reputation =
                    reputation_add(0, &(struct reputation){33, REPUTATION_MAX}, record.last_s, &is_damaged);
            else if (i == STORE_GREY)
                record.passed = j % 2;
            assert_comes_back(&key, &record);
        }
}

static const char *wrong_with(const char *line)
{
    struct store_key key;
    struct store_record record;
    return store_line_parse(slice_of(line), &key, &record);
}

static void lines_are_taken_as_people_write_them(void **unused)
{
    (void)unused;
    struct store_key key;
    struct store_record record;
    assert_null(
        store_line_parse(slice_of("n 2001:DB8:0:0::/64\t bad=5  last=9 good=16 expires=0 first=3 "), &key, &record));
    assert_string_equal(text_of(&key), "n 2001:db8::/64");
    assert_int_equal(record.first_s, 3);
    assert_int_equal(record.last_s, 9);
    assert_int_equal(record.count, 0);
    bool is_damaged;
    assert_int_equal(reputation_read(record.reputation, 9, &is_damaged).good, 16);
    assert_null(store_line_parse(slice_of("g 192.0.2.1/32 A@B\tfirst=1 last=1 expires=2 passed=yes"), &key, &record));
    assert_string_equal(text_of(&key), "g 192.0.2.1 a@b");
    assert_int_equal(record.passed, 1);
}

static void keys_that_would_not_have_been_made_are_refused(void **unused)
{
    (void)unused;
    static const char *const keys[] = {"",
                                       "x y",
                                       "n",
                                       "n example.org",
                                       "n 192.0.2.1/24",
                                       "t 192.0.2.0/33",
                                       "t x",
                                       "n a b",
                                       "a 192.0.2",
                                       "g 192.0.2.300",
                                       "g 1::2::3",
                                       "g a/b",
                                       "g a * ",
                                       "g a *",
                                       "g * b",
                                       "g a b *",
                                       "d *",
                                       "d %",
                                       "d %4",
                                       "d %41",
                                       "d %zz",
                                       "d a%-12",
                                       "d %-0123456789abcdefa",
                                       "g a  b",
                                       " g a",
                                       "g a b c d",
                                       "a b c",
                                       "d b\xc3"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        char line[200];
        snprintf(line, sizeof(line), "%s\tfirst=1 last=1 expires=1%s", keys[i],
                 keys[i][0] == 'g'                        ? " passed=no"
                 : keys[i][0] == 'n' || keys[i][0] == 'd' ? " good=1 bad=1"
                                                          : "");
        if (wrong_with(line) == NULL)
            fail_msg("taken: %s", line);
    }
    char long_one[STORE_PART_MAX + 100];
    memset(long_one, 'a', sizeof(long_one));
    memcpy(long_one, "a ", 2);
    snprintf(long_one + STORE_PART_MAX + 3, 40, "\tfirst=1 last=1 expires=1");
    assert_string_equal(wrong_with(long_one), "a part of its key is too long");
}

static void values_that_no_record_has_are_refused(void **unused)
{
    (void)unused;
    static const char *const lines[] = {
        "a x",
        "a x first=1 last=1 expires=1",
        "a x\tfirst=1 last=1",
        "a x\tfirst=1 last=1 expires=1 passed=no",
        "a x\tfirst=1 last=1 expires=1 first=1",
        "a x\tfirst=2 last=1 expires=1",
        "a x\tfirst=1 last=1 expires=4294967296",
        "a x\tfirst=-1 last=1 expires=1",
        "a x\tfirst= last=1 expires=1",
        "a x\tfirst last=1 expires=1",
        "a x\tfirst=1 last=1 expires=1 more=1",
        "g x\tfirst=1 last=1 expires=1",
        "g x\tfirst=1 last=1 expires=1 passed=1",
        "g x\tfirst=1 last=1 expires=1 passed=no good=1 bad=1",
        "d x\tfirst=1 last=1 expires=1 good=1",
        "d x\tfirst=1 last=1 expires=1 good=16384 bad=0",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (wrong_with(lines[i]) == NULL)
            fail_msg("taken: %s", lines[i]);
    assert_null(wrong_with("d x\tfirst=1 last=1 expires=1 good=16383 bad=0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_look_as_documented),
        cmocka_unit_test(networks_are_printed_as_networks),
        cmocka_unit_test(every_octet_comes_back),
        cmocka_unit_test(two_names_have_two_keys),
        cmocka_unit_test(long_parts_are_cut_and_stay_two),
        cmocka_unit_test(escapes_are_not_cut_in_their_middle),
        cmocka_unit_test(an_allowance_is_of_the_client_alone),
        cmocka_unit_test(kinds_are_known_by_their_letter),
        cmocka_unit_test(a_record_is_over_from_its_second_on),
        cmocka_unit_test(times_stay_in_their_bits),
        cmocka_unit_test(records_of_all_kinds_come_back),
        cmocka_unit_test(lines_are_taken_as_people_write_them),
        cmocka_unit_test(keys_that_would_not_have_been_made_are_refused),
        cmocka_unit_test(values_that_no_record_has_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
