/* SPDX-License-Identifier: ISC
 *
 * check: asking, judging, learning, noting; modes, allow and unsureness are settled in one place. The table here is the
 * test's own, in place of checks/table.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/log.h"
#include "workers/observer.h"
#include "workers/session.h"

static const struct reply REPLY_NO = REPLY(550, "5.7.1", "No");

/* What the two checks of this test are to say, and what they saw. */
static struct {
    struct verdict soft, strict;
    char calls[256];
    char watched[512];
} play;

static void seen(const char *what)
{
    size_t size = strlen(play.calls);
    snprintf(play.calls + size, sizeof(play.calls) - size, "%s ", what);
}

static void ask_soft(struct check_call *call)
{
    (void)call;
    seen("ask-soft");
}

static struct verdict judge_soft(struct check_call *call)
{
    int *count = call->session_memory;
    int *in_transaction = call->transaction_memory;
    note(call, "asked %d times, %d in this transaction", ++*count, ++*in_transaction);
    seen("judge-soft");
    return play.soft;
}

static struct verdict judge_strict(struct check_call *call)
{
    (void)call;
    seen("judge-strict");
    return play.strict;
}

static void learn_strict(struct check_call *call, const struct outcome *outcome)
{
    (void)call;
    seen(outcome->delivered ? "learn-good" : "learn-bad");
}

static const struct check check_soft = {
    .name = "soft",
    .session_bytes = sizeof(int),
    .transaction_bytes = sizeof(int),
    .ask = {[STAGE_RCPT] = ask_soft, [STAGE_MAIL] = ask_soft},
    .judge = {[STAGE_RCPT] = judge_soft, [STAGE_MAIL] = judge_soft},
};
static const struct check check_strict = {
    .name = "strict",
    .binds = BINDS_EVERYONE,
    .judge = {[STAGE_RCPT] = judge_strict},
    .learn = learn_strict,
};
const struct check *const check_table[] = {&check_soft, &check_strict, NULL};

struct rig {
    struct check_options soft, strict;
    struct policy policy;
    struct session_options options;
    struct session session;
};

static struct rig rig;
static const struct session_setup SETUP; /* no scoreboard */

static void keep_line(enum level level, const char *line)
{
    (void)level;
    snprintf(play.watched, sizeof(play.watched), "%s", line);
}

static int set_up(void **state)
{
    (void)state;
    memset(&play, 0, sizeof(play));
    memset(&rig, 0, sizeof(rig));
    rig.soft.mode = rig.strict.mode = MODE_ENFORCE;
    rig.policy.mode = MODE_ENFORCE;
    rig.policy.check_options[0] = &rig.soft;
    rig.policy.check_options[1] = &rig.strict;
    rig.options.policy = &rig.policy;
    rig.session.options = &rig.options;
    rig.session.setup = &SETUP;
    log_to_function(keep_line);
    return 0;
}

static struct verdict no(const char *reason)
{
    return (struct verdict){.action = ACTION_REJECT, .reply = REPLY_NO, .reason = reason};
}

static void all_are_asked_then_judged(void **state)
{
    (void)state;
    play.strict = no("strict says so");
    struct verdict verdict = check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_string_equal(play.calls, "ask-soft judge-soft judge-strict ");
    assert_int_equal(verdict.action, ACTION_REJECT);
    assert_string_equal(verdict.reason, "strict says so");
    play.calls[0] = '\0';
    verdict = check_stage(&rig.session, STAGE_DATA, NULL);
    assert_string_equal(play.calls, "");
    assert_int_equal(verdict.action, ACTION_NONE);
}

static void memory_lives_as_long_as_promised(void **state)
{
    (void)state;
    check_stage(&rig.session, STAGE_RCPT, NULL);
    check_begin_transaction(&rig.session);
    check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_int_equal(rig.session.notes.count, 2);
    assert_string_equal(rig.session.notes.items[1].check, "soft");
    assert_string_equal(rig.session.notes.items[1].text, "asked 2 times, 1 in this transaction");
}

static void what_is_watched_is_told_and_does_not_count(void **state)
{
    (void)state;
    rig.soft.mode = MODE_WATCH;
    play.soft = no("soft says so");
    play.soft.score = 5;
    struct verdict verdict = check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_int_equal(verdict.action, ACTION_NONE);
    assert_int_equal(rig.session.score, 0);
    assert_non_null(strstr(play.watched, "would=reject"));
    assert_non_null(strstr(play.watched, "soft says so"));
}

static void the_policy_caps_all_but_what_holds_for_everyone(void **state)
{
    (void)state;
    rig.policy.mode = MODE_OFF;
    play.soft = no("soft");
    play.strict = no("strict");
    struct verdict verdict = check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_string_equal(play.calls, "judge-strict ");
    assert_string_equal(verdict.reason, "strict");
    rig.strict.mode = MODE_OFF;
    verdict = check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_int_equal(verdict.action, ACTION_NONE);
}

static void allow_ends_policy_but_not_the_law(void **state)
{
    (void)state;
    play.soft = (struct verdict){.allow = true};
    play.strict = no("strict");
    check_stage(&rig.session, STAGE_MAIL, NULL);
    assert_true(rig.session.allowed);
    play.calls[0] = '\0';
    struct verdict verdict = check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_string_equal(play.calls, "judge-strict "); /* nor is anybody asked */
    assert_string_equal(verdict.reason, "strict");
}

static void an_allow_at_rcpt_holds_for_that_recipient(void **state)
{
    (void)state;
    play.soft = (struct verdict){.allow = true};
    check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_false(rig.session.allowed);
}

static void unsure_is_settled_by_configuration(void **state)
{
    (void)state;
    play.soft = (struct verdict){.unsure = true};
    struct verdict verdict = check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_int_equal(verdict.action, ACTION_NONE);
    rig.policy.on_unsure = ON_UNSURE_DEFER;
    verdict = check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_int_equal(verdict.action, ACTION_DEFER);
    assert_int_equal(verdict.reply.code, 451);
}

static void scores_add_up_over_the_session(void **state)
{
    (void)state;
    play.soft.score = 2;
    play.strict.score = -1;
    check_stage(&rig.session, STAGE_MAIL, NULL);
    check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_int_equal(rig.session.score, 3);
}

static void outcomes_are_learnt(void **state)
{
    struct outcome outcome = {.kind = OUTCOME_MESSAGE, .delivered = true};
    (void)state;
    check_learn(&rig.session, &outcome, NULL);
    outcome.delivered = false;
    check_learn(&rig.session, &outcome, NULL);
    assert_string_equal(play.calls, "learn-good learn-bad ");
}

/* -- who observes -- */

static void hear_begin(void *context, const struct check_call *call, enum stage stage)
{
    (void)context;
    seen(stage == STAGE_RCPT || stage == STAGE_MAIL ? "begins" : "begins-elsewhere");
    seen(call->check->name);
}

static void hear_note(void *context, const struct check_call *call, const char *text)
{
    (void)context;
    seen(call->check->name);
    seen(text);
}

static void hear_judged(void *context, const struct judgement *j)
{
    static const char *const modes[] = {"not-asked", "watch", "enforce"};
    char text[160];
    (void)context;
    snprintf(text, sizeof(text), "%s:%s:%s:%s", j->call->check->name, modes[j->mode], action_name(j->said->action),
             action_name(j->settled->action));
    seen(text);
}

static void hear_watched(void *context, const struct check_call *call, enum stage stage, const struct verdict *verdict)
{
    (void)context;
    (void)stage;
    seen(call->check->name);
    seen(action_name(verdict->action));
}

static void hear_decided(void *context, const struct decision *decision)
{
    (void)context;
    (void)decision;
    seen("decided");
}

static const struct observer OBSERVER = {NULL, hear_begin, hear_note, hear_judged, hear_watched, hear_decided};
static const struct session_setup OBSERVED = {.observer = &OBSERVER};
static const struct session_setup LOOKED_AT = {.observer = &OBSERVER, .looks_only = true};

static void who_observes_hears_what_each_said_and_what_counts(void **state)
{
    (void)state;
    rig.session.setup = &OBSERVED;
    play.strict = no("strict");
    play.soft = (struct verdict){.unsure = true};
    rig.policy.on_unsure = ON_UNSURE_DEFER;
    check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_string_equal(play.calls, "begins soft ask-soft begins soft soft asked 1 times, 1 in this transaction "
                                    "judge-soft soft:enforce:none:defer begins strict judge-strict "
                                    "strict:enforce:reject:reject ");
}

static void who_observes_hears_why_a_verdict_does_not_count(void **state)
{
    (void)state;
    rig.session.setup = &OBSERVED;
    rig.soft.mode = MODE_WATCH;
    play.soft = no("soft");
    check_stage(&rig.session, STAGE_MAIL, NULL);
    assert_non_null(strstr(play.calls, "soft:watch:reject:reject"));
    assert_non_null(strstr(play.watched, "would=reject"));
    rig.soft.mode = MODE_ENFORCE;
    rig.session.transaction.exempt = true;
    check_stage(&rig.session, STAGE_RCPT, NULL);
    assert_non_null(strstr(play.calls, "soft:enforce:reject:none"));
    rig.session.allowed = true;
    play.calls[0] = '\0';
    check_stage(&rig.session, STAGE_MAIL, NULL);
    assert_string_equal(play.calls, "soft:not-asked:none:none ");
}

static void notes_beyond_the_last_are_heard_and_not_kept(void **state)
{
    (void)state;
    rig.session.setup = &OBSERVED;
    rig.session.notes.count = NOTES_MAX;
    check_stage(&rig.session, STAGE_MAIL, NULL);
    assert_non_null(strstr(play.calls, "soft asked 1 times"));
    assert_int_equal(rig.session.notes.count, NOTES_MAX);
}

static void who_only_looks_leaves_nothing_in_the_log(void **state)
{
    static const struct verdict wait = {.action = ACTION_DELAY};
    const struct check_call call = {.check = &check_soft, .session = &rig.session};
    (void)state;
    rig.session.setup = &LOOKED_AT;
    rig.soft.mode = MODE_WATCH;
    play.soft = no("soft");
    check_stage(&rig.session, STAGE_MAIL, NULL);
    check_tell_watched(&call, STAGE_MAIL, &wait);
    assert_string_equal(play.watched, "");
    assert_non_null(strstr(play.calls, "soft delay "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_are_asked_then_judged, set_up),
        cmocka_unit_test_setup(memory_lives_as_long_as_promised, set_up),
        cmocka_unit_test_setup(what_is_watched_is_told_and_does_not_count, set_up),
        cmocka_unit_test_setup(the_policy_caps_all_but_what_holds_for_everyone, set_up),
        cmocka_unit_test_setup(allow_ends_policy_but_not_the_law, set_up),
        cmocka_unit_test_setup(an_allow_at_rcpt_holds_for_that_recipient, set_up),
        cmocka_unit_test_setup(unsure_is_settled_by_configuration, set_up),
        cmocka_unit_test_setup(scores_add_up_over_the_session, set_up),
        cmocka_unit_test_setup(outcomes_are_learnt, set_up),
        cmocka_unit_test_setup(who_observes_hears_what_each_said_and_what_counts, set_up),
        cmocka_unit_test_setup(who_observes_hears_why_a_verdict_does_not_count, set_up),
        cmocka_unit_test_setup(notes_beyond_the_last_are_heard_and_not_kept, set_up),
        cmocka_unit_test_setup(who_only_looks_leaves_nothing_in_the_log, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
