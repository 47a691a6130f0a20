/* SPDX-License-Identifier: ISC
 *
 * The check spf: what follows from each result, and for whom nothing does. How SPF is evaluated: spf_test. */
#include "tests/unit/check_rig.h"

static struct verdict judge(const char *policy, const char *client, const char *record)
{
    char line[128];
    rig_begin("spf", policy, client);
    snprintf(line, sizeof(line), "a.test TXT %s", record);
    if (record[0] != '\0')
        rig_dns(line);
    rig_helo("h.test");
    struct slice sender = slice_of("<ann@a.test>");
    assert_int_equal(path_parse(&sender, true, &rig.s->transaction.sender), PATH_FINE);
    lookups_begin_transaction(&rig.s->lookups);
    return rig_judge(STAGE_MAIL);
}

static void each_result_has_its_option(void **unused)
{
    static const struct row {
        const char *record, *policy;
        enum action action;
        int code;
        const char *enhanced;
        int score;
    } rows[] = {
        {"v=spf1 -all", "spf { }", ACTION_NONE, 0, "", 4},
        {"v=spf1 -all", "spf { fail = reject }", ACTION_REJECT, 550, "5.7.23", 0},
        {"v=spf1 -all", "spf { fail = defer }", ACTION_DEFER, 451, "4.7.23", 0},
        {"v=spf1 -all", "spf { fail = accept }", ACTION_NONE, 0, "", 0},
        {"v=spf1 ~all", "spf { fail = reject softfail_score = 7 }", ACTION_NONE, 0, "", 7},
        {"v=spf1 ?all", "spf { neutral = reject }", ACTION_REJECT, 550, "5.7.23", 0},
        {"", "spf { none = defer }", ACTION_DEFER, 451, "4.7.23", 0},
        {"v=spf1 nonsense", "spf { permerror = reject }", ACTION_REJECT, 550, "5.7.24", 0},
        {"fails", "spf { temperror = defer }", ACTION_DEFER, 451, "4.7.24", 0},
        {"fails", "spf { temperror = score }", ACTION_NONE, 0, "", 1},
        {"v=spf1 +all", "spf { fail = reject none = reject }", ACTION_NONE, 0, "", 0},
    };
    (void)unused;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct verdict verdict = judge(rows[i].policy, "192.0.2.7:1", rows[i].record);
        if (verdict.action != rows[i].action || verdict.score != rows[i].score || verdict.unsure ||
            verdict.reply.code != rows[i].code || strcmp(verdict.reply.enhanced, rows[i].enhanced) != 0)
            fail_msg("%s with %s: %s, %d %s, %d points", rows[i].record, rows[i].policy, action_name(verdict.action),
                     verdict.reply.code, verdict.reply.enhanced, verdict.score);
    }
    rig_end();
}

static void no_answer_is_unsure_where_nothing_else_is_said(void **unused)
{
    (void)unused;
    struct verdict verdict = judge("spf { }", "192.0.2.7:1", "fails");
    assert_true(verdict.unsure);
    assert_int_equal(verdict.action, ACTION_NONE);
    assert_int_equal(verdict.score, 0);
    rig_end();
}

static void nothing_follows_for_who_is_excepted_or_forwards(void **unused)
{
    (void)unused;
    assert_int_equal(judge("spf { fail = reject except = 192.0.2.0/24 }", "192.0.2.7:1", "v=spf1 -all").action,
                     ACTION_NONE);
    assert_int_equal(rig.s->results.count, 0);
    assert_int_equal(judge("spf { fail = reject forwarders = 192.0.2.0/24 }", "192.0.2.7:1", "v=spf1 -all").action,
                     ACTION_NONE);
    assert_true(rig.s->results.count > 0);
    rig_end();
}

static void options_that_could_not_be(void **unused)
{
    (void)unused;
    expect_error(root_block(), rig_file("spf { reply = \"\" }"),
                 "c:4: policy p: spf: reply: has 0 characters; allowed: 1 to 200");
    expect_error(root_block(), rig_file("spf { error_reply = \"\" }"),
                 "c:4: policy p: spf: error_reply: has 0 characters; allowed: 1 to 200");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(each_result_has_its_option),
        config_test_case(no_answer_is_unsure_where_nothing_else_is_said),
        config_test_case(nothing_follows_for_who_is_excepted_or_forwards),
        config_test_case(options_that_could_not_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
