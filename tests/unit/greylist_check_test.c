/* SPDX-License-Identifier: ISC
 *
 * The check greylist: what is asked about, and for how long; options that could not be. What a client hears, and when
 * it is not asked about, talks show. */
#include "common/log.h"
#include "tests/lib/fake_store.h"
#include "tests/unit/check_rig.h"
#include "workers/greylist_options.h"

static char line[RECORD_MAX + 1]; /* the last one */

static void take_line(enum level level, const char *text)
{
    (void)level;
    snprintf(line, sizeof(line), "%s", text);
}

static void begin(const char *options, const char *client, const char *sender)
{
    static char text[PATH_MAX_OCTETS];
    char policy[512];
    const char *why;
    snprintf(policy, sizeof(policy), "greylist { mode = enforce %s }", options);
    rig_begin("greylist", policy, client);
    fake_store_clear();
    assert_true(fake_store_add(slice_of("first 300"), &why));
    log_to_function(take_line);
    snprintf(text, sizeof(text), "%s", sender);
    struct slice rest = slice_of(text);
    assert_int_equal(path_parse(&rest, true, &rig.s->transaction.sender), PATH_FINE);
    line[0] = '\0';
}

static struct verdict judge(const char *recipient)
{
    struct path path;
    struct slice text = slice_of(recipient);
    assert_int_equal(path_parse(&text, false, &path), PATH_FINE);
    return rig_judge_recipient(STAGE_RCPT, &path);
}

static void expect_asked(const char *words)
{
    if (strstr(line, words) == NULL)
        fail_msg("%s\nis not %s", line, words);
}

static void however_it_is_written(void **unused)
{
    (void)unused;
    begin("", "192.0.2.7:1", "<\"Ann\"@A.Test.>");
    struct verdict verdict = judge("<\"b\\ob\"@MX.test.>");
    assert_int_equal(verdict.action, ACTION_DEFER);
    assert_true(verdict.greylists);
    expect_asked("key=\"g 192.0.2.0/24 ann@a.test bob@mx.test\"");
    judge("<\"b b\"@mx.test>");
    expect_asked("key=\"g 192.0.2.0/24 ann@a.test b%20b@mx.test\"");
    judge("<postmaster>");
    expect_asked("key=\"g 192.0.2.0/24 ann@a.test postmaster\"");
    begin("key = sender ipv6_prefix = 48", "[2001:db8:1:2::7]:1", "<ann@[192.0.2.9]>");
    judge("<bob@mx.test>");
    expect_asked("key=\"g 2001:db8:1::/48 ann@[192.0.2.9]\"");
    rig_end();
}

static void for_how_long(void **unused)
{
    (void)unused;
    begin("delay = 1500ms window = 1h lifetime = 365d allow_after = 0", "192.0.2.7:1", "<a@a.test>");
    judge("<bob@mx.test>");
    expect_asked(" delay=2 window=");
    expect_asked(" lifetime=31536000");
    assert_null(strstr(line, "allow_after"));
    rig_end();
}

/* A socket, or a load balancer that does not tell, is nobody. */
static void who_is_nobody(void **unused)
{
    (void)unused;
    begin("", "unix:/run/socket", "<a@a.test>");
    assert_int_equal(judge("<bob@mx.test>").action, ACTION_NONE);
    begin("", "192.0.2.7:1", "<a@a.test>");
    rig.s->client_untold = true;
    assert_int_equal(judge("<bob@mx.test>").action, ACTION_NONE);
    assert_int_equal(fake_store_asked(), 0);
    rig_end();
}

static void who_only_looks(void **unused)
{
    (void)unused;
    begin("", "192.0.2.7:1", "<a@a.test>");
    rig.setup.looks_only = true;
    assert_int_equal(judge("<bob@mx.test>").action, ACTION_NONE);
    assert_string_equal(rig_note(), "would ask the greylist about g 192.0.2.0/24 a@a.test bob@mx.test");
    rig.s->transaction.sender = (struct path){.is_null = true};
    judge("<bob@mx.test>");
    assert_string_equal(rig_note(), "would ask the greylist about g 192.0.2.0/24 <> bob@mx.test, at DATA");
    assert_int_equal(fake_store_asked(), 0);
    rig_end();
}

static void the_same_is_noted_once(void **unused)
{
    (void)unused;
    begin("", "192.0.2.7:1", "<a@a.test>");
    judge("<bob@mx.test>");
    assert_string_equal(rig_note(), "192.0.2.0/24: first seen, 300 s to wait");
    judge("<eve@mx.test>");
    assert_string_equal(rig_note(), "");
    assert_int_equal(fake_store_asked(), 2);
    rig_end();
}

static void what_could_not_be(void **unused)
{
    (void)unused;
    expect_error(root_block(), rig_file("greylist { delay = 1h window = 1h }"),
                 "c:4: policy p: greylist: delay: is not less than window: nobody would ever pass");
    expect_error(root_block(), rig_file("greylist { delay = 1500ms window = 2s lifetime = 1d }"),
                 "c:4: policy p: greylist: delay: is not less than window: nobody would ever pass");
    expect_error(root_block(), rig_file("greylist { window = 2d lifetime = 1d }"),
                 "c:4: policy p: greylist: window: is more than lifetime: who waited would be forgotten first");
}

static const char *needs(const char *policy, const void **filled_out)
{
    rig_begin("greylist", policy, "192.0.2.7:1");
    return policy_needs_store(rig.s->options->policy, filled_out);
}

static void what_needs_a_memory(void **unused)
{
    const void *filled;
    (void)unused;
    assert_null(needs("", &filled));
    assert_null(needs("greylist { window = 2d }", &filled));
    assert_string_equal(needs("greylist { mode = watch }", &filled), "mode");
    assert_ptr_equal(filled, rig.s->options->policy->check_options[rig.index]);
    assert_string_equal(needs("mailbox { trap_memory = 1d }", &filled), "trap_memory");
    assert_null(needs("mailbox { trap_memory = 1d mode = off }", &filled));
    rig_end();
}

static void expect_prefixes(const char *policies, const char *ipv4, const char *ipv6)
{
    char file[1024], text[PREFIXES_TEXT_MAX];
    snprintf(file, sizeof(file),
             "%s listener mx { backend = b policy = p }\n"
             "backend b { server s { address = 127.0.0.1:1 } pass_client = xclient }\n",
             policies);
    struct config *config = load_ok(root_block(), file);
    const struct root *root = config_root(config);
    struct prefixes prefixes = greylist_prefixes(&root->policies);
    prefixes_print(&prefixes, 4, text);
    assert_string_equal(text, ipv4);
    prefixes_print(&prefixes, 6, text);
    assert_string_equal(text, ipv6);
    config_free(&config);
}

static void whose_networks_are_in_keys(void **unused)
{
    (void)unused;
    expect_prefixes("policy p { }", "/24", "/64");
    expect_prefixes("policy p { greylist { ipv4_prefix = 28 } }", "/28", "/64");
    expect_prefixes("policy p { greylist { mode = watch ipv4_prefix = 28 } } policy q { }", "/28", "/64");
    expect_prefixes("policy p { greylist { mode = enforce ipv6_prefix = 48 } } policy q { greylist { mode = watch "
                    "ipv4_prefix = 20 } } policy r { mode = off greylist { mode = enforce ipv4_prefix = 32 } }",
                    "/20, /24", "/48, /64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(however_it_is_written),  config_test_case(for_how_long),
        config_test_case(who_is_nobody),          config_test_case(who_only_looks),
        config_test_case(the_same_is_noted_once), config_test_case(what_could_not_be),
        config_test_case(what_needs_a_memory),    config_test_case(whose_networks_are_in_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
