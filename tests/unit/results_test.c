/* SPDX-License-Identifier: ISC
 *
 * results: what checks found is kept in order, and nothing that would break the header it is for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/results.h"

static void results_come_in_their_order(void **state)
{
    struct results results = {0};
    (void)state;
    assert_true(result_add(&results, "spf=%s smtp.mailfrom=%s", "pass", "a.example"));
    assert_true(result_add(&results, "iprev=fail"));
    assert_int_equal(results.count, 2);
    assert_true(slice_is_word(result_at(&results, 0), "spf=pass smtp.mailfrom=a.example"));
    assert_true(slice_is_word(result_at(&results, 1), "iprev=fail"));
}

static void what_would_begin_another_is_not_taken(void **state)
{
    static const char *const bad[] = {"",           "spf=pass; dkim=pass", "spf=pass\r\nX: y",
                                      "spf=\tpass", "spf=p\xc3\xa4ss",     "\x7f"};
    struct results results = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(result_add(&results, "%s", bad[i]));
    assert_int_equal(results.count, 0);
    assert_true(result_add(&results, "spf=none"));
}

static void what_does_not_fit_is_left_out_whole(void **state)
{
    char large[RESULTS_BYTES];
    struct results results = {0};
    (void)state;
    memset(large, 'a', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    assert_true(result_add(&results, "spf=none"));
    assert_false(result_add(&results, "%s", large));
    assert_true(result_add(&results, "iprev=pass"));
    assert_true(slice_is_word(result_at(&results, 1), "iprev=pass"));
    for (int i = 2; i < RESULTS_MAX; i++)
        assert_true(result_add(&results, "x=%d", i));
    assert_false(result_add(&results, "x=17"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_come_in_their_order),
        cmocka_unit_test(what_would_begin_another_is_not_taken),
        cmocka_unit_test(what_does_not_fit_is_left_out_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
