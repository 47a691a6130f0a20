/* SPDX-License-Identifier: ISC
 *
 * session_id: what is printed is read again as it was, and nothing else is taken for an id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/session_id.h"

enum { NUMBER_BITS = 55, SLOT_BITS = 20, ROUNDS = 10000 };

static void an_id_names_number_and_slot(void **state)
{
    (void)state;
    srandom(4711);
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t number = ((uint64_t)random() << 31 ^ (uint64_t)random()) & ((UINT64_C(1) << NUMBER_BITS) - 1);
        int slot = (int)((unsigned)random() & ((1u << SLOT_BITS) - 1));
        char text[SESSION_ID_BYTES];
        uint64_t read_number;
        int read_slot;
        session_id_print(number, slot, text);
        assert_int_equal(strlen(text), SESSION_ID_BYTES - 1);
        assert_true(session_id_parse(slice_of(text), &read_number, &read_slot));
        assert_true(read_number == number);
        assert_int_equal(read_slot, slot);
    }
}

static void ids_sort_by_time(void **state)
{
    (void)state;
    char one[SESSION_ID_BYTES], later[SESSION_ID_BYTES];
    session_id_print(1763772471000000, 9, one);
    session_id_print(1763772471000001, 0, later);
    assert_true(strcmp(one, later) < 0);
}

static void what_is_no_id_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "1k0t361f2da000",   /* one short */
                                        "1k0t361f2da00000", /* one long */
                                        "1K0T361F2DA0000",
                                        "1k0t361f2da000i",
                                        "1k0t361f2da000l",
                                        "1k0t361f2da000o",
                                        "1k0t361f2da000u",
                                        "-1k0t361f2da000",
                                        "1k0t361f2da 000",
                                        "1k0t361f2da000\xff"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        uint64_t number;
        int slot;
        assert_false(session_id_parse(slice_of(wrong[i]), &number, &slot));
    }
    uint64_t number;
    int slot;
    assert_false(session_id_parse(slice_make("1k0t361f2da\0\0\0\0", 15), &number, &slot));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_id_names_number_and_slot),
        cmocka_unit_test(ids_sort_by_time),
        cmocka_unit_test(what_is_no_id_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
