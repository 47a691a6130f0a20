/* SPDX-License-Identifier: ISC
 *
 * bypass: it is ordered at once, and said again and again while it is on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"

#include "daemon/bypass.h"

enum { NOW = 5000000 };

static int lines;
static char last[1024];

static void note(enum level level, const char *line)
{
    assert_int_equal(level, LEVEL_WARNING);
    strncpy(last, line, sizeof(last) - 1);
    lines++;
}

static void it_is_loud_while_it_is_on(void **state)
{
    (void)state;
    struct orders *orders = calloc(1, orders_bytes(1));
    struct bypass bypass = {0};
    log_to_function(note);
    assert_true(bypass_look(&bypass, NOW) == CLOCK_NEVER);
    assert_false(bypass_set(&bypass, orders, false, NOW));
    assert_false(orders_bypass(orders));
    assert_int_equal(lines, 0);
    assert_true(bypass_set(&bypass, orders, true, NOW));
    assert_true(orders_bypass(orders));
    assert_false(bypass_set(&bypass, orders, true, NOW + 1));
    assert_int_equal(lines, 1);
    assert_non_null(strstr(last, "event=bypass state=on for_s=0"));
    assert_int_equal(bypass_look(&bypass, NOW + BYPASS_SAY_MS - 1), NOW + BYPASS_SAY_MS);
    assert_int_equal(lines, 1);
    assert_int_equal(bypass_look(&bypass, NOW + BYPASS_SAY_MS), NOW + 2 * BYPASS_SAY_MS);
    assert_int_equal(lines, 2);
    assert_non_null(strstr(last, "state=on for_s=600"));
    assert_true(bypass_set(&bypass, orders, false, NOW + BYPASS_SAY_MS + 5000));
    assert_int_equal(lines, 3);
    assert_non_null(strstr(last, "state=off for_s=605"));
    assert_false(orders_bypass(orders));
    assert_true(bypass_look(&bypass, NOW + 3 * BYPASS_SAY_MS) == CLOCK_NEVER);
    free(orders);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_is_loud_while_it_is_on)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
