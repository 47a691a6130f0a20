/* SPDX-License-Identifier: ISC
 *
 * tickets: keys change when they are as old as their lifetime, whoever looks and however often he was restarted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/housekeeper/tickets.h"

enum { LIFETIME_MS = 6 * 60 * 60 * 1000 };

static struct ticket_keys keys;
static char logged[RECORD_MAX];
static int lines;

static void take_line(enum level level, const char *line)
{
    (void)level;
    lines++;
    strncat(logged, line, sizeof(logged) - strlen(logged) - 1);
}

static int set_up(void **state)
{
    (void)state;
    keys = (struct ticket_keys){0};
    assert_true(ticket_keys_rotate(&keys)); /* the master's */
    lines = 0;
    logged[0] = '\0';
    log_to_function(take_line);
    return 0;
}

static void nothing_happens_before_the_time(void **state)
{
    int64_t made = atomic_load(&keys.rotated_ms);
    (void)state;
    for (int restart = 0; restart < 100; restart++)
        assert_int_equal(tickets_step(&keys, LIFETIME_MS, made + restart), made + LIFETIME_MS);
    assert_int_equal(tickets_step(&keys, LIFETIME_MS, made + LIFETIME_MS - 1), made + LIFETIME_MS);
    assert_int_equal(keys.rotated, 1);
    assert_int_equal(lines, 0);
}

/* As if the last rotation had been so long ago. */
static int64_t let_pass(int64_t ms)
{
    atomic_fetch_sub(&keys.rotated_ms, ms);
    return clock_ms();
}

static void an_old_key_is_replaced_and_opens_on(void **state)
{
    struct ticket_key old, newest, found;
    bool is_newest;
    (void)state;
    assert_true(ticket_keys_newest(&keys, &old));
    int64_t now = let_pass(LIFETIME_MS);
    assert_int_equal(tickets_step(&keys, LIFETIME_MS, now), now + LIFETIME_MS);
    assert_true(ticket_keys_newest(&keys, &newest));
    assert_memory_not_equal(&old, &newest, sizeof(old));
    assert_true(ticket_keys_find(&keys, old.name, &found, &is_newest));
    assert_false(is_newest);
    assert_string_equal(logged, "event=ticket-keys rotated=2");
    tickets_step(&keys, LIFETIME_MS, clock_ms());
    assert_int_equal(keys.rotated, 2);
}

static void three_lifetimes_later_it_is_gone(void **state)
{
    struct ticket_key old, found;
    bool is_newest;
    (void)state;
    assert_true(ticket_keys_newest(&keys, &old));
    for (int i = 0; i < TICKET_KEYS_MAX; i++) {
        assert_true(ticket_keys_find(&keys, old.name, &found, &is_newest));
        tickets_step(&keys, LIFETIME_MS, let_pass(LIFETIME_MS));
    }
    assert_false(ticket_keys_find(&keys, old.name, &found, &is_newest));
    assert_int_equal(lines, TICKET_KEYS_MAX);
}

static void a_long_sleep_is_one_rotation(void **state)
{
    (void)state;
    int64_t now = let_pass(100 * (int64_t)LIFETIME_MS);
    tickets_step(&keys, LIFETIME_MS, now);
    tickets_step(&keys, LIFETIME_MS, now + 1);
    assert_int_equal(keys.rotated, 2);
}

/* Who was killed while he wrote leaves keys that nobody reads; the next one mends them at once. */
static void half_written_keys_are_mended(void **state)
{
    struct ticket_key key;
    (void)state;
    atomic_fetch_or(&keys.sequence, 1u);
    assert_false(ticket_keys_newest(&keys, &key));
    tickets_step(&keys, LIFETIME_MS, clock_ms());
    assert_true(ticket_keys_newest(&keys, &key));
    tickets_step(&keys, LIFETIME_MS, clock_ms());
    assert_int_equal(keys.rotated, 2);
}

static void a_time_to_come_is_damage(void **state)
{
    (void)state;
    atomic_store(&keys.rotated_ms, INT64_MAX - 2 * (int64_t)LIFETIME_MS);
    tickets_step(&keys, LIFETIME_MS, clock_ms());
    assert_int_equal(keys.rotated, 2);
    assert_true(atomic_load(&keys.rotated_ms) <= clock_ms());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_happens_before_the_time, set_up),
        cmocka_unit_test_setup(an_old_key_is_replaced_and_opens_on, set_up),
        cmocka_unit_test_setup(three_lifetimes_later_it_is_gone, set_up),
        cmocka_unit_test_setup(a_long_sleep_is_one_rotation, set_up),
        cmocka_unit_test_setup(half_written_keys_are_mended, set_up),
        cmocka_unit_test_setup(a_time_to_come_is_damage, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
