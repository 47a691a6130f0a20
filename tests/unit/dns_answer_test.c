/* SPDX-License-Identifier: ISC
 *
 * dns_answer: what counts of an answer, and what is no answer. Hostile ones by the dozen are in tests/e2e/test_dns.py.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/dns_answer.h"

enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_PTR = 12, TYPE_MX = 15, TYPE_TXT = 16, TYPE_AAAA = 28 };
enum { FLAGS = 0x8180, FLAG_ANSWER = 0x8000, FLAG_CUT = 0x0200, NXDOMAIN = 3, SIZE_MAX_OCTETS = 65535 };

#define ASKED         "\xc0\x0c" /* the name that was asked for: a.test */
#define WIRE(literal) (literal), sizeof(literal) - 1

static struct {
    unsigned char octets[SIZE_MAX_OCTETS];
    int size;
} message;
static struct dns_answer answer;

static void put(const char *octets, size_t size)
{
    memcpy(message.octets + message.size, octets, size);
    message.size += (int)size;
}

static void put_number(unsigned number)
{
    char octets[2] = {(char)(number >> 8), (char)number};
    put(octets, 2);
}

static void begin(unsigned flags, unsigned questions)
{
    message.size = 0;
    put_number(0x1234);
    put_number(flags);
    put_number(questions);
    put(WIRE("\0\0\0\0\0\0"));
    put(WIRE("\1a\4test\0\0\1\0\1"));
}

static void add(const char *owner, size_t owner_size, unsigned type, const char *data, size_t size)
{
    if (++message.octets[7] == 0)
        message.octets[6]++;
    put(owner, owner_size);
    put_number(type);
    put(WIRE("\0\1\0\0\0\x3c"));
    put_number((unsigned)size);
    put(data, size);
}

static enum dns_status parse(enum dns_type type)
{
    return dns_answer_parse(&answer, type, message.octets, message.size);
}

static void assert_names(enum dns_type type, int count, ...)
{
    va_list names;
    assert_int_equal(parse(type), DNS_FOUND);
    assert_int_equal(answer.count, count);
    va_start(names, count);
    for (int i = 0; i < count; i++)
        assert_string_equal(answer.records[i].name, va_arg(names, const char *));
    va_end(names);
}

static void only_two_codes_are_answers(void **state)
{
    (void)state;
    for (unsigned code = 0; code < 16; code++) {
        begin(FLAGS | code, 1);
        assert_int_equal(parse(DNS_A), code == 0 ? DNS_NO_DATA : code == NXDOMAIN ? DNS_NO_NAME : DNS_FAILED);
        add(WIRE(ASKED), TYPE_A, WIRE("\xc0\0\2\1"));
        assert_int_equal(parse(DNS_A), code == 0 ? DNS_FOUND : code == NXDOMAIN ? DNS_NO_NAME : DNS_FAILED);
    }
}

static void an_echo_is_none_nor_what_was_cut(void **state)
{
    (void)state;
    begin(FLAGS & ~(unsigned)FLAG_ANSWER, 1);
    assert_int_equal(parse(DNS_A), DNS_FAILED);
    begin(FLAGS | FLAG_CUT, 1);
    add(WIRE(ASKED), TYPE_A, WIRE("\xc0\0\2\1"));
    assert_int_equal(parse(DNS_A), DNS_FAILED);
    begin(FLAGS, 0);
    assert_int_equal(parse(DNS_A), DNS_FAILED);
}

static void it_has_to_be_whole(void **state)
{
    (void)state;
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_A, WIRE("\xc0\0\2\1"));
    add(WIRE(ASKED), TYPE_A, WIRE("\xc0\0\2\2"));
    for (int size = message.size - 1; size >= 0; size--) {
        unsigned char *copy = malloc((size_t)size + 1); /* a step too far is seen */
        assert_non_null(copy);
        memcpy(copy + 1, message.octets, (size_t)size);
        assert_int_equal(dns_answer_parse(&answer, DNS_A, copy + 1, size), DNS_FAILED);
        assert_int_equal(answer.count, 0);
        free(copy);
    }
}

static void records_of_others_do_not_count(void **state)
{
    (void)state;
    begin(FLAGS, 1);
    add(WIRE("\1b\4test\0"), TYPE_TXT, WIRE("\x0bv=spf1 +all"));
    assert_int_equal(parse(DNS_TXT), DNS_NO_DATA);
    add(WIRE("\1A\4TEST\0"), TYPE_TXT, WIRE("\3v=s\5pf1 x"));
    assert_int_equal(parse(DNS_TXT), DNS_FOUND);
    assert_int_equal(answer.count, 1);
    assert_true(slice_is_word(answer.records[0].text, "v=spf1 x"));
}

static void aliases_lead_on(void **state)
{
    (void)state;
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_CNAME, WIRE("\1b\4test\0"));
    add(WIRE("\1b\4test\0"), TYPE_CNAME, WIRE("\3c\r\n\4test\0"));
    add(WIRE("\3c\r\n\4test\0"), TYPE_MX, WIRE("\0\x0a\1m\4test\0"));
    add(WIRE(ASKED), TYPE_MX, WIRE("\0\x01\1x\4test\0"));
    assert_names(DNS_MX, 1, "m.test");
}

static void a_name_that_is_none_spoils_no_other(void **state)
{
    (void)state;
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_PTR, WIRE("\3a b\4test\0"));
    add(WIRE(ASKED), TYPE_PTR, WIRE("\4M\r\nx\4test\0"));
    add(WIRE(ASKED), TYPE_PTR, WIRE("\3a.b\4test\0"));
    assert_int_equal(parse(DNS_PTR), DNS_NO_DATA);
    add(WIRE(ASKED), TYPE_PTR, WIRE("\4Good\xc0\x0e"));
    add(WIRE(ASKED), TYPE_PTR, WIRE("\0"));
    assert_names(DNS_PTR, 1, "good.test");
}

static void a_name_ends_with_its_record(void **state)
{
    (void)state;
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_PTR, WIRE("\1b\4test\0x"));
    assert_int_equal(parse(DNS_PTR), DNS_FAILED);
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_PTR, WIRE("\1b\4te"));
    add(WIRE(ASKED), TYPE_PTR, WIRE("\1c\4test\0"));
    assert_int_equal(parse(DNS_PTR), DNS_FAILED);
}

static void mail_exchangers_come_in_their_order(void **state)
{
    (void)state;
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_MX, WIRE("\0\x14\1b\4test\0"));
    add(WIRE(ASKED), TYPE_MX, WIRE("\0\x0a\1a\4test\0"));
    add(WIRE(ASKED), TYPE_MX, WIRE("\1\0\1c\4test\0"));
    assert_names(DNS_MX, 3, "a.test", "b.test", "c.test");
    assert_int_equal(answer.records[2].preference, 256);
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_MX, WIRE("\0\0\0"));
    assert_names(DNS_MX, 1, "");
}

static void an_address_has_its_size(void **state)
{
    (void)state;
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_A, WIRE("\xc0\0\2"));
    add(WIRE(ASKED), TYPE_AAAA, WIRE("\xc0\0\2\1"));
    assert_int_equal(parse(DNS_A), DNS_NO_DATA);
    assert_int_equal(parse(DNS_AAAA), DNS_NO_DATA);
}

static void an_ipv4_mapped_address_is_the_ipv4_one(void **state)
{
    char text[IPADDR_TEXT_MAX];
    (void)state;
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_AAAA, WIRE("\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1"));
    assert_int_equal(parse(DNS_AAAA), DNS_FOUND);
    ipaddr_print(&answer.records[0].address, text);
    assert_string_equal(text, "192.0.2.1");
}

static void more_than_is_given_is_told(void **state)
{
    (void)state;
    begin(FLAGS, 1);
    for (int i = 0; i < DNS_RECORDS_MAX; i++)
        add(WIRE(ASKED), TYPE_A, WIRE("\xc0\0\2\1"));
    assert_int_equal(parse(DNS_A), DNS_FOUND);
    assert_false(answer.cut);
    add(WIRE(ASKED), TYPE_A, WIRE("\xc0\0\2\1"));
    assert_int_equal(parse(DNS_A), DNS_FOUND);
    assert_int_equal(answer.count, DNS_RECORDS_MAX);
    assert_true(answer.cut);
}

static void a_text_is_its_strings_joined(void **state)
{
    (void)state;
    begin(FLAGS, 1);
    add(WIRE(ASKED), TYPE_TXT, WIRE(""));
    assert_int_equal(parse(DNS_TXT), DNS_NO_DATA);
    add(WIRE(ASKED), TYPE_TXT, WIRE("\1a\0\2\0\n"));
    assert_int_equal(parse(DNS_TXT), DNS_FOUND);
    assert_int_equal(answer.records[0].text.size, 3);
    assert_memory_equal(answer.records[0].text.at, "a\0\n", 3);
    add(WIRE(ASKED), TYPE_TXT, WIRE("\1a\3b"));
    assert_int_equal(parse(DNS_TXT), DNS_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_two_codes_are_answers),
        cmocka_unit_test(an_echo_is_none_nor_what_was_cut),
        cmocka_unit_test(it_has_to_be_whole),
        cmocka_unit_test(records_of_others_do_not_count),
        cmocka_unit_test(aliases_lead_on),
        cmocka_unit_test(a_name_that_is_none_spoils_no_other),
        cmocka_unit_test(a_name_ends_with_its_record),
        cmocka_unit_test(mail_exchangers_come_in_their_order),
        cmocka_unit_test(an_address_has_its_size),
        cmocka_unit_test(an_ipv4_mapped_address_is_the_ipv4_one),
        cmocka_unit_test(more_than_is_given_is_told),
        cmocka_unit_test(a_text_is_its_strings_joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
