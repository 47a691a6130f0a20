/* SPDX-License-Identifier: ISC
 *
 * generic_name: names that hold all of the address, and names that only look as if they did.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/must.h"
#include "workers/generic_name.h"

static bool holds(const char *name, const char *address)
{
    struct ipaddr parsed;
    must(ipaddr_parse(slice_of(address), &parsed));
    return generic_name_holds(slice_of(name), &parsed);
}

static void names_that_count_a_pool(void **unused)
{
    static const char *const names[] = {
        "192-0-2-7.pool.example.net",   "7.2.0.192.dyn.example.net",    "host192x0x2x7.example.net",
        "static-7-2-0-192.example.net", "p192.000.002.007.example.net", "ip192000002007.example.net",
        "c0000207.cust.example.net",    "C0000207.example.net",         "dsl-3.192-0-2-7.example.net"};
    (void)unused;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (!holds(names[i], "192.0.2.7"))
            fail_msg("%s", names[i]);
}

static void names_of_servers(void **unused)
{
    static const char *const names[] = {"mail.example.net",
                                        "mx7.example.net",
                                        "out2-7.example.net",
                                        "0-2-7.example.net",
                                        "mail-192-0-2.example.net",
                                        "192-0-2-70.example.net",
                                        "1192-0-2-7.example.net",
                                        "2-0-192-7.example.net",
                                        "1c0000207.example.net",
                                        "9192000002007.example.net",
                                        "192-0-2-99999999999999999999.example.net",
                                        ""};
    (void)unused;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (holds(names[i], "192.0.2.7"))
            fail_msg("%s", names[i]);
}

static void names_of_ipv6(void **unused)
{
    static const char address[] = "2001:db8::7";
    (void)unused;
    assert_true(holds("2001-0db8-0000-0000-0000-0000-0000-0007.example.net", address));
    assert_true(holds("20010db8000000000000000000000007.example.net", address));
    assert_true(holds("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.example.net", address));
    assert_true(holds("CUST-2001-0DB8-0000-0000-0000-0000-0000-0007.example.net", address));
    assert_false(holds("2001-db8--7.example.net", address));
    assert_false(holds("20010db8000000000000000000000008.example.net", address));
    assert_false(holds("mail7.example.net", address));
}

static void nothing_is_in_no_address(void **unused)
{
    struct ipaddr none = {0};
    (void)unused;
    assert_false(generic_name_holds(slice_of("0-0-0-0.example.net"), &none));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_count_a_pool),
        cmocka_unit_test(names_of_servers),
        cmocka_unit_test(names_of_ipv6),
        cmocka_unit_test(nothing_is_in_no_address),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
