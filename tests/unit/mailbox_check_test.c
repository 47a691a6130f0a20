/* SPDX-License-Identifier: ISC
 *
 * The check of recipients one by one: which are traps, what a bounce may have, and for whom that holds.
 */
#include "tests/lib/fake_store.h"
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

/* A network that wrote to a trap comes again. */
static void begin_trapped(const char *client)
{
    static const struct scoreboard_options scoreboard = {.ipv4_prefix = 24, .ipv6_prefix = 64};
    const char *why;
    rig_begin("mailbox", "mailbox { traps = trap@a.test trap_memory = 1h }", client);
    rig.service.scoreboard = &scoreboard;
    fake_store_clear();
    assert_true(fake_store_add(slice_of("pass 60"), &why));
}

static void who_is_remembered_for_a_trap(void **unused)
{
    (void)unused;
    begin_trapped("192.0.2.7:1");
    rig_judge(STAGE_MAIL);
    struct verdict verdict = judge("<b@a.test>");
    assert_int_equal(verdict.action, ACTION_DEFER);
    assert_string_equal(verdict.reply.enhanced, "4.7.1");
    judge("<trap@a.test>");
    assert_int_equal(fake_store_asked(), 1);
    assert_int_equal(fake_store_told(), 1);
    rig_end();
}

/* A socket, or a load balancer that does not tell, is nobody. */
static void who_is_nobody_is_not_remembered(void **unused)
{
    (void)unused;
    static const char *const clients[] = {"unix:/run/socket", "192.0.2.7:1"};
    for (size_t i = 0; i < sizeof(clients) / sizeof(clients[0]); i++) {
        begin_trapped(clients[i]);
        rig.s->client_untold = i > 0;
        rig_judge(STAGE_MAIL);
        judge("<trap@a.test>");
        assert_int_equal(judge("<b@a.test>").action, ACTION_NONE);
        assert_int_equal(fake_store_asked() + fake_store_told(), 0);
    }
    rig_end();
}

static void who_only_looks_is_not_remembered(void **unused)
{
    (void)unused;
    begin_trapped("192.0.2.7:1");
    rig.setup.looks_only = true;
    rig_judge(STAGE_MAIL);
    assert_string_equal(rig_note(), "would ask whether its network wrote to a trap");
    judge("<trap@a.test>");
    assert_int_equal(judge("<b@a.test>").action, ACTION_NONE);
    assert_int_equal(fake_store_asked() + fake_store_told(), 0);
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

/* `file` is written beside the configuration. */
static void begin_with_file(const char *options, const char *lines)
{
    char policy[512], directory[256];
    write_file("there", lines);
    assert_non_null(getcwd(directory, sizeof(directory)));
    snprintf(policy, sizeof(policy), "mailbox { valid_recipients = file:%s/there %s }", directory, options);
    rig_begin("mailbox", policy, "192.0.2.7:1");
}

static void expect_there(const char *recipient, bool there)
{
    struct verdict verdict = judge(recipient);
    if ((verdict.action == ACTION_NONE) != there)
        fail_msg("%s", recipient);
    if (!there)
        assert_string_equal(verdict.reply.enhanced, "5.1.1");
}

static void recipients_of_a_file(void **unused)
{
    (void)unused;
    begin_with_file("", "# ours\nann@a.test OK\nbob@A.test\n.all.test\nwhole.test\nabuse@\n");
    expect_there("<Ann@a.test>", true);
    expect_there("<\"ann\"@a.test.>", true);
    expect_there("<bob@a.test>", true);
    expect_there("<x@sub.all.test>", true);
    expect_there("<x@whole.test>", true);
    expect_there("<abuse@b.test>", true);
    expect_there("<postmaster@b.test>", true);
    expect_there("<postmaster>", true);
    expect_there("<eve@a.test>", false);
    assert_string_equal(rig_note(), "eve@a.test is not there");
    expect_there("<ann+list@a.test>", false);
    expect_there("<ann@b.test>", false);
    expect_there("<ann@sub.a.test>", false);
    expect_there("<x@all.test>", false);
    rig_end();
}

static void extensions(void **unused)
{
    (void)unused;
    begin_with_file("delimiter = +", "ann@a.test\n+x@a.test\n");
    expect_there("<ann+list@a.test>", true);
    expect_there("<ann+a+b@a.test>", true);
    expect_there("<ann@a.test>", true);
    expect_there("<+x@a.test>", true);
    expect_there("<+y@a.test>", false);
    expect_there("<an+n@a.test>", false);
    rig_end();
}

static void for_whom_they_have_to_be_there(void **unused)
{
    (void)unused;
    rig_begin("mailbox", "mailbox { valid_recipients = ann@a.test traps = trap@a.test trap = accept }", "192.0.2.7:1");
    expect_there("<eve@a.test>", false);
    expect_there("<trap@a.test>", true);
    rig.s->transaction.exempt = true;
    expect_there("<eve@a.test>", true);
    rig.s->transaction.exempt = false;
    rig.s->auth = "PLAIN";
    expect_there("<eve@b.test>", true);
    rig_end();
}

static void expect_fault(const char *lines, const char *expected)
{
    char policy[512], directory[256], text[512];
    struct check_fault fault;
    write_file("there", lines);
    assert_non_null(getcwd(directory, sizeof(directory)));
    snprintf(policy, sizeof(policy), "mailbox { valid_recipients = file:%s/there }", directory);
    snprintf(text, sizeof(text), "%s/there%s", directory, expected);
    rig_end();
    rig.config = load_ok(root_block(), rig_file(policy));
    const struct root *root = config_root(rig.config);
    const struct root_listener *listener = block_at(&root->listeners, 0);
    for (rig.index = 0; strcmp(check_table[rig.index]->name, "mailbox") != 0; rig.index++)
        continue;
    assert_null(check_table[rig.index]->preparation->make(listener->session.policy->check_options[rig.index], &fault));
    assert_string_equal(fault.option, "valid_recipients");
    assert_string_equal(fault.text, text);
    rig_end();
}

static void files_that_could_not_be(void **unused)
{
    (void)unused;
    expect_fault("# cut off\n", " holds no recipient at all");
    expect_fault(
        "ann@a.test\na@b@c@\n",
        ":2: 'a@b@c@' is no address and no domain; allowed: ann@example.org, example.org, .example.org for the "
        "domains below it, ann@ in any domain");
}

static void traps_that_could_not_be(void **unused)
{
    (void)unused;
    expect_error(root_block(), rig_file("mailbox { delimiter = \"++\" }"),
                 "c:4: policy p: mailbox: delimiter: '++' is not one sign");
    expect_error(root_block(), rig_file("mailbox { valid_recipients = { } }"),
                 "c:4: policy p: mailbox: valid_recipients: an empty list would let nobody be there; leave the option "
                 "out");
    expect_error(root_block(), rig_file("mailbox { valid_recipients = \"a b\" }"),
                 "c:4: policy p: mailbox: valid_recipients: 'a b' is no recipient; allowed: ann@example.org, "
                 "@example.org for all of a domain, ann@ in any domain, file:/etc/postern/recipients");
    expect_error(root_block(), rig_file("mailbox { traps = \"a b@c\" }"),
                 "c:4: policy p: mailbox: traps: 'a b@c' matches nothing; write postmaster for every domain, "
                 "abuse@example.org, or @example.org for all of a domain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(traps),
        config_test_case(who_is_remembered_for_a_trap),
        config_test_case(who_is_nobody_is_not_remembered),
        config_test_case(who_only_looks_is_not_remembered),
        config_test_case(bounces),
        config_test_case(recipients_of_a_file),
        config_test_case(extensions),
        config_test_case(for_whom_they_have_to_be_there),
        config_test_case(files_that_could_not_be),
        config_test_case(traps_that_could_not_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
