/* SPDX-License-Identifier: ISC
 *
 * orders: what is ordered reaches whom it names, and nobody else; a reader is never led on by an order that changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/orders.h"

enum { SLOTS = 4, NOW = 1000000, LATER = 2000000 };

static int set_up(void **state)
{
    *state = calloc(1, orders_bytes(SLOTS));
    return *state != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static struct network network_from(const char *text)
{
    struct network network;
    assert_true(network_parse(slice_of(text), &network));
    return network;
}

static bool add(struct orders *orders, const char *text, int64_t until_ms)
{
    struct network network = network_from(text);
    return orders_add_trace(orders, &network, until_ms);
}

static bool traced(const struct orders *orders, const char *text, int64_t now_ms)
{
    struct ipaddr client;
    assert_true(ipaddr_parse(slice_of(text), &client));
    return orders_trace_wanted(orders, &client, now_ms);
}

static void nothing_is_ordered_at_first(void **state)
{
    struct orders *orders = *state;
    struct orders_trace traces[ORDERS_TRACES_MAX];
    assert_int_equal(orders_log_level(orders, LEVEL_NOTICE), LEVEL_NOTICE);
    assert_int_equal(orders_log_level(NULL, LEVEL_NOTICE), LEVEL_NOTICE);
    assert_false(traced(orders, "192.0.2.1", NOW));
    assert_false(traced(NULL, "192.0.2.1", NOW));
    assert_int_equal(orders_list_traces(orders, traces, NOW), 0);
    assert_false(orders_want_killed(orders, 0, 1));
    assert_false(orders_want_killed(NULL, 0, 1));
}

static void a_level_holds_until_it_is_taken_back(void **state)
{
    struct orders *orders = *state;
    for (enum level level = LEVEL_ERROR; level <= LEVEL_DEBUG; level++) {
        orders_set_log_level(orders, false, level);
        assert_int_equal(orders_log_level(orders, LEVEL_INFO), level);
    }
    orders_set_log_level(orders, true, LEVEL_DEBUG);
    assert_int_equal(orders_log_level(orders, LEVEL_INFO), LEVEL_INFO);
    atomic_store(&orders->log_level, 77); /* no level */
    assert_int_equal(orders_log_level(orders, LEVEL_INFO), LEVEL_INFO);
}

static void the_log_follows_the_ordered_level(void **state)
{
    struct orders *orders = *state;
    log_set_level(LEVEL_NOTICE);
    log_follow(&orders->log_level);
    assert_false(log_wants(LEVEL_INFO));
    orders_set_log_level(orders, false, LEVEL_DEBUG);
    assert_true(log_wants(LEVEL_DEBUG));
    orders_set_log_level(orders, false, LEVEL_ERROR);
    assert_false(log_wants(LEVEL_WARNING));
    orders_set_log_level(orders, true, LEVEL_ERROR);
    assert_true(log_wants(LEVEL_NOTICE));
    atomic_store(&orders->log_level, 77);
    assert_false(log_wants(LEVEL_INFO));
    log_follow(NULL);
}

static void a_trace_is_for_its_network_and_its_time(void **state)
{
    struct orders *orders = *state;
    assert_true(add(orders, "192.0.2.0/24", LATER));
    assert_true(add(orders, "2001:db8::7", LATER));
    assert_true(traced(orders, "192.0.2.1", NOW));
    assert_true(traced(orders, "::ffff:192.0.2.1", NOW));
    assert_true(traced(orders, "2001:db8::7", NOW));
    assert_false(traced(orders, "192.0.3.1", NOW));
    assert_false(traced(orders, "2001:db8::8", NOW));
    assert_false(traced(orders, "192.0.2.1", LATER));
    struct ipaddr nobody = {0};
    assert_false(orders_trace_wanted(orders, &nobody, NOW));
}

static void the_same_network_twice_is_one_trace(void **state)
{
    struct orders *orders = *state;
    struct orders_trace traces[ORDERS_TRACES_MAX];
    for (int i = 0; i < 3 * ORDERS_TRACES_MAX; i++)
        assert_true(add(orders, "192.0.2.0/24", LATER + i));
    assert_int_equal(orders_list_traces(orders, traces, NOW), 1);
    assert_int_equal(traces[0].until_ms, LATER + 3 * ORDERS_TRACES_MAX - 1);
}

static void there_is_an_end_to_traces(void **state)
{
    struct orders *orders = *state;
    char text[32];
    for (int i = 0; i < ORDERS_TRACES_MAX; i++) {
        snprintf(text, sizeof(text), "192.0.2.%d", i);
        assert_true(add(orders, text, LATER));
    }
    assert_false(add(orders, "198.51.100.1", LATER));
    struct network one = network_from("192.0.2.3");
    assert_int_equal(orders_drop_traces(orders, &one), 1);
    assert_int_equal(orders_drop_traces(orders, &one), 0);
    assert_false(traced(orders, "192.0.2.3", NOW));
    assert_true(add(orders, "198.51.100.1", LATER));
    assert_int_equal(orders_drop_traces(orders, NULL), ORDERS_TRACES_MAX);
    assert_false(traced(orders, "198.51.100.1", NOW));
}

static void a_reader_of_traces_that_change_sees_none(void **state)
{
    struct orders *orders = *state;
    assert_true(add(orders, "192.0.2.0/24", LATER));
    atomic_fetch_or(&orders->sequence, 1u); /* the master died in the middle */
    assert_false(traced(orders, "192.0.2.1", NOW));
    assert_true(add(orders, "192.0.2.0/24", LATER)); /* the next change mends it */
    assert_true(traced(orders, "192.0.2.1", NOW));
}

static void a_kill_names_slot_and_session(void **state)
{
    struct orders *orders = *state;
    orders_kill(orders, 2, 4711);
    assert_true(orders_want_killed(orders, 2, 4711));
    assert_false(orders_want_killed(orders, 2, 4712));
    assert_false(orders_want_killed(orders, 1, 4711));
    orders_kill(orders, 2, 5000);
    assert_false(orders_want_killed(orders, 2, 4711));
    orders_kill(orders, 2, 0);
    assert_false(orders_want_killed(orders, 2, 0)); /* no session is number 0 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nothing_is_ordered_at_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_level_holds_until_it_is_taken_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_follows_the_ordered_level, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_trace_is_for_its_network_and_its_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_network_twice_is_one_trace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_is_an_end_to_traces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reader_of_traces_that_change_sees_none, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_kill_names_slot_and_session, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
