/* SPDX-License-Identifier: ISC
 *
 * seats: counted from any first to any last one, like by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/seats.h"

enum { SEATS = 40, WHOM = 7 };

static int by_hand(const _Atomic uint32_t *seats, int count)
{
    int found = 0;
    for (int i = 0; i < count; i++)
        if (seats[i] == WHOM)
            found++;
    return found;
}

static void any_stretch_is_counted_right(void **state)
{
    (void)state;
    static _Atomic uint32_t seats[SEATS];
    srandom(1);
    for (int i = 0; i < SEATS; i++)
        seats[i] = random() % 3 == 0 ? WHOM : (uint32_t)random() & ~1u;
    for (int first = 0; first < SEATS; first++)
        for (int count = 0; count <= SEATS - first; count++)
            assert_int_equal(seats_count(seats + first, count, WHOM), by_hand(seats + first, count));
}

static void all_and_none(void **state)
{
    (void)state;
    static _Atomic uint32_t seats[65536];
    assert_int_equal(seats_count(seats, 65536, WHOM), 0);
    assert_int_equal(seats_count(seats, 65536, 0), 65536);
    for (int i = 0; i < 65536; i++)
        seats[i] = UINT32_MAX;
    assert_int_equal(seats_count(seats, 65536, UINT32_MAX), 65536);
    assert_int_equal(seats_count(seats, 0, UINT32_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_stretch_is_counted_right),
        cmocka_unit_test(all_and_none),
    };
    return cmocka_run_group_tests_name("seats", tests, NULL, NULL);
}
