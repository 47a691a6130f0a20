/* SPDX-License-Identifier: ISC
 *
 * The check of the HELO name: which names are whose, which are none, and what is asked of DNS.
 */
#include "tests/unit/check_rig.h"

static const char reason_own[] = "our own name in HELO", reason_other[] = "another address in HELO",
                  reason_odd[] = "no host name in HELO", reason_unknown[] = "unknown name in HELO";

/* `reason` NULL: nothing is said of it. */
static void expect(const char *name, const char *reason)
{
    rig_helo(name);
    const char *found = rig_judge(STAGE_HELO).reason;
    if ((found == NULL) != (reason == NULL) || (found != NULL && strcmp(found, reason) != 0))
        fail_msg("%s: %s", name, found != NULL ? found : "nothing");
}

static void names_that_are_ours(void **unused)
{
    (void)unused;
    rig_begin("helo", "helo { own_names = { .corp.test, [203.0.113.5] } }", "192.0.2.7:1");
    expect("mx.test", reason_own);
    expect("MX.Test.", reason_own);
    expect("a.corp.test", reason_own);
    expect("[192.0.2.25]", reason_own);
    expect("[203.0.113.5]", reason_own);
    expect("corp.test", reason_unknown);
    rig_end();
}

static void of_our_own_machine_they_are_fine(void **unused)
{
    static const char *const clients[] = {"127.0.0.1:1", "[::1]:1", "192.0.2.25:1", "unix:/run/x"};
    (void)unused;
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        rig_begin("helo", "helo { }", clients[i]);
        expect("mx.test", NULL);
        expect("[192.0.2.25]", NULL);
        expect("[192.0.2.99]", NULL);
        rig_end();
    }
}

static void addresses(void **unused)
{
    (void)unused;
    rig_begin("helo", "helo { }", "[2001:db8::7]:1");
    expect("[IPv6:2001:db8::7]", NULL);
    expect("[ipv6:2001:0DB8:0::7]", NULL);
    expect("[IPv6:2001:db8::8]", reason_other);
    expect("[192.0.2.7]", reason_other);
    expect("[127.0.0.1]", reason_other);
    expect("[2001:db8::7]", reason_odd); /* not as RFC 5321 writes it */
    rig_end();
}

static void what_is_no_host_name(void **unused)
{
    static const char *const names[] = {"localhost", "192.0.2.7", "a_b",  "-a.test", "a.test-", "a..test",
                                        ".test",     "a.",        "(x)!", ".",       "[",       "a b.test"};
    (void)unused;
    rig_begin("helo", "helo { }", "192.0.2.7:1");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        expect(names[i], reason_odd);
    assert_int_equal(fake_dns_asked(), 0);
    rig_end();
}

static void names_that_lead_somewhere(void **unused)
{
    (void)unused;
    rig_begin("helo", "helo { }", "192.0.2.7:1");
    rig_dns("a.test A 192.0.2.1");
    rig_dns("b.test AAAA 2001:db8::1");
    rig_dns("c.test MX 10 a.test");
    rig_dns("d.test TXT x");
    rig_dns("e.test A fails");
    rig_dns("e.test MX 10 a.test");
    expect("a.test", NULL);
    assert_int_equal(fake_dns_asked(), 1); /* that answer was there before the next question */
    assert_string_equal(rig_note(), "a.test has A");
    expect("b.test", NULL);
    expect("c.test", NULL);
    expect("d.test", reason_unknown);
    assert_string_equal(rig_note(), "d.test has no A, AAAA or MX");
    expect("e.test", NULL);
    assert_string_equal(rig_note(), "e.test has MX");
    rig_end();
}

static void no_answer_is_no_verdict(void **unused)
{
    (void)unused;
    rig_begin("helo", "helo { unknown = reject }", "192.0.2.7:1");
    rig_dns("a.test A fails");
    rig_helo("a.test");
    struct verdict verdict = rig_judge(STAGE_HELO);
    assert_true(verdict.unsure);
    assert_int_equal(verdict.action, ACTION_NONE);
    rig_end();
}

static void dns_is_left_alone_where_nothing_follows(void **unused)
{
    (void)unused;
    rig_begin("helo", "helo { unknown = accept }", "192.0.2.7:1");
    expect("gone.test", NULL);
    assert_int_equal(fake_dns_asked(), 0);
    rig_end();
}

static void each_word_for_what_follows(void **unused)
{
    static const struct {
        const char *word;
        enum action action;
        int code, score;
        char enhanced[ENHANCED_MAX];
    } words[] = {{"accept", ACTION_NONE, 550, 0, "5.7.1"},
                 {"score", ACTION_NONE, 550, 7, "5.7.1"},
                 {"defer", ACTION_DEFER, 450, 0, "4.7.1"},
                 {"reject", ACTION_REJECT, 550, 0, "5.7.1"},
                 {"drop", ACTION_DROP, 550, 0, "5.7.1"}};
    char policy[80];
    (void)unused;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        snprintf(policy, sizeof(policy), "helo { own = %s score = 7 reply = \"No, you are not\" }", words[i].word);
        rig_begin("helo", policy, "192.0.2.7:1");
        rig_helo("mx.test");
        struct verdict verdict = rig_judge(STAGE_HELO);
        assert_int_equal(verdict.action, words[i].action);
        assert_int_equal(verdict.score, words[i].score);
        assert_int_equal(verdict.reply.code, words[i].code);
        assert_string_equal(verdict.reply.enhanced, words[i].enhanced);
        assert_true(slice_equal(verdict.reply.text, slice_of("No, you are not")));
        rig_end();
    }
}

static void options_that_could_not_be(void **unused)
{
    (void)unused;
    expect_error(root_block(), rig_file("helo { own_names = \"a b\" }"),
                 "c:4: policy p: helo: own_names: 'a b' matches nothing; write example.org, .example.org for all below "
                 "it, [192.0.2.1], or \"*\" for every domain");
    expect_error(root_block(), rig_file("helo { reply = \"\" }"),
                 "c:4: policy p: helo: reply: has 0 characters; allowed: 1 to 200");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(names_that_are_ours),
        config_test_case(of_our_own_machine_they_are_fine),
        config_test_case(addresses),
        config_test_case(what_is_no_host_name),
        config_test_case(names_that_lead_somewhere),
        config_test_case(no_answer_is_no_verdict),
        config_test_case(dns_is_left_alone_where_nothing_follows),
        config_test_case(each_word_for_what_follows),
        config_test_case(options_that_could_not_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
