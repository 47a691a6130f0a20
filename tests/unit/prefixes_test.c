/* SPDX-License-Identifier: ISC
 *
 * prefixes: lengths come shortest first, each once, and are printed within their room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/prefixes.h"

static struct network network_in(const char *text)
{
    struct network network;
    assert_true(network_parse(slice_of(text), &network));
    return network;
}

static void lengths_come_in_their_order_and_once(void **state)
{
    (void)state;
    struct prefixes prefixes = {{false}, {false}};
    char text[PREFIXES_TEXT_MAX];
    static const int64_t added[] = {28, 24, 28, -1, 33, 32};
    for (size_t i = 0; i < sizeof(added) / sizeof(added[0]); i++)
        prefixes_add(&prefixes, 4, added[i]);
    prefixes_add(&prefixes, 6, 128);
    prefixes_add(&prefixes, 0, 24);
    assert_int_equal(prefixes_at(&prefixes, 4, 0), 24);
    assert_int_equal(prefixes_at(&prefixes, 4, 2), 32);
    assert_int_equal(prefixes_at(&prefixes, 4, 3), -1);
    assert_int_equal(prefixes_at(&prefixes, 0, 0), -1);
    prefixes_print(&prefixes, 4, text);
    assert_string_equal(text, "/24, /28, /32");
    prefixes_print(&prefixes, 6, text);
    assert_string_equal(text, "/128");
}

static void a_network_has_its_family_and_length(void **state)
{
    (void)state;
    struct prefixes prefixes = {{false}, {false}};
    prefixes_add(&prefixes, 4, 24);
    struct network four = network_in("192.0.2.0/24"), wide = network_in("192.0.0.0/16"), six = network_in("2001::/24");
    assert_true(prefixes_have(&prefixes, &four));
    assert_false(prefixes_have(&prefixes, &wide));
    assert_false(prefixes_have(&prefixes, &six));
}

static void many_end_with_dots(void **state)
{
    (void)state;
    struct prefixes prefixes = {{false}, {false}};
    char text[PREFIXES_TEXT_MAX];
    for (int length = 0; length <= 128; length++)
        prefixes_add(&prefixes, 6, length);
    prefixes_print(&prefixes, 6, text);
    size_t size = strlen(text);
    assert_true(size < sizeof(text));
    assert_string_equal(text + size - 4, ", ..");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_come_in_their_order_and_once),
        cmocka_unit_test(a_network_has_its_family_and_length),
        cmocka_unit_test(many_end_with_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
