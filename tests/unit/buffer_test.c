/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/buffer.h"

static void what_does_not_fit_is_not_written(void **unused)
{
    (void)unused;
    char memory[8];
    struct buffer b;
    buffer_init(&b, memory, sizeof memory);
    assert_true(buffer_put_text(&b, "hello"));
    assert_int_equal(buffer_room(&b), 3);
    assert_false(buffer_put_text(&b, "four"));
    assert_true(b.overflow);
    assert_true(slice_equal(buffer_unread(&b), slice_of("hello")));
    assert_true(buffer_put_text(&b, "thr"));
    assert_false(buffer_put_char(&b, '!'));
    assert_true(b.overflow);
    buffer_clear(&b);
    assert_false(b.overflow);
    assert_int_equal(buffer_room(&b), 8);
}

static void printing_needs_room_for_its_nul(void **unused)
{
    (void)unused;
    char memory[8];
    struct buffer b;
    buffer_init(&b, memory, sizeof memory);
    assert_false(buffer_print(&b, "%s", "12345678"));
    assert_true(b.overflow);
    assert_int_equal(buffer_unread(&b).size, 0);
    buffer_clear(&b);
    assert_true(buffer_print(&b, "%s%d", "12345", 67));
    assert_true(slice_equal(buffer_unread(&b), slice_of("1234567")));
    assert_true(buffer_put_char(&b, '8'));
    assert_false(buffer_print(&b, "%s", ""));
}

static void consuming_and_compacting(void **unused)
{
    (void)unused;
    char memory[8];
    struct buffer b;
    buffer_init(&b, memory, sizeof memory);
    buffer_put_text(&b, "abcdefgh");
    buffer_consume(&b, 6);
    assert_int_equal(buffer_room(&b), 0);
    buffer_compact(&b);
    assert_int_equal(buffer_room(&b), 6);
    assert_true(slice_equal(buffer_unread(&b), slice_of("gh")));
    buffer_consume(&b, 100);
    assert_int_equal(buffer_unread(&b).size, 0);
    assert_int_equal(buffer_room(&b), 8);
}

static void what_is_not_unread_is_wiped(void **unused)
{
    (void)unused;
    static char memory[8192];
    struct buffer b;
    buffer_init(&b, memory, sizeof memory);
    memset(memory, 'x', sizeof memory);
    b.end = 5000;
    buffer_consume(&b, 4990);
    buffer_wipe(&b);
    for (size_t i = 0; i < sizeof memory; i++)
        assert_int_equal(memory[i], i >= 4990 && i < 5000 ? 'x' : 0);
    buffer_compact(&b); /* leaves what it moved behind */
    buffer_wipe(&b);
    assert_true(slice_equal(buffer_unread(&b), slice_of("xxxxxxxxxx")));
    for (size_t i = 10; i < sizeof memory; i++)
        assert_int_equal(memory[i], 0);
    buffer_clear(&b);
    buffer_wipe(&b);
    assert_int_equal(memory[0], 0);
}

static void no_memory_is_no_trouble(void **unused)
{
    (void)unused;
    struct buffer b;
    buffer_init(&b, NULL, 0);
    assert_true(buffer_put(&b, (struct slice){0}));
    assert_int_equal(buffer_unread(&b).size, 0);
    buffer_consume(&b, 1);
    buffer_compact(&b);
    buffer_wipe(&b);
    assert_false(buffer_print(&b, "x"));
    assert_false(buffer_put_char(&b, 'x'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_does_not_fit_is_not_written), cmocka_unit_test(printing_needs_room_for_its_nul),
        cmocka_unit_test(consuming_and_compacting),         cmocka_unit_test(what_is_not_unread_is_wiped),
        cmocka_unit_test(no_memory_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
