/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/ctl/sparkline.h"

static void assert_levels(const int64_t *values, int count, int64_t most, const int *expected)
{
    int levels[16];
    assert_int_equal(sparkline_scale(values, count, levels), most);
    for (int i = 0; i < count; i++)
        assert_int_equal(levels[i], expected[i]);
}

static void test_the_largest_is_the_highest(void **state)
{
    (void)state;
    assert_levels((int64_t[]){0, 1, 2, 3, 4, 5, 6, 7, 8}, 9, 8, (int[]){0, 1, 2, 3, 4, 5, 6, 7, 8});
    assert_levels((int64_t[]){5, 5, 5}, 3, 5, (int[]){8, 8, 8});
}

static void test_something_is_never_nothing(void **state)
{
    (void)state;
    assert_levels((int64_t[]){1, 0, 100000}, 3, 100000, (int[]){1, 0, 8});
    assert_levels((int64_t[]){1, INT64_MAX, INT64_MAX - 1}, 3, INT64_MAX, (int[]){1, 8, 8});
}

static void test_what_is_not_known_stays_so(void **state)
{
    (void)state;
    assert_levels((int64_t[]){-1, 0, 2}, 3, 2, (int[]){SPARKLINE_UNKNOWN, 0, 8});
    assert_levels((int64_t[]){-1, -1}, 2, 0, (int[]){SPARKLINE_UNKNOWN, SPARKLINE_UNKNOWN});
    assert_levels((int64_t[]){0, 0}, 2, 0, (int[]){0, 0});
    assert_levels(NULL, 0, 0, NULL);
}

static void test_signs(void **state)
{
    (void)state;
    assert_string_equal(sparkline_sign(SPARKLINE_UNKNOWN, true), " ");
    assert_string_equal(sparkline_sign(SPARKLINE_LEVELS, false), " ");
    assert_string_equal(sparkline_sign(8, true), "\xe2\x96\x88");
    assert_string_equal(sparkline_sign(8, false), "@");
    assert_string_equal(sparkline_sign(0, true), sparkline_sign(0, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_largest_is_the_highest),
        cmocka_unit_test(test_something_is_never_nothing),
        cmocka_unit_test(test_what_is_not_known_stays_so),
        cmocka_unit_test(test_signs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
