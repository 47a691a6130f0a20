/* SPDX-License-Identifier: ISC
 *
 * crowd: how long unknown clients wait when more of them come than usual. What a full house does talks show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/lib/fake_clock.h"
#include "workers/session.h"

extern const struct check check_crowd;

enum { SLOTS = 100, ENTRIES = 1024, RATE = 10, DELAY_MS = 4000, BAD_DELAY_MS = 9000 };

/* As the check's own options lie, which configuration fills. */
static struct {
    struct check_options common;
    int64_t from, unknown_rate, delay_ms, bad_delay_ms;
} crowd;
static struct scoreboard board;
static struct service service = {.listener = "mx"}, other_service = {.listener = "other"};
static struct session_options options;
static struct session_setup setup;
static struct session s;

static int set_up(void **state)
{
    const struct scoreboard_size size = {SLOTS, ENTRIES, ENTRIES};
    (void)state;
    if (!scoreboard_create(&board, &size))
        return -1;
    orders_set_slots_end(board.orders, SLOTS);
    if (!scoreboard_enter(&board, 0))
        return -1;
    crowd.common.mode = MODE_ENFORCE;
    crowd.from = 50;
    crowd.unknown_rate = RATE;
    crowd.delay_ms = DELAY_MS;
    crowd.bad_delay_ms = BAD_DELAY_MS;
    options.tarpit_share = 50;
    setup = (struct session_setup){.service = &service, .board = &board, .pool_size = SLOTS};
    s = (struct session){.setup = &setup, .service = &service, .options = &options, .standing = STANDING_UNKNOWN};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scoreboard_destroy(&board);
    return 0;
}

static struct verdict judge(enum stage stage)
{
    struct check_call call = {.check = &check_crowd, .options = &crowd, .session = &s};
    return check_crowd.judge[stage](&call);
}

static void pass_ms(int ms)
{
    fake_clock_move_to(clock_ms() + ms);
}

static void come(int count)
{
    for (int i = 0; i < count; i++)
        judge(STAGE_CONNECT);
}

static void some_unknown_clients_are_no_crowd(void **state)
{
    (void)state;
    for (int second = 0; second < 60; second++) {
        come(RATE);
        assert_int_equal(judge(STAGE_HELO).delay_ms, 0);
        pass_ms(1000);
    }
}

static void a_burst_of_ten_seconds_worth_is_none(void **state)
{
    (void)state;
    come(10 * RATE - 1);
    assert_int_equal(judge(STAGE_MAIL).action, ACTION_NONE);
}

static void beyond_that_all_wait_the_longer_the_more_they_are(void **state)
{
    (void)state;
    come(15 * RATE);
    struct verdict verdict = judge(STAGE_HELO);
    assert_int_equal(verdict.action, ACTION_DELAY);
    assert_in_range(verdict.delay_ms, DELAY_MS / 2 - 100, DELAY_MS / 2 + 100);
    come(100 * RATE);
    assert_in_range(judge(STAGE_MAIL).delay_ms, DELAY_MS - 100, DELAY_MS);
    assert_in_range(judge(STAGE_RCPT).delay_ms, DELAY_MS - 100, DELAY_MS);
}

static void it_is_over_after_twenty_seconds(void **state)
{
    (void)state;
    come(1000 * RATE);
    pass_ms(5000);
    assert_in_range(judge(STAGE_HELO).delay_ms, 1, DELAY_MS - 1);
    pass_ms(15000);
    assert_int_equal(judge(STAGE_HELO).delay_ms, 0);
}

static void who_speaks_again_is_not_counted_again(void **state)
{
    (void)state;
    for (int i = 0; i < 100 * RATE; i++)
        judge(STAGE_HELO);
    assert_int_equal(judge(STAGE_MAIL).delay_ms, 0);
}

static void good_names_are_neither_held_nor_counted(void **state)
{
    (void)state;
    s.standing = STANDING_GOOD;
    come(100 * RATE);
    s.standing = STANDING_UNKNOWN;
    assert_int_equal(judge(STAGE_HELO).delay_ms, 0);
    come(100 * RATE);
    s.standing = STANDING_GOOD;
    assert_int_equal(judge(STAGE_CONNECT).action, ACTION_NONE);
}

static void bad_names_wait_in_any_case_and_count(void **state)
{
    (void)state;
    s.standing = STANDING_BAD;
    assert_int_equal(judge(STAGE_CONNECT).delay_ms, BAD_DELAY_MS);
    come(100 * RATE);
    s.standing = STANDING_UNKNOWN;
    assert_in_range(judge(STAGE_HELO).delay_ms, DELAY_MS - 100, DELAY_MS);
}

static void each_listener_has_its_own_crowd(void **state)
{
    (void)state;
    come(100 * RATE);
    s.service = &other_service;
    assert_int_equal(judge(STAGE_HELO).delay_ms, 0);
}

static void it_can_be_switched_off(void **state)
{
    (void)state;
    crowd.unknown_rate = 0;
    come(1000 * RATE);
    assert_int_equal(judge(STAGE_HELO).delay_ms, 0);
}

static void come_from(uint8_t last, int count)
{
    s.client = (struct endpoint){.kind = ENDPOINT_IP, .address = {4, {192, 0, 2, last}}};
    come(count);
}

/* The second after the first; a third one makes it more than unknown_rate. */
static void no_network_is_a_crowd(void **state)
{
    (void)state;
    service.scoreboard = &(struct scoreboard_options){ENTRIES, ENTRIES, 32, 64};
    for (int second = 0; second < 60; second++) {
        come_from(1, 100 * RATE);
        come_from(2, 100 * RATE);
        assert_int_equal(judge(STAGE_HELO).delay_ms, 0);
        pass_ms(1000);
    }
    for (int second = 0; second < 60; second++) {
        for (uint8_t i = 1; i <= 3; i++)
            come_from(i, 100 * RATE);
        pass_ms(1000);
    }
    assert_in_range(judge(STAGE_HELO).delay_ms, DELAY_MS - 1000, DELAY_MS);
    service.scoreboard = NULL;
}

static void hold(int count)
{
    for (int slot = 1; slot < SLOTS; slot++)
        scoreboard_set_tag(&board, slot, slot <= count ? TAG_BUSY | TAG_HELD : TAG_IDLE);
}

/* Of 100 workers 50 may hold somebody: 45 of them an unknown client, 25 one with a bad name. */
static void who_finds_no_room_to_wait_is_put_off(void **state)
{
    (void)state;
    come(20 * RATE);
    hold(44);
    assert_int_equal(judge(STAGE_CONNECT).action, ACTION_DELAY);
    hold(45);
    struct verdict verdict = judge(STAGE_CONNECT);
    assert_int_equal(verdict.action, ACTION_DROP);
    assert_int_equal(verdict.reply.code, 421);
    assert_string_equal(verdict.reply.enhanced, "4.3.2");
    assert_int_equal(judge(STAGE_HELO).action, ACTION_DELAY); /* who is in is in */
    s.standing = STANDING_BAD;
    hold(24);
    assert_int_equal(judge(STAGE_CONNECT).action, ACTION_DELAY);
    hold(25);
    assert_int_equal(judge(STAGE_CONNECT).action, ACTION_DROP);
}

/* Of three workers one may hold somebody. Half of that is not nobody: a bad name would hear 421 as long as it lasts. */
static void in_a_small_house_there_is_room_for_one(void **state)
{
    (void)state;
    s.standing = STANDING_BAD;
    setup.pool_size = 3;
    assert_int_equal(judge(STAGE_CONNECT).action, ACTION_DELAY);
    hold(1);
    assert_int_equal(judge(STAGE_CONNECT).action, ACTION_DROP);
}

static void where_nobody_may_be_held_nobody_is_put_off(void **state)
{
    (void)state;
    options.tarpit_share = 0;
    come(20 * RATE);
    s.standing = STANDING_BAD;
    assert_int_equal(judge(STAGE_CONNECT).action, ACTION_NONE);
    assert_int_equal(judge(STAGE_HELO).action, ACTION_NONE);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(some_unknown_clients_are_no_crowd),
        TEST(a_burst_of_ten_seconds_worth_is_none),
        TEST(beyond_that_all_wait_the_longer_the_more_they_are),
        TEST(it_is_over_after_twenty_seconds),
        TEST(who_speaks_again_is_not_counted_again),
        TEST(good_names_are_neither_held_nor_counted),
        TEST(bad_names_wait_in_any_case_and_count),
        TEST(each_listener_has_its_own_crowd),
        TEST(it_can_be_switched_off),
        TEST(no_network_is_a_crowd),
        TEST(who_finds_no_room_to_wait_is_put_off),
        TEST(where_nobody_may_be_held_nobody_is_put_off),
        TEST(in_a_small_house_there_is_room_for_one),
    };
    return cmocka_run_group_tests_name("crowd", tests, NULL, NULL);
}
