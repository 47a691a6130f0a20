/* SPDX-License-Identifier: ISC
 *
 * proxy_header: headers of both versions, whole, cut at every octet, with any octet another one, with lengths that lie;
 * nothing behind a header is ever looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/proxy_header.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define FOUR_ENDS "\xc0\x00\x02\x07\xc6\x33\x64\x19\x10\xe1\x00\x19"
#define SIX_ENDS                                                                                                       \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"                                                                       \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x19"                                                                       \
    "\x10\xe1\x00\x19"
#define MAPPED_ENDS                                                                                                    \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\x00\x02\x07"                                                                     \
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x19"                                                                     \
    "\x10\xe1\x00\x19"
#define X10  "xxxxxxxxxx"
#define X108 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 "xxxxxxxx"

static const struct {
    struct slice octets;
    enum proxy_kind kind;
    const char *client, *local; /* "": none */
} good[] = {
    /* clang-format off */
    {SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 4321 25\r\n"), PROXY_CLIENT, "192.0.2.7:4321", "198.51.100.25:25"},
    {SLICE("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), PROXY_CLIENT,
     "255.255.255.255:65535", "255.255.255.255:65535"},
    {SLICE("PROXY TCP4 1.2.3.4 0.0.0.0 0 0\r\n"), PROXY_CLIENT, "1.2.3.4:0", "0.0.0.0:0"},
    {SLICE("PROXY TCP6 2001:db8::7 2001:db8::19 4321 25\r\n"), PROXY_CLIENT, "[2001:db8::7]:4321", "[2001:db8::19]:25"},
    {SLICE("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
     PROXY_CLIENT, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    {SLICE("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:198.51.100.25 4321 25\r\n"), PROXY_CLIENT,
     "192.0.2.7:4321", "198.51.100.25:25"},
    {SLICE("PROXY UNKNOWN\r\n"), PROXY_UNKNOWN, "", ""},
    {SLICE("PROXY UNKNOWN \r\n"), PROXY_UNKNOWN, "", ""},
    {SLICE("PROXY UNKNOWN 192.0.2.7 198.51.100.25 4321 25\r\n"), PROXY_UNKNOWN, "", ""},
    {SLICE("PROXY UNKNOWN ffff:f...f:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 what \0 ever\r\n"),
     PROXY_UNKNOWN, "", ""},
    {SLICE(SIGNATURE "\x21\x11\0\x0c" FOUR_ENDS), PROXY_CLIENT, "192.0.2.7:4321", "198.51.100.25:25"},
    {SLICE(SIGNATURE "\x21\x21\0\x24" SIX_ENDS), PROXY_CLIENT, "[2001:db8::7]:4321", "[2001:db8::19]:25"},
    {SLICE(SIGNATURE "\x21\x21\0\x24" MAPPED_ENDS), PROXY_CLIENT, "192.0.2.7:4321", "198.51.100.25:25"},
    {SLICE(SIGNATURE "\x21\x11\0\x14" FOUR_ENDS "\x04\0\0" "\x05\0\x02id"), PROXY_CLIENT,
     "192.0.2.7:4321", "198.51.100.25:25"},
    {SLICE(SIGNATURE "\x20\0\0\0"), PROXY_LOCAL, "", ""},
    {SLICE(SIGNATURE "\x20\x11\0\x0c" FOUR_ENDS), PROXY_LOCAL, "", ""},
    {SLICE(SIGNATURE "\x20\x99\0\x03xyz"), PROXY_LOCAL, "", ""},
    {SLICE(SIGNATURE "\x21\0\0\0"), PROXY_UNKNOWN, "", ""},
    {SLICE(SIGNATURE "\x21\0\0\x02zz"), PROXY_UNKNOWN, "", ""},
    {SLICE(SIGNATURE "\x21\x31\0\xd8" X108 X108), PROXY_UNKNOWN, "", ""},
    /* clang-format on */
};

enum { GOOD = sizeof(good) / sizeof(*good) };

static const struct slice bad[] = {
    SLICE("EHLO client.test\r\n"),
    SLICE("\n"),
    SLICE("proxy TCP4 192.0.2.7 198.51.100.25 4321 25\r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 4321 25\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 4321 25 \r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 4321 25 1\r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 4321\r\n"),
    SLICE("PROXY TCP4  192.0.2.7 198.51.100.25 4321 25\r\n"),
    SLICE("PROXY  TCP4 192.0.2.7 198.51.100.25 4321 25\r\n"),
    SLICE("PROXY TCP4\t192.0.2.7 198.51.100.25 4321 25\r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 65536 25\r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 18446744073709551617 25\r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 +1 25\r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 -1 25\r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 01 25\r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 1 2\r5\r\n"),
    SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 1 25\r\r\n"),
    SLICE("PROXY TCP4 192.0.2.7\0 198.51.100.25 1 25\r\n"),
    SLICE("PROXY TCP4 192.0.2 198.51.100.25 1 25\r\n"),
    SLICE("PROXY TCP4 192.0.2.256 198.51.100.25 1 25\r\n"),
    SLICE("PROXY TCP4 2001:db8::7 2001:db8::19 1 25\r\n"),
    SLICE("PROXY TCP4 ::ffff:192.0.2.7 198.51.100.25 1 25\r\n"),
    SLICE("PROXY TCP6 192.0.2.7 198.51.100.25 1 25\r\n"),
    SLICE("PROXY TCP6 2001:db8::7 198.51.100.25 1 25\r\n"),
    SLICE("PROXY TCP6 fe80::1%lo fe80::2 1 25\r\n"),
    SLICE("PROXY TCP6 [2001:db8::7] 2001:db8::19 1 25\r\n"),
    SLICE("PROXY UDP4 192.0.2.7 198.51.100.25 1 25\r\n"),
    SLICE("PROXY TCP4\r\n"),
    SLICE("PROXY \r\n"),
    SLICE("PROXY\r\n"),
    SLICE("PROXY UNKNOWNX\r\n"),
    SLICE("PROXY unknown\r\n"),
    SLICE("PROXY UNKNOWN " X108 "\r\n"),
    SLICE("PROXY TCP4 " X108),
    SLICE("\r\n\r\n\0\r\nQUIT\r\n"),
    SLICE(SIGNATURE "\x11\x11\0\x0c" FOUR_ENDS), /* version 1, 3 */
    SLICE(SIGNATURE "\x31\x11\0\x0c" FOUR_ENDS),
    SLICE(SIGNATURE "\x22\x11\0\x0c" FOUR_ENDS), /* a command that is neither LOCAL nor PROXY */
    SLICE(SIGNATURE "\x21\x12\0\x0c" FOUR_ENDS), /* datagrams */
    SLICE(SIGNATURE "\x21\x22\0\x24" SIX_ENDS),
    SLICE(SIGNATURE "\x21\x10\0\x0c" FOUR_ENDS), /* no transport, no family */
    SLICE(SIGNATURE "\x21\x01\0\x0c" FOUR_ENDS),
    SLICE(SIGNATURE "\x21\x41\0\x0c" FOUR_ENDS),
    SLICE(SIGNATURE "\x21\x11\0\x0b" FOUR_ENDS), /* too short for the addresses */
    SLICE(SIGNATURE "\x21\x11\0\0"),
    SLICE(SIGNATURE "\x21\x21\0\x0c" FOUR_ENDS),
    SLICE(SIGNATURE "\x21\x31\0\x0c" FOUR_ENDS),
    SLICE(SIGNATURE "\x21\x11\0\x0d" FOUR_ENDS "\x04"),       /* cut TLVs */
    SLICE(SIGNATURE "\x21\x11\0\x0f" FOUR_ENDS "\x04\0\x01"), /* one that says more than there is */
    SLICE(SIGNATURE "\x21\x11\0\x12" FOUR_ENDS "\x04\xff\xff"
                    "abc"),
    SLICE(SIGNATURE "\x21\x11\x08\x01"), /* 2049 octets */
    SLICE(SIGNATURE "\x21\x11\xff\xff"),
    SLICE(SIGNATURE "\x20\0\x08\x01"),
};

/* In memory of exactly its size: a sanitizer sees who looks behind it. */
static enum proxy_progress parse(struct slice octets, struct proxy_header *out, size_t *count_out)
{
    char *copy = malloc(octets.size);
    assert_true(copy != NULL || octets.size == 0);
    if (octets.size > 0)
        memcpy(copy, octets.at, octets.size);
    enum proxy_progress progress = proxy_header_parse(slice_make(copy, octets.size), out, count_out);
    free(copy);
    return progress;
}

static void expect_endpoint(const struct endpoint *is, const char *expected)
{
    char text[ENDPOINT_TEXT_MAX] = "";
    if (is->kind != ENDPOINT_NONE)
        endpoint_print(is, text);
    assert_string_equal(text, expected);
}

static void good_ones_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD; i++) {
        struct proxy_header header;
        size_t count;
        assert_int_equal(parse(good[i].octets, &header, &count), PROXY_DONE);
        assert_int_equal(count, good[i].octets.size);
        assert_int_equal(header.kind, good[i].kind);
        expect_endpoint(&header.client, good[i].client);
        expect_endpoint(&header.local, good[i].local);
    }
}

/* Cut anywhere it is unfinished, and what is still asked for is never more than what is missing. */
static void cut_ones_ask_for_no_more_than_there_is(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD; i++) {
        for (size_t size = 0; size < good[i].octets.size; size++) {
            struct proxy_header header;
            size_t count;
            assert_int_equal(parse(slice_make(good[i].octets.at, size), &header, &count), PROXY_MORE);
            assert_in_range(count, 1, good[i].octets.size - size);
        }
    }
}

static void what_is_behind_it_is_left_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD; i++) {
        char octets[512];
        struct proxy_header header;
        size_t count;
        memcpy(octets, good[i].octets.at, good[i].octets.size);
        memcpy(octets + good[i].octets.size, "\r\nEHLO \n", 8);
        assert_int_equal(parse(slice_make(octets, good[i].octets.size + 8), &header, &count), PROXY_DONE);
        assert_int_equal(count, good[i].octets.size);
        assert_int_equal(header.kind, good[i].kind);
    }
}

static void bad_ones_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct proxy_header header;
        size_t count;
        if (parse(bad[i], &header, &count) != PROXY_BAD)
            fail_msg("taken for one: %.*s (row %zu)", SLICE_ARGS(bad[i]), i);
    }
}

/* Whoever reads as much as is asked for comes to an end, and that is within the longest header there is. */
static void any_other_octet_is_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOOD; i++) {
        for (size_t at = 0; at < good[i].octets.size; at++) {
            for (int octet = 0; octet < 256; octet++) {
                char octets[512];
                struct proxy_header header;
                size_t count = 0;
                memcpy(octets, good[i].octets.at, good[i].octets.size);
                octets[at] = (char)octet;
                enum proxy_progress progress = parse(slice_make(octets, good[i].octets.size), &header, &count);
                if (progress == PROXY_DONE)
                    assert_in_range(count, 1, good[i].octets.size);
                if (progress == PROXY_MORE)
                    assert_in_range(good[i].octets.size + count, good[i].octets.size + 1, PROXY_HEADER_MAX);
            }
        }
    }
}

/* Every length that version 2 can tell, over the same octets. */
static void lengths_may_lie(void **state)
{
    static const unsigned char families[] = {0x00, 0x11, 0x21, 0x31};
    (void)state;
    for (size_t f = 0; f < sizeof(families); f++) {
        for (unsigned length = 0; length <= UINT16_MAX; length++) {
            char octets[300] = SIGNATURE "\x21";
            struct proxy_header header;
            size_t count = 0;
            octets[13] = (char)families[f];
            octets[14] = (char)(length >> 8);
            octets[15] = (char)length;
            enum proxy_progress progress = parse(slice_make(octets, sizeof(octets)), &header, &count);
            if (length > PROXY_LENGTH_MAX)
                assert_int_equal(progress, PROXY_BAD);
            else if (length > sizeof(octets) - 16)
                assert_int_equal(progress, PROXY_MORE);
            else if (progress == PROXY_DONE)
                assert_int_equal(count, 16 + length);
        }
    }
}

static void the_longest_is_taken(void **state)
{
    static char octets[PROXY_HEADER_MAX] = SIGNATURE "\x20";
    struct proxy_header header;
    size_t count;
    (void)state;
    octets[14] = PROXY_LENGTH_MAX >> 8;
    assert_int_equal(parse(slice_make(octets, sizeof(octets) - 1), &header, &count), PROXY_MORE);
    assert_int_equal(parse(slice_make(octets, sizeof(octets)), &header, &count), PROXY_DONE);
}

/* -- printing -- */

static struct endpoint endpoint(const char *text)
{
    struct endpoint out = {0};
    const char *why;
    if (text == NULL)
        out.kind = ENDPOINT_UNIX;
    else
        assert_true(endpoint_parse(slice_of(text), &out, &why));
    return out;
}

static bool print(struct buffer *to, enum proxy_version version, const char *client, const char *local)
{
    static char memory[256];
    struct endpoint from = endpoint(client), at = endpoint(local);
    buffer_init(to, memory, sizeof(memory));
    return proxy_header_print(to, version, &from, &at);
}

static const struct {
    const char *client, *local;
    struct slice line, binary;
} printed[] = {
    /* clang-format off */
    {"192.0.2.7:4321", "198.51.100.25:25", SLICE("PROXY TCP4 192.0.2.7 198.51.100.25 4321 25\r\n"),
     SLICE(SIGNATURE "\x21\x11\0\x0c" FOUR_ENDS)},
    {"[2001:db8::7]:4321", "[2001:db8::19]:25", SLICE("PROXY TCP6 2001:db8::7 2001:db8::19 4321 25\r\n"),
     SLICE(SIGNATURE "\x21\x21\0\x24" SIX_ENDS)},
    {"192.0.2.7:4321", "[2001:db8::19]:25", SLICE("PROXY TCP4 192.0.2.7 0.0.0.0 4321 25\r\n"),
     SLICE(SIGNATURE "\x21\x11\0\x0c" "\xc0\x00\x02\x07\0\0\0\0\x10\xe1\x00\x19")},
    {"[2001:db8::7]:4321", NULL, SLICE("PROXY TCP6 2001:db8::7 :: 4321 0\r\n"),
     SLICE(SIGNATURE "\x21\x21\0\x24" "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x07"
           "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0" "\x10\xe1\0\0")},
    /* clang-format on */
};

static void clients_are_printed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(printed) / sizeof(*printed); i++) {
        struct buffer to;
        assert_true(print(&to, PROXY_V1, printed[i].client, printed[i].local));
        assert_true(slice_equal(buffer_unread(&to), printed[i].line));
        assert_true(print(&to, PROXY_V2, printed[i].client, printed[i].local));
        assert_true(slice_equal(buffer_unread(&to), printed[i].binary));
    }
}

static void who_has_no_address_cannot_be_told_of(void **state)
{
    struct buffer to;
    (void)state;
    assert_false(print(&to, PROXY_V1, NULL, "198.51.100.25:25"));
    assert_false(print(&to, PROXY_V2, NULL, "198.51.100.25:25"));
    assert_int_equal(buffer_unread(&to).size, 0);
}

static void no_room_is_said(void **state)
{
    char memory[30];
    struct endpoint client = endpoint("[2001:db8::7]:4321");
    struct buffer to;
    (void)state;
    for (enum proxy_version version = PROXY_V1; version <= PROXY_V2; version++) {
        buffer_init(&to, memory, sizeof(memory));
        assert_false(proxy_header_print(&to, version, &client, &client));
    }
}

static void local_is_printed(void **state)
{
    char memory[64];
    struct buffer to;
    struct proxy_header header;
    size_t count;
    (void)state;
    buffer_init(&to, memory, sizeof(memory));
    assert_true(proxy_header_print_local(&to));
    assert_int_equal(parse(buffer_unread(&to), &header, &count), PROXY_DONE);
    assert_int_equal(header.kind, PROXY_LOCAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_understood),
        cmocka_unit_test(cut_ones_ask_for_no_more_than_there_is),
        cmocka_unit_test(what_is_behind_it_is_left_alone),
        cmocka_unit_test(bad_ones_are_refused),
        cmocka_unit_test(any_other_octet_is_survived),
        cmocka_unit_test(lengths_may_lie),
        cmocka_unit_test(the_longest_is_taken),
        cmocka_unit_test(clients_are_printed),
        cmocka_unit_test(who_has_no_address_cannot_be_told_of),
        cmocka_unit_test(no_room_is_said),
        cmocka_unit_test(local_is_printed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
