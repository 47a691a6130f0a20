/* SPDX-License-Identifier: ISC
 *
 * standing: what a session teaches of its client's network, and what it does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "workers/session.h"
#include "workers/standing.h"

enum { ENTRIES = 1024, ONE = REPUTATION_ONE };

static struct scoreboard board;
static struct scoreboard_options options = {ENTRIES, ENTRIES, 32, 64};
static struct service service = {.scoreboard = &options};
static struct session_setup setup = {.service = &service, .board = &board};
static struct session s;

static struct endpoint endpoint(uint8_t last)
{
    return (struct endpoint){.kind = ENDPOINT_IP, .address = {4, {192, 0, 2, last}}};
}

static int set_up(void **state)
{
    const struct scoreboard_size size = {1, ENTRIES, ENTRIES};
    (void)state;
    options.ipv4_prefix = 32;
    if (!scoreboard_create(&board, &size) || !scoreboard_enter(&board, 0))
        return -1;
    memset(&s, 0, sizeof(s));
    s.setup = &setup;
    s.service = &service;
    s.client = endpoint(7);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scoreboard_destroy(&board);
    return 0;
}

static struct reputation known(uint8_t last)
{
    struct endpoint client = endpoint(last);
    struct network network = scoreboard_network(&options, &client.address);
    return reputation_find(&board.reputations, scoreboard_reputation_of(&board, &network), clock_wall());
}

static void expect(uint32_t good, uint32_t bad)
{
    standing_learn(&s);
    struct reputation now = known(7);
    assert_int_equal(now.good, good);
    assert_int_equal(now.bad, bad);
}

static void mail_makes_a_good_name(void **state)
{
    (void)state;
    standing_look(&s);
    assert_int_equal(s.standing, STANDING_UNKNOWN);
    s.deeds.delivered = 1;
    expect(ONE, 0);
    expect(2 * ONE, 0);
    standing_look(&s);
    assert_int_equal(s.standing, STANDING_GOOD);
    s.client = endpoint(8);
    standing_look(&s);
    assert_int_equal(s.standing, STANDING_UNKNOWN);
}

static void who_waited_for_it_has_one_with_the_first(void **state)
{
    (void)state;
    s.held_ms = 2000;
    expect(0, 0);
    s.deeds.delivered = 1;
    expect(2 * ONE, 0);
    standing_look(&s);
    assert_int_equal(s.standing, STANDING_GOOD);
    s.client = endpoint(8);
    s.held_ms = 1999;
    standing_learn(&s);
    assert_int_equal(known(8).good, ONE);
}

static void a_session_counts_for_four_at_most(void **state)
{
    (void)state;
    s.deeds.delivered = 1000;
    expect(4 * ONE, 0);
}

static void each_deed_has_its_weight(void **state)
{
    (void)state;
    s.deeds = (struct deeds){.refused_messages = 2};
    expect(0, 2 * ONE);
    s.deeds = (struct deeds){.refused_recipients = 5, .accepted_recipients = 1};
    expect(0, 3 * ONE);
    s.deeds = (struct deeds){.errors_before = 3};
    s.errors = 5;
    expect(0, 4 * ONE);
    s.errors = 0;
    s.deeds = (struct deeds){.left_message = true, .wore_out = true, .spoke_early = true};
    expect(0, 9 * ONE);
    s.deeds = (struct deeds){.left_held = true};
    expect(0, 11 * ONE);
    s.deeds = (struct deeds){.sat_idle = true};
    expect(0, 12 * ONE);
    s.deeds = (struct deeds){.sat_idle = true, .delivered = 1};
    expect(ONE, 12 * ONE);
    standing_look(&s);
    assert_int_equal(s.standing, STANDING_BAD);
}

static void no_kind_alone_makes_a_bad_name_at_once(void **state)
{
    (void)state;
    const struct deeds kinds[] = {
        {.refused_messages = 1000}, {.refused_recipients = 100000}, {.errors_before = -1000}, {.left_message = true},
        {.wore_out = true},         {.spoke_early = true},          {.left_held = true},      {.sat_idle = true}};
    for (uint8_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        s.client = endpoint(i);
        s.deeds = kinds[i];
        standing_learn(&s);
        assert_true(known(i).bad > 0 && known(i).bad < 4 * ONE);
    }
}

static void a_check_spoils_it_at_once_but_not_for_ever(void **state)
{
    (void)state;
    s.deeds = (struct deeds){.spoilt = 4, .delivered = 1};
    expect(ONE, 4 * ONE);
    standing_look(&s);
    assert_int_equal(s.standing, STANDING_BAD);
    s.client = endpoint(99);
    s.deeds = (struct deeds){.spoilt = 100000};
    standing_learn(&s);
    assert_int_equal(known(99).bad, 16 * ONE);
}

static void dead_addresses_among_good_ones_cost_nothing(void **state)
{
    (void)state;
    s.deeds = (struct deeds){.delivered = 1, .accepted_recipients = 50, .refused_recipients = 50};
    expect(ONE, 0);
}

static void who_was_put_off_may_sit_there(void **state)
{
    (void)state;
    s.deeds = (struct deeds){.sat_idle = true, .put_off = true};
    expect(0, 0);
}

static void a_name_is_earned_within_a_session(void **state)
{
    (void)state;
    s.deeds.delivered = 1;
    assert_false(standing_is_earned(&s));
    s.held_ms = 2000;
    assert_true(standing_is_earned(&s));
    s.errors = 2;
    assert_false(standing_is_earned(&s));
}

static void nothing_is_learnt_where_it_would_be_somebody_elses(void **state)
{
    (void)state;
    s.deeds = (struct deeds){.delivered = 1, .refused_messages = 1};
    s.auth = "PLAIN";
    expect(0, 0);
    s.auth = NULL;
    s.client_untold = true;
    expect(0, 0);
    s.client_untold = false;
    s.client.kind = ENDPOINT_UNIX;
    expect(0, 0);
    standing_look(&s);
    assert_int_equal(s.standing, STANDING_UNKNOWN);
    s.client.kind = ENDPOINT_IP;
    expect(ONE, ONE);
}

static void a_network_has_one_name(void **state)
{
    (void)state;
    options.ipv4_prefix = 24;
    s.deeds.delivered = 4;
    standing_learn(&s);
    struct endpoint other = endpoint(99);
    assert_int_equal(standing_of(&service, &board, &other), STANDING_GOOD);
    assert_int_equal(standing_of(&service, NULL, &other), STANDING_UNKNOWN);
}

#define IT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(mail_makes_a_good_name),
        IT(who_waited_for_it_has_one_with_the_first),
        IT(a_session_counts_for_four_at_most),
        IT(each_deed_has_its_weight),
        IT(no_kind_alone_makes_a_bad_name_at_once),
        IT(a_check_spoils_it_at_once_but_not_for_ever),
        IT(dead_addresses_among_good_ones_cost_nothing),
        IT(who_was_put_off_may_sit_there),
        IT(a_name_is_earned_within_a_session),
        IT(nothing_is_learnt_where_it_would_be_somebody_elses),
        IT(a_network_has_one_name),
    };
    return cmocka_run_group_tests_name("standing", tests, NULL, NULL);
}
