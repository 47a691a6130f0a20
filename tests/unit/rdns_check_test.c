/* SPDX-License-Identifier: ISC
 *
 * The check of the client's name: what follows from each thing that DNS can say of it, and the result it leaves.
 */
#include "tests/unit/check_rig.h"

static struct verdict judge(const char *policy, const char *client, const char *const *lines)
{
    rig_begin("rdns", policy, client);
    for (; *lines != NULL; lines++)
        rig_dns(*lines);
    rig_ask(STAGE_CONNECT);
    return rig_judge(STAGE_GREETING);
}

static void expect_result(const char *result)
{
    assert_int_equal(rig.s->results.count, result != NULL);
    if (result != NULL && !slice_equal(result_at(&rig.s->results, 0), slice_of(result)))
        fail_msg("%.*s", SLICE_ARGS(result_at(&rig.s->results, 0)));
}

static void a_confirmed_name_costs_nothing(void **unused)
{
    const char *const lines[] = {"7.2.0.192.in-addr.arpa PTR a.test", "a.test A 192.0.2.7", NULL};
    (void)unused;
    struct verdict verdict = judge("rdns { none = drop unconfirmed = drop }", "192.0.2.7:1", lines);
    assert_int_equal(verdict.action, ACTION_NONE);
    assert_int_equal(verdict.score, 0);
    assert_string_equal(rig_note(), "a.test");
    expect_result("iprev=pass policy.iprev=192.0.2.7");
    rig_end();
}

static void no_name(void **unused)
{
    const char *const lines[] = {NULL};
    (void)unused;
    struct verdict verdict = judge("rdns { }", "[2001:db8::7]:1", lines);
    assert_int_equal(verdict.action, ACTION_NONE);
    assert_int_equal(verdict.score, 4);
    expect_result("iprev=permerror policy.iprev=\"2001:db8::7\"");
    verdict = judge("rdns { none = reject }", "192.0.2.7:1", lines);
    assert_int_equal(verdict.action, ACTION_REJECT);
    assert_int_equal(verdict.score, 0);
    assert_string_equal(verdict.reason, "no reverse DNS");
    rig_end();
}

static void an_unconfirmed_name(void **unused)
{
    const char *const lines[] = {"7.2.0.192.in-addr.arpa PTR a.test", "a.test A 192.0.2.8", NULL};
    (void)unused;
    struct verdict verdict = judge("rdns { }", "192.0.2.7:1", lines);
    assert_int_equal(verdict.score, 2);
    expect_result("iprev=fail policy.iprev=192.0.2.7");
    verdict = judge("rdns { unconfirmed = defer }", "192.0.2.7:1", lines);
    assert_int_equal(verdict.reply.code, 450);
    assert_string_equal(verdict.reply.enhanced, "4.7.25");
    rig_end();
}

static void no_answer(void **unused)
{
    const char *const lines[] = {"7.2.0.192.in-addr.arpa PTR silent", NULL};
    (void)unused;
    struct verdict verdict = judge("rdns { none = reject unconfirmed = reject }", "192.0.2.7:1", lines);
    assert_true(verdict.unsure);
    assert_int_equal(verdict.action, ACTION_NONE);
    expect_result("iprev=temperror policy.iprev=192.0.2.7");
    rig_end();
}

static void a_generic_name(void **unused)
{
    const char *const lines[] = {"7.2.0.192.in-addr.arpa PTR p7.2.0.192.test", "p7.2.0.192.test A 192.0.2.7", NULL};
    (void)unused;
    assert_int_equal(judge("rdns { }", "192.0.2.7:1", lines).score, 0);
    assert_int_equal(judge("rdns { generic_score = 3 }", "192.0.2.7:1", lines).score, 3);
    expect_result("iprev=pass policy.iprev=192.0.2.7");
    rig_end();
}

static void who_is_excepted_has_a_result_all_the_same(void **unused)
{
    const char *const lines[] = {NULL};
    (void)unused;
    struct verdict verdict = judge("rdns { none = reject except = 192.0.2.0/24 }", "192.0.2.7:1", lines);
    assert_int_equal(verdict.action, ACTION_NONE);
    expect_result("iprev=permerror policy.iprev=192.0.2.7");
    rig_end();
}

static void who_has_no_address_has_no_name(void **unused)
{
    const char *const lines[] = {NULL};
    (void)unused;
    struct verdict verdict = judge("rdns { none = reject }", "unix:/run/x", lines);
    assert_int_equal(verdict.action, ACTION_NONE);
    assert_int_equal(fake_dns_asked(), 0);
    expect_result(NULL);
    rig_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(a_confirmed_name_costs_nothing),
        config_test_case(no_name),
        config_test_case(an_unconfirmed_name),
        config_test_case(no_answer),
        config_test_case(a_generic_name),
        config_test_case(who_is_excepted_has_a_result_all_the_same),
        config_test_case(who_has_no_address_has_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
