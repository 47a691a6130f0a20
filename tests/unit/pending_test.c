/* SPDX-License-Identifier: ISC
 *
 * pending: of several changes of a key the last counts; what does not fit changes nothing; sorted as the shelf sorts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/storekeeper/pending.h"

enum { NAMES = 500, STEPS = 20000 };

static int set_up(void **state)
{
    *state = pending_new();
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    struct pending *pending = *state;
    pending_free(&pending);
    return pending == NULL ? 0 : -1;
}

static bool put(struct pending *pending, const char *key, uint32_t count)
{
    struct store_record record = {.count = count};
    return pending_put(pending, slice_of(key), count > 0 ? &record : NULL);
}

static void the_last_change_of_a_key_counts(void **state)
{
    struct pending *pending = *state;
    struct store_record record;
    assert_int_equal(pending_find(pending, slice_of("a x"), &record), PENDING_UNKNOWN);
    assert_true(put(pending, "a x", 1));
    assert_true(put(pending, "a x", 2));
    assert_int_equal(pending_find(pending, slice_of("a x"), &record), PENDING_THERE);
    assert_int_equal(record.count, 2);
    assert_true(put(pending, "a x", 0));
    assert_int_equal(pending_find(pending, slice_of("a x"), &record), PENDING_GONE);
    assert_int_equal(pending_count(pending), 1);
    assert_true(put(pending, "a x", 3));
    assert_int_equal(pending_find(pending, slice_of("a x"), &record), PENDING_THERE);
    assert_int_equal(pending_find(pending, slice_of("a "), &record), PENDING_UNKNOWN);
    pending_clear(pending);
    assert_int_equal(pending_count(pending), 0);
    assert_int_equal(pending_find(pending, slice_of("a x"), &record), PENDING_UNKNOWN);
}

static void they_are_sorted_octet_by_octet(void **state)
{
    struct pending *pending = *state;
    static const char *const keys[] = {"g b", "a", "g", "g a", "g a b", "g \xff", "n x", "g a-"};
    static const char *const sorted[] = {"a", "g", "g a", "g a b", "g a-", "g b", "g \xff", "n x"};
    size_t count;
    for (int i = 0; i < 8; i++)
        assert_true(put(pending, keys[i], (uint32_t)i));
    const struct shelf_change *changes = pending_sorted(pending, &count);
    assert_int_equal(count, 8);
    for (size_t i = 0; i < count; i++) {
        assert_true(slice_equal(changes[i].key, slice_of(sorted[i])));
        assert_int_equal(changes[i].record == NULL, strcmp(sorted[i], "g b") == 0);
    }
    pending_clear(pending);
    pending_sorted(pending, &count);
    assert_int_equal(count, 0);
}

static void full_by_their_number(void **state)
{
    struct pending *pending = *state;
    struct store_record record;
    char key[32];
    for (uint32_t i = 1; i <= PENDING_CHANGES_MAX; i++) {
        assert_int_equal(pending_is_full(pending, 50), i > PENDING_CHANGES_MAX / 2);
        snprintf(key, sizeof(key), "g %u", i);
        assert_true(put(pending, key, i));
    }
    assert_true(pending_is_full(pending, 100));
    assert_false(put(pending, "g one more", 1));
    assert_int_equal(pending_find(pending, slice_of("g one more"), &record), PENDING_UNKNOWN);
    assert_true(put(pending, key, 7)); /* that is there */
    assert_int_equal(pending_find(pending, slice_of(key), &record), PENDING_THERE);
    assert_int_equal(record.count, 7);
}

static void full_by_their_keys(void **state)
{
    struct pending *pending = *state;
    char key[STORE_KEY_MAX + 1];
    int i = 0;
    do
        snprintf(key, sizeof(key), "g %0*d", STORE_KEY_MAX - 2, i++);
    while (put(pending, key, 1));
    assert_int_equal(i - 1, PENDING_KEY_BYTES / STORE_KEY_MAX);
    assert_true(pending_is_full(pending, 99));
    assert_int_equal(pending_count(pending), i - 1);
    pending_clear(pending);
    assert_false(pending_is_full(pending, 1));
    assert_true(put(pending, key, 1));
}

static void as_a_simple_list_would(void **state)
{
    struct pending *pending = *state;
    static uint32_t model[NAMES]; /* 0: unknown; 1: gone; else the count */
    memset(model, 0, sizeof(model));
    srandom(1);
    for (int step = 0; step < STEPS; step++) {
        char key[32];
        struct store_record record;
        long name = random() % NAMES;
        snprintf(key, sizeof(key), "g %ld", name);
        enum pending_found found = pending_find(pending, slice_of(key), &record);
        assert_int_equal(found, model[name] == 0 ? PENDING_UNKNOWN : model[name] == 1 ? PENDING_GONE : PENDING_THERE);
        if (found == PENDING_THERE)
            assert_int_equal(record.count, model[name]);
        model[name] = random() % 3 == 0 ? 1 : 2 + (uint32_t)random() % 1000;
        assert_true(put(pending, key, model[name] == 1 ? 0 : model[name]));
        if (step % (STEPS / 4) == 0) {
            pending_clear(pending);
            memset(model, 0, sizeof(model));
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_last_change_of_a_key_counts),
        TEST(they_are_sorted_octet_by_octet),
        TEST(full_by_their_number),
        TEST(full_by_their_keys),
        TEST(as_a_simple_list_would),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
