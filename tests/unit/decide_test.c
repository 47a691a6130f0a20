/* SPDX-License-Identifier: ISC
 *
 * decide: what the talks cannot see well: a refusal that waits keeps its words whatever becomes of theirs, the bypass
 * ends it, rates only fall. The one check here says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "workers/decide.h"

static struct verdict says;

static struct verdict judge(struct check_call *call)
{
    (void)call;
    return says;
}

static const struct check check_play = {.name = "play",
                                        .judge = {[STAGE_CONNECT] = judge,
                                                  [STAGE_HELO] = judge,
                                                  [STAGE_AUTH] = judge,
                                                  [STAGE_MAIL] = judge,
                                                  [STAGE_RCPT] = judge,
                                                  [STAGE_MESSAGE] = judge}};
const struct check *const check_table[] = {&check_play, NULL};

static struct check_options enforced = {MODE_ENFORCE};
static const char *const exempt[] = {"postmaster"};
static struct policy policy;
static struct session_options options = {.policy = &policy};
static struct scoreboard board;
static struct session_setup setup = {.board = &board};
static struct session s;
static struct slot slot;
static struct reply reply;
static const struct path anybody = {.local = SLICE("a"), .domain = SLICE("mx.test")};
static const struct path postmaster = {.local = SLICE("Postmaster"), .domain = SLICE("mx.test")};

static void no_line(enum level level, const char *line)
{
    (void)level, (void)line;
}

static int set_up(void **state)
{
    (void)state;
    log_to_function(no_line);
    memset(&s, 0, sizeof(s));
    says = VERDICT_NONE;
    policy = (struct policy){.mode = MODE_ENFORCE, .decide = {.exempt = {exempt, 1}}, .check_options = {&enforced}};
    slot = (struct slot){0};
    board.own = &slot;
    board.orders = calloc(1, orders_bytes(1));
    s.setup = &setup;
    s.options = &options;
    return board.orders != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    free(board.orders);
    return 0;
}

static void refuse(enum action action, const char *text, const char *reason)
{
    says = (struct verdict){.action = action, .reply = {550, "5.7.9", slice_of(text)}, .reason = reason};
}

static bool asks(enum stage stage, const struct path *recipient)
{
    return decide_stage(&s, stage, recipient, &reply);
}

static void words_are_kept_and_cut(void **state)
{
    char text[WAITING_TEXT_MAX + 100], reason[NOTE_TEXT_MAX + 100];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    memset(reason, 'y', sizeof(reason) - 1);
    text[sizeof(text) - 1] = reason[sizeof(reason) - 1] = '\0';
    refuse(ACTION_REJECT, text, reason);
    assert_true(asks(STAGE_CONNECT, NULL));
    memset(text, '#', sizeof(text) - 1);
    memset(reason, '#', sizeof(reason) - 1);
    says = VERDICT_NONE;
    assert_false(asks(STAGE_RCPT, &anybody));
    assert_int_equal(reply.code, 550);
    assert_int_equal(reply.text.size, WAITING_TEXT_MAX);
    assert_int_equal(reply.text.at[0], 'x');
    assert_int_equal(reply.text.at[WAITING_TEXT_MAX - 1], 'x');
    assert_int_equal(strlen(s.transaction.reason), NOTE_TEXT_MAX - 1);
    assert_int_equal(s.transaction.reason[0], 'y');
}

static void a_milder_one_changes_nothing(void **state)
{
    (void)state;
    refuse(ACTION_REJECT, "hard", "hard");
    assert_true(asks(STAGE_CONNECT, NULL));
    refuse(ACTION_DEFER, "soft", "soft");
    assert_true(asks(STAGE_HELO, NULL));
    assert_true(asks(STAGE_MAIL, NULL));
    says = VERDICT_NONE;
    assert_false(asks(STAGE_RCPT, &anybody));
    assert_true(slice_equal(reply.text, slice_of("hard")));
}

static void the_bypass_ends_it_at_once(void **state)
{
    (void)state;
    refuse(ACTION_REJECT, "no", "no");
    assert_true(asks(STAGE_MAIL, NULL));
    says = VERDICT_NONE;
    assert_true(decide_refuses_all(&s));
    orders_set_bypass(board.orders, true);
    assert_false(decide_refuses_all(&s));
    assert_true(asks(STAGE_RCPT, &anybody));
    orders_set_bypass(board.orders, false);
    assert_false(asks(STAGE_RCPT, &anybody));
}

static void an_allow_ends_it(void **state)
{
    (void)state;
    refuse(ACTION_REJECT, "no", "no");
    assert_true(asks(STAGE_CONNECT, NULL));
    says = (struct verdict){.allow = true};
    assert_true(asks(STAGE_RCPT, &anybody));
    says = VERDICT_NONE;
    assert_false(asks(STAGE_RCPT, &anybody));
    assert_true(asks(STAGE_RCPT, &postmaster));
    s.allowed = true;
    assert_true(asks(STAGE_RCPT, &anybody));
}

static void at_auth_checks_refuse_and_points_do_not(void **state)
{
    (void)state;
    policy.decide.reject_at = 1;
    s.score = 100;
    assert_true(asks(STAGE_AUTH, NULL));
    refuse(ACTION_DEFER, "not you", "not you");
    assert_false(asks(STAGE_AUTH, NULL));
    assert_int_equal(reply.code, 550);
}

static void rates_only_fall(void **state)
{
    (void)state;
    says.rate_bytes = 1000;
    assert_true(asks(STAGE_CONNECT, NULL));
    assert_int_equal(s.rate_bytes, 1000);
    says.rate_bytes = 2000;
    assert_true(asks(STAGE_HELO, NULL));
    assert_int_equal(s.rate_bytes, 1000);
    says.rate_bytes = 0;
    assert_true(asks(STAGE_MAIL, NULL));
    assert_int_equal(s.rate_bytes, 1000);
    says.rate_bytes = 500;
    decide_message(&s, STAGE_MESSAGE);
    assert_int_equal(s.rate_bytes, 500);
}

static void the_slot_shows_the_score(void **state)
{
    (void)state;
    says.score = 3;
    assert_true(asks(STAGE_CONNECT, NULL));
    assert_true(asks(STAGE_HELO, NULL));
    assert_int_equal(slot.facts.score, 6);
}

static void a_message_is_judged_by_points_unless_all_are_exempt(void **state)
{
    (void)state;
    policy.decide.reject_at = 5;
    s.score = 5;
    s.transaction.accepted_recipients = 2;
    s.transaction.exempt_recipients = 1;
    struct verdict verdict = decide_message(&s, STAGE_MESSAGE);
    assert_int_equal(verdict.action, ACTION_REJECT);
    assert_string_equal(verdict.reason, "score 5");
    s.transaction.exempt_recipients = 2;
    verdict = decide_message(&s, STAGE_MESSAGE);
    assert_int_equal(verdict.action, ACTION_NONE);
}

#define IT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(words_are_kept_and_cut),
        IT(a_milder_one_changes_nothing),
        IT(the_bypass_ends_it_at_once),
        IT(an_allow_ends_it),
        IT(at_auth_checks_refuse_and_points_do_not),
        IT(rates_only_fall),
        IT(the_slot_shows_the_score),
        IT(a_message_is_judged_by_points_unless_all_are_exempt),
    };
    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
