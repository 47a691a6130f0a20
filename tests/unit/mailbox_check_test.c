/* SPDX-License-Identifier: ISC
 *
 * The check of recipients one by one: which are traps, what a bounce may have, and for whom that holds.
 */
#include "tests/unit/check_rig.h"

static struct verdict judge(const char *recipient)
{
    struct path path;
    struct slice text = slice_of(recipient);
    assert_int_equal(path_parse(&text, false, &path), PATH_FINE);
    return rig_judge_recipient(STAGE_RCPT, &path);
}

static void traps(void **unused)
{
    (void)unused;
    rig_begin("mailbox", "mailbox { traps = { trap@a.test, @old.test } trap_spoils = 5 }", "192.0.2.7:1");
    struct verdict verdict = judge("<TRAP@a.test.>");
    assert_int_equal(verdict.action, ACTION_REJECT);
    assert_string_equal(verdict.reply.enhanced, "5.1.1");
    assert_int_equal(verdict.spoils, 5);
    assert_string_equal(rig_note(), "TRAP@a.test. is a trap");
    assert_int_equal(judge("<x@old.test>").spoils, 5);
    assert_int_equal(judge("<nottrap@a.test>").spoils, 0);
    assert_int_equal(judge("<trap@b.test>").action, ACTION_NONE);
    assert_int_equal(judge("<trap@sub.a.test>").action, ACTION_NONE);
    assert_int_equal(judge("<postmaster>").action, ACTION_NONE);
    rig.s->transaction.exempt = true;
    assert_int_equal(judge("<trap@a.test>").spoils, 0);
    rig_end();
}

static void bounces(void **unused)
{
    (void)unused;
    rig_begin("mailbox", "mailbox { null_sender_recipients = 2 null_sender = score score = 9 }", "192.0.2.7:1");
    rig.s->transaction.sender.is_null = true;
    rig.s->transaction.accepted_recipients = 1;
    assert_int_equal(judge("<b@a.test>").score, 0);
    rig.s->transaction.accepted_recipients = 2;
    assert_int_equal(judge("<c@a.test>").score, 9);
    rig.s->transaction.sender.is_null = false;
    assert_int_equal(judge("<c@a.test>").score, 0);
    rig_begin("mailbox", "mailbox { }", "192.0.2.7:1");
    rig.s->transaction.sender.is_null = true;
    rig.s->transaction.accepted_recipients = 1000;
    assert_int_equal(judge("<c@a.test>").action, ACTION_NONE);
    rig_end();
}

static void traps_that_could_not_be(void **unused)
{
    (void)unused;
    expect_error(root_block(), rig_file("mailbox { traps = \"a b@c\" }"),
                 "c:4: policy p: mailbox: traps: 'a b@c' matches nothing; write postmaster for every domain, "
                 "abuse@example.org, or @example.org for all of a domain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(traps),
        config_test_case(bounces),
        config_test_case(traps_that_could_not_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
