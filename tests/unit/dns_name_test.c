/* SPDX-License-Identifier: ISC
 *
 * dns_name: which names may be asked for and used, and how an address is written as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/dns.h"

static void a_name_is_labels_of_letters_digits_hyphens_and_underscores(void **state)
{
    static const char *const good[] = {
        "a", "a.", "example.org", "_dmarc.example.org", "1.2.3.4", "xn--bcher-kva.example", "a-b.c_d"};
    static const char *const bad[] = {
        "", ".", "..", "a..b", ".a", "a b", "a\r\nb", "a/b", "\xc3\xa4.example", "a\\.b", "*.example", "[192.0.2.1]"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(dns_name_is_valid(slice_of(good[i])));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(dns_name_is_valid(slice_of(bad[i])));
    assert_false(dns_name_is_valid(slice_make("a\0b", 3)));
}

static void its_sizes_are_those_of_rfc_1035(void **state)
{
    char name[DNS_NAME_MAX + 3];
    (void)state;
    memset(name, 'a', sizeof(name));
    assert_true(dns_name_is_valid(slice_make(name, 63)));
    assert_false(dns_name_is_valid(slice_make(name, 64)));
    for (size_t i = 31; i < sizeof(name); i += 32)
        name[i] = '.';
    assert_true(dns_name_is_valid(slice_make(name, DNS_NAME_MAX)));
    name[DNS_NAME_MAX] = 'a';
    assert_false(dns_name_is_valid(slice_make(name, DNS_NAME_MAX + 1)));
    name[DNS_NAME_MAX] = '.';
    assert_true(dns_name_is_valid(slice_make(name, DNS_NAME_MAX + 1)));
}

static void assert_reversed(const char *address, const char *zone, const char *wanted)
{
    char name[DNS_NAME_MAX + 1];
    struct ipaddr parsed;
    assert_true(ipaddr_parse(slice_of(address), &parsed));
    assert_true(dns_reverse_name(name, &parsed, zone));
    assert_string_equal(name, wanted);
}

static void an_address_is_written_backwards(void **state)
{
    (void)state;
    assert_reversed("192.0.2.7", "zen.example", "7.2.0.192.zen.example");
    assert_reversed("192.0.2.7", NULL, "7.2.0.192.in-addr.arpa");
    assert_reversed("2001:db8::ab", "zen.example",
                    "b.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.zen.example");
    assert_reversed("2001:db8::1", NULL, "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa");
}

static void a_zone_that_leaves_no_room_is_told(void **state)
{
    char name[DNS_NAME_MAX + 1], zone[DNS_NAME_MAX + 1];
    struct ipaddr address, none = {0};
    (void)state;
    memset(zone, 'a', sizeof(zone));
    zone[DNS_NAME_MAX - 8] = '\0';
    assert_true(ipaddr_parse(slice_of("1.2.3.4"), &address));
    assert_true(dns_reverse_name(name, &address, zone));
    zone[DNS_NAME_MAX - 8] = 'a';
    zone[DNS_NAME_MAX - 7] = '\0';
    assert_false(dns_reverse_name(name, &address, zone));
    assert_false(dns_reverse_name(name, &none, "example"));
}

static void more_may_be_asked_for_than_is_a_name(void **unused)
{
    (void)unused;
    static const char *const good[] = {"a", "a.test.", "ann@a.test", "a b.\"c\".test", "%20.test", "~!.test"},
                             *const bad[] = {"",     ".",      "a..b",  ".a",           "a\\b.test",
                                             "a\tb", "a\001b", "a\177", "\xc3\xa9.test"};
    char name[DNS_NAME_MAX + 2];
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(dns_question_is_valid(slice_of(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(dns_question_is_valid(slice_of(bad[i])));
    assert_false(dns_question_is_valid(slice_make("a\0b", 3)));
    memset(name, '@', sizeof name);
    assert_true(dns_question_is_valid(slice_make(name, 63)));
    assert_false(dns_question_is_valid(slice_make(name, 64)));
    for (size_t i = 1; i < sizeof name; i += 2)
        name[i] = '.';
    assert_true(dns_question_is_valid(slice_make(name, DNS_NAME_MAX)));
    name[DNS_NAME_MAX] = '@';
    assert_false(dns_question_is_valid(slice_make(name, DNS_NAME_MAX + 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(more_may_be_asked_for_than_is_a_name),
        cmocka_unit_test(a_name_is_labels_of_letters_digits_hyphens_and_underscores),
        cmocka_unit_test(its_sizes_are_those_of_rfc_1035),
        cmocka_unit_test(an_address_is_written_backwards),
        cmocka_unit_test(a_zone_that_leaves_no_room_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
