/* SPDX-License-Identifier: ISC
 *
 * The check of the sender's domain: what follows from each thing that DNS can say of it; and which addresses are
 * nobody's.
 */
#include "tests/unit/check_rig.h"
#include "workers/nowhere.h"

static struct verdict judge(const char *sender)
{
    struct slice text = slice_of(sender);
    assert_int_equal(path_parse(&text, true, &rig.s->transaction.sender), PATH_FINE);
    lookups_begin_transaction(&rig.s->lookups);
    return rig_judge(STAGE_MAIL);
}

/* `reason` NULL: nothing is said of it. */
static void expect(const char *sender, const char *reason, const char *enhanced)
{
    struct verdict verdict = judge(sender);
    if ((verdict.reason == NULL) != (reason == NULL) || (reason != NULL && strcmp(verdict.reason, reason) != 0))
        fail_msg("%s: %s", sender, verdict.reason != NULL ? verdict.reason : "nothing");
    if (enhanced != NULL)
        assert_string_equal(verdict.reply.enhanced, enhanced);
}

static void domains(void **unused)
{
    (void)unused;
    rig_begin("sender", "sender { literal = reject }", "192.0.2.7:1");
    rig_dns("mx.test MX 10 gone.test");
    rig_dns("a.test A 192.0.2.1");
    rig_dns("b.test AAAA 2001:db8::1");
    rig_dns("c.test TXT x");
    rig_dns("null.test MX 0 .");
    rig_dns("both.test MX 0 .");
    rig_dns("both.test MX 10 a.test");
    expect("<a@mx.test>", NULL, NULL);
    assert_int_equal(fake_dns_asked(), 1);
    expect("<a@a.test>", NULL, NULL);
    expect("<a@b.test>", NULL, NULL);
    expect("<a@both.test>", NULL, NULL);
    expect("<a@c.test>", "unknown sender domain", "5.1.8");
    expect("<a@gone.test>", "unknown sender domain", "5.1.8");
    expect("<a@null.test>", "null MX of the sender domain", "5.7.27");
    expect("<a@host>", "no sender domain", "5.1.8");
    expect("<postmaster>", "no sender domain", "5.1.8");
    expect("<a@[192.0.2.1]>", "address literal of the sender", "5.7.1");
    expect("<>", NULL, NULL);
    rig_end();
}

static void no_answer_is_no_verdict(void **unused)
{
    (void)unused;
    rig_begin("sender", "sender { }", "192.0.2.7:1");
    rig_dns("a.test MX fails");
    rig_dns("a.test A 192.0.2.1");
    rig_dns("b.test A fails");
    rig_dns("c.test A fails");
    rig_dns("c.test AAAA 2001:db8::1");
    assert_true(judge("<a@a.test>").unsure);
    assert_true(judge("<a@b.test>").unsure);
    assert_false(judge("<a@c.test>").unsure);
    rig_end();
}

static void servers_that_lead_nowhere(void **unused)
{
    (void)unused;
    rig_begin("sender", "sender { nowhere = score score = 6 }", "192.0.2.7:1");
    rig_dns("here.test MX 10 a.test");
    rig_dns("a.test A 127.0.0.1");
    rig_dns("a.test A 192.0.2.1");
    rig_dns("loop.test MX 10 b.test");
    rig_dns("b.test A 127.0.0.1");
    rig_dns("b.test AAAA fe80::1");
    rig_dns("slow.test MX 10 b.test");
    rig_dns("slow.test MX 20 c.test");
    rig_dns("c.test A fails");
    expect("<a@here.test>", NULL, NULL);
    expect("<a@loop.test>", "sender domain leads nowhere", "5.1.8");
    expect("<a@b.test>", "sender domain leads nowhere", "5.1.8");
    assert_int_equal(judge("<a@loop.test>").score, 6);
    assert_true(judge("<a@slow.test>").unsure);
    rig_end();
}

static void of_many_servers_the_first_are_looked_at(void **unused)
{
    char line[80];
    (void)unused;
    rig_begin("sender", "sender { nowhere = reject }", "192.0.2.7:1");
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof(line), "many.test MX %d m%d.test", i, i);
        rig_dns(line);
    }
    expect("<a@many.test>", NULL, NULL);
    assert_int_equal(fake_dns_asked(), 1 + 2 * NOWHERE_SERVERS_MAX);
    rig_end();
}

static void our_own_domains(void **unused)
{
    (void)unused;
    rig_begin("sender", "sender { own_domains = { corp.test, .corp.test } except = 198.51.100.0/24 }", "192.0.2.7:1");
    expect("<a@corp.test>", "own domain of a stranger", "5.7.1");
    expect("<a@x.CORP.test.>", "own domain of a stranger", "5.7.1");
    expect("<a@notcorp.test>", "unknown sender domain", NULL);
    rig_begin("sender", "sender { own_domains = corp.test except = 198.51.100.0/24 }", "198.51.100.7:1");
    expect("<a@corp.test>", NULL, NULL);
    assert_int_equal(fake_dns_asked(), 0);
    rig_end();
}

static void addresses_of_nobody(void **unused)
{
    static const char *const nobody[] = {"0.0.0.0",     "0.1.2.3",   "127.0.0.1", "127.9.9.9",
                                         "169.254.1.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
                                         "::",          "::1",       "fe80::1",   "ff02::1"};
    static const char *const somebody[] = {"192.0.2.1", "10.0.0.1",    "192.168.1.1", "172.16.0.1", "169.253.1.1",
                                           "128.0.0.1", "2001:db8::1", "fd00::1",     "::2",        "1::1"};
    struct ipaddr address;
    (void)unused;
    for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
        assert_true(ipaddr_parse(slice_of(nobody[i]), &address));
        if (!nowhere_holds(&address))
            fail_msg("%s", nobody[i]);
    }
    for (size_t i = 0; i < sizeof(somebody) / sizeof(somebody[0]); i++) {
        assert_true(ipaddr_parse(slice_of(somebody[i]), &address));
        if (nowhere_holds(&address))
            fail_msg("%s", somebody[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(domains),
        config_test_case(no_answer_is_no_verdict),
        config_test_case(servers_that_lead_nowhere),
        config_test_case(of_many_servers_the_first_are_looked_at),
        config_test_case(our_own_domains),
        cmocka_unit_test(addresses_of_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
