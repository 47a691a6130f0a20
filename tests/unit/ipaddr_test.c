/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/ipaddr.h"

static const struct {
    const char *text, *printed; /* null: refused */
} addresses[] = {
    /* clang-format off */
    { "192.0.2.1",             "192.0.2.1" },
    { "2001:DB8::1",           "2001:db8::1" },
    { "2001:db8:0:0:0:0:0:1",  "2001:db8::1" },
    { "::ffff:192.0.2.1",      "192.0.2.1" },
    { "::ffff:c000:201",       "192.0.2.1" },
    { "::1",                   "::1" },
    { "::",                    "::" },
    { "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
    { "192.0.2",               NULL },
    { "192.0.2.256",           NULL },
    { "192.0.2.01",            NULL },
    { "192.0.2.1.",            NULL },
    { " 192.0.2.1",            NULL },
    { "0x7f.1",                NULL },
    { "1::2::3",               NULL },
    { "fe80::1%eth0",          NULL },
    { "[::1]",                 NULL },
    { "",                      NULL },
    { "example.org",           NULL },
    { "1111111111111111111111111111111111111111111111111111", NULL },
    /* clang-format on */
};

static void addresses_are_read_strictly_and_printed_shortest(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        struct ipaddr address = {0};
        char text[IPADDR_TEXT_MAX];
        if (ipaddr_parse(slice_of(addresses[i].text), &address) != (addresses[i].printed != NULL))
            fail_msg("%s", addresses[i].text);
        ipaddr_print(&address, text);
        assert_string_equal(text, addresses[i].printed ? addresses[i].printed : "none");
    }
    struct ipaddr address;
    assert_false(ipaddr_parse(slice_make("192.0.2.1\0x", 11), &address));
}

static const struct {
    const char *network, *inside, *outside; /* inside null: refused */
} networks[] = {
    /* clang-format off */
    { "192.0.2.0/24",         "192.0.2.255",      "192.0.3.0" },
    { "192.0.2.128/25",       "192.0.2.200",      "192.0.2.127" },
    { "192.0.2.1",            "192.0.2.1",        "192.0.2.2" },
    { "192.0.2.1/32",         "::ffff:192.0.2.1", "192.0.2.0" },
    { "0.0.0.0/0",            "203.0.113.9",      "2001:db8::1" },
    { "::/0",                 "2001:db8::1",      "203.0.113.9" },
    { "2001:db8::/32",        "2001:db8:ffff::",  "2001:db9::" },
    { "2001:db8::8/125",      "2001:db8::f",      "2001:db8::10" },
    { "2001:db8::1",          "2001:db8::1",      "2001:db8::" },
    { "::ffff:192.0.2.0/120", "192.0.2.9",        "192.0.3.9" },
    { "192.0.2.1/24",         NULL, NULL },
    { "2001:db8::1/64",       NULL, NULL },
    { "192.0.2.0/33",         NULL, NULL },
    { "2001:db8::/129",       NULL, NULL },
    { "192.0.2.0/",           NULL, NULL },
    { "192.0.2.0/-1",         NULL, NULL },
    { "192.0.2.0/0024",       NULL, NULL },
    { "192.0.2.0/24/24",      NULL, NULL },
    { "::ffff:0:0/95",        NULL, NULL },
    { "/24",                  NULL, NULL },
    { "",                     NULL, NULL },
    /* clang-format on */
};

static void networks_hold_their_addresses(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        struct network network;
        struct ipaddr in, out;
        if (network_parse(slice_of(networks[i].network), &network) != (networks[i].inside != NULL))
            fail_msg("%s", networks[i].network);
        if (!networks[i].inside)
            continue;
        assert_true(ipaddr_parse(slice_of(networks[i].inside), &in));
        assert_true(ipaddr_parse(slice_of(networks[i].outside), &out));
        if (!network_holds(&network, &in) || network_holds(&network, &out))
            fail_msg("%s", networks[i].network);
    }
}

static void loopback_and_equality(void **unused)
{
    (void)unused;
    static const char *const loopbacks[] = {"127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"};
    struct ipaddr a, b;
    for (size_t i = 0; i < sizeof loopbacks / sizeof *loopbacks; i++) {
        assert_true(ipaddr_parse(slice_of(loopbacks[i]), &a));
        assert_true(ipaddr_is_loopback(&a));
    }
    assert_true(ipaddr_parse(slice_of("128.0.0.1"), &a));
    assert_false(ipaddr_is_loopback(&a));
    assert_true(ipaddr_parse(slice_of("::ffff:128.0.0.1"), &b));
    assert_true(ipaddr_equal(&a, &b));
    assert_true(ipaddr_parse(slice_of("8000:1::"), &b));
    assert_false(ipaddr_equal(&a, &b));
    struct network none = {0};
    assert_false(network_holds(&none, &(struct ipaddr){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_read_strictly_and_printed_shortest),
        cmocka_unit_test(networks_hold_their_addresses),
        cmocka_unit_test(loopback_and_equality),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
