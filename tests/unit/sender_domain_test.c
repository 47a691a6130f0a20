/* SPDX-License-Identifier: ISC
 *
 * sender_domain: which domain a transaction's mail is of, and what its messages teach of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "workers/sender_domain.h"
#include "workers/session.h"

enum { ENTRIES = 1024 };

static struct scoreboard board;
static struct scoreboard_options options = {ENTRIES, ENTRIES, 32, 64};
static struct service service = {.scoreboard = &options};
static struct session_setup setup = {.service = &service, .board = &board};
static struct session s;
static const struct reply DELIVERED = REPLY(250, "2.0.0", "Ok"), REFUSED = REPLY(550, "5.7.1", "No"),
                          DEFERRED = REPLY(451, "4.7.1", "Later");

static int set_up(void **state)
{
    const struct scoreboard_size size = {1, ENTRIES, ENTRIES};
    (void)state;
    if (!scoreboard_create(&board, &size) || !scoreboard_enter(&board, 0))
        return -1;
    memset(&s, 0, sizeof(s));
    setup.board = &board;
    s.setup = &setup;
    s.service = &service;
    s.client = (struct endpoint){.kind = ENDPOINT_IP, .address = {4, {192, 0, 2, 7}}};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    scoreboard_destroy(&board);
    return 0;
}

static void begin(const char *sender, enum spf_identity identity, enum spf_result result, const char *why)
{
    struct slice text = slice_of(sender);
    assert_int_equal(path_parse(&text, true, &s.transaction.sender), PATH_FINE);
    s.transaction.spf = (struct spf_trace){.is_known = true, .identity = identity, .answer = {.result = result}};
    snprintf(s.transaction.spf.answer.why, SPF_WHY_MAX, "%s", why);
}

static void pass(const char *sender)
{
    begin(sender, SPF_MAILFROM, SPF_PASS, "mx");
}

static void learn(const struct reply *reply)
{
    struct outcome outcome = {
        .kind = OUTCOME_MESSAGE, .reply = reply, .delivered = reply != NULL && reply_class(reply) == 2};
    sender_domain_learn(&s, &outcome);
}

static void whose_mail_it_is(void **state)
{
    struct slice domain;
    (void)state;
    pass("<ann@Example.org.>");
    assert_true(sender_domain_passed(&s, &domain));
    assert_true(slice_equal(domain, slice_of("Example.org")));
    s.auth = "PLAIN";
    assert_false(sender_domain_passed(&s, &domain));
    s.auth = NULL;
    s.transaction.spf.is_known = false;
    assert_false(sender_domain_passed(&s, &domain));
    begin("<ann@example.org>", SPF_HELO, SPF_PASS, "mx");
    assert_false(sender_domain_passed(&s, &domain));
    begin("<>", SPF_MAILFROM, SPF_PASS, "mx");
    assert_false(sender_domain_passed(&s, &domain));
    begin("<ann@example.org>", SPF_MAILFROM, SPF_PASS, "+all");
    assert_false(sender_domain_passed(&s, &domain));
    begin("<ann@example.org>", SPF_MAILFROM, SPF_PASS, "all");
    assert_false(sender_domain_passed(&s, &domain));
    for (enum spf_result result = SPF_NONE; result < SPF_RESULTS; result++) {
        begin("<ann@example.org>", SPF_MAILFROM, result, "mx");
        assert_int_equal(sender_domain_passed(&s, &domain), result == SPF_PASS);
    }
}

static void two_messages_make_a_good_name(void **state)
{
    (void)state;
    pass("<ann@example.org>");
    assert_int_equal(sender_domain_standing(&s), STANDING_UNKNOWN);
    learn(&DELIVERED);
    assert_int_equal(sender_domain_standing(&s), STANDING_UNKNOWN);
    pass("<bob@EXAMPLE.org.>");
    learn(&DELIVERED);
    assert_int_equal(sender_domain_standing(&s), STANDING_GOOD);
    pass("<ann@example.net>");
    assert_int_equal(sender_domain_standing(&s), STANDING_UNKNOWN);
    begin("<ann@example.org>", SPF_MAILFROM, SPF_SOFTFAIL, "~all");
    assert_int_equal(sender_domain_standing(&s), STANDING_UNKNOWN);
}

static void four_that_were_refused_a_bad_one(void **state)
{
    (void)state;
    pass("<ann@example.org>");
    for (int i = 0; i < 4; i++) {
        assert_int_equal(sender_domain_standing(&s), STANDING_UNKNOWN);
        learn(&REFUSED);
    }
    assert_int_equal(sender_domain_standing(&s), STANDING_BAD);
}

static void expect_nothing_learnt(const struct reply *reply)
{
    for (int i = 0; i < 4; i++)
        learn(reply);
    s.auth = NULL;
    s.transaction.exempt = false;
    assert_int_equal(sender_domain_standing(&s), STANDING_UNKNOWN);
    assert_int_equal(table_used(&board.reputations), 0);
}

static void of_what_nothing_is_learnt(void **state)
{
    (void)state;
    pass("<ann@example.org>");
    expect_nothing_learnt(&DEFERRED);
    expect_nothing_learnt(NULL);
    s.transaction.exempt = true;
    expect_nothing_learnt(&DELIVERED);
    s.auth = "PLAIN";
    expect_nothing_learnt(&DELIVERED);
    begin("<ann@example.org>", SPF_MAILFROM, SPF_NEUTRAL, "");
    expect_nothing_learnt(&REFUSED);
    pass("<ann@example.org>");
    setup.board = NULL;
    learn(&DELIVERED);
    assert_int_equal(sender_domain_standing(&s), STANDING_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(whose_mail_it_is, set_up, tear_down),
        cmocka_unit_test_setup_teardown(two_messages_make_a_good_name, set_up, tear_down),
        cmocka_unit_test_setup_teardown(four_that_were_refused_a_bad_one, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_what_nothing_is_learnt, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
