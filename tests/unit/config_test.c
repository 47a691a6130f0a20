/* SPDX-License-Identifier: ISC
 *
 * Proves what postern.conf turns into: every type, defaults, references, blocks, overrides; and that loading again and
 * again, well or badly, leaves nothing behind. */
#include "tests/unit/config_fixture.h"
#include "tests/unit/config_sample.h"

static const struct sample *root_of(const struct config *config)
{
    return config_root(config);
}

static void defaults_stand_where_nothing_is_set(void **state)
{
    (void)state;
    struct config *config = load_ok(&sample_block, SAMPLE);
    const struct sample *s = root_of(config);

    assert_string_equal(s->hostname, "mx.example.org");
    assert_string_equal(s->banner, "ESMTP");
    assert_null(s->spool);
    assert_int_equal(s->workers, 10);
    assert_int_equal(s->limit, 25 << 20);
    assert_int_equal(s->timeout, 300000);
    assert_false(s->debug);
    assert_int_equal(s->words.count, 2);
    assert_string_equal(s->words.items[0], "a");
    assert_string_equal(s->words.items[1], "b c");
    assert_int_equal(s->steps.count, 2);
    assert_int_equal(s->steps.items[1].points, 5);
    assert_int_equal(s->steps.items[1].ms, 10000);
    assert_int_equal(s->outgoing.mode, 0);
    assert_int_equal(s->policies.count, 0);
    config_free(&config);
    assert_null(config);
    config_free(&config);
}

static void values_of_every_type(void **state)
{
    (void)state;
    struct config *config = load_ok(&sample_block, "spool=/var/spool/x workers = 010 limit = 64k\n"
                                                   "timeout = 1m30s500ms debug = YES words = { \"x y\", 'z', w+*()v }\n"
                                                   "banner = \"a \\\"b\\\" \\\\ 'c' # ; // /* */ {}=,\"\n" SAMPLE);
    const struct sample *s = root_of(config);

    assert_string_equal(s->spool, "/var/spool/x");
    assert_int_equal(s->workers, 10);
    assert_int_equal(s->limit, 65536);
    assert_int_equal(s->timeout, 90500);
    assert_true(s->debug);
    assert_int_equal(s->words.count, 3);
    assert_string_equal(s->words.items[0], "x y");
    assert_string_equal(s->words.items[1], "z");
    assert_string_equal(s->words.items[2], "w+*()v");
    assert_string_equal(s->banner, "a \"b\" \\ 'c' # ; // /* */ {}=,");
    config_free(&config);
}

static void expect_banner(const char *written, const char *meant)
{
    char text[512];
    snprintf(text, sizeof text, "banner = %s\n" SAMPLE, written);
    struct config *config = load_ok(&sample_block, text);
    assert_string_equal(root_of(config)->banner, meant);
    config_free(&config);
}

static void quotes_and_comments(void **state)
{
    (void)state;
    expect_banner("word # comment ; ${X} ' \" {", "word");
    expect_banner("word // comment {", "word");
    expect_banner("/* = { */ word /* \n \n } */", "word");
    expect_banner("file:/etc//x/*y", "file:/etc//x/*y");
    expect_banner("'${HOME} \\n \\' \\\\'", "${HOME} \\n ' \\");
    expect_banner("\"\"", "");
    expect_banner("\"%{client}$x\"", "%{client}$x");
    expect_banner("a\\b", "a\\b");
    expect_banner("\"'\"", "'");
}

static void lists(void **state)
{
    (void)state;
    struct config *config = load_ok(&sample_block, "words = one\n" SAMPLE);
    assert_int_equal(root_of(config)->words.count, 1);
    config_free(&config);
    config = load_ok(&sample_block, "words = {}\n" SAMPLE);
    assert_int_equal(root_of(config)->words.count, 0);
    config_free(&config);
    config = load_ok(&sample_block, "words = {\n a, # first\n b,\n}\n" SAMPLE);
    assert_int_equal(root_of(config)->words.count, 2);
    config_free(&config);
}

static void rates_and_choices(void **state)
{
    (void)state;
    struct config *config =
        load_ok(&sample_block, "policy a { dnsbl { } }\n"
                               "policy b { dnsbl { keys = login+Client rate = 1K/1h30m } }\n" SAMPLE);
    const struct sample_policy *a = block_at(&root_of(config)->policies, 0),
                               *b = block_at(&root_of(config)->policies, 1);
    const struct sample_check *preset = a->check, *set = b->check;
    assert_int_equal(preset->keys, 1);
    assert_int_equal(preset->rates.count, 2);
    assert_int_equal(preset->rates.items[0].count, 30);
    assert_int_equal(preset->rates.items[0].window_ms, 60000);
    assert_int_equal(preset->rates.items[0].burst, 30);
    assert_int_equal(preset->rates.items[1].count, 10 << 20);
    assert_int_equal(set->keys, 1 | 4);
    assert_int_equal(set->rates.count, 1);
    assert_int_equal(set->rates.items[0].count, 1024);
    assert_int_equal(set->rates.items[0].window_ms, 5400000);
    config_free(&config);
}

static void blocks_and_references(void **state)
{
    (void)state;
    struct config *config =
        load_ok(&sample_block, "hostname = mx.example.org\n"
                               "listener mx { address = { 127.0.0.1:25, 127.0.0.2:25 } backend = b2 policy = in\n"
                               "  tls\n{ mode = may certificate = /c } max_errors = 7 }\n"
                               "listener 'sub mission' { address = unix:/run/s backend = b1 }\n"
                               "backend b1 { address = 127.0.0.1:1 }\n"
                               "backend b2 { address = 127.0.0.1:2 connect = greeting }\n"
                               "policy in { dnsbl { mode = watch list zen.spamhaus.org { score = 3 } } }\n"
                               "policy out { }\n");
    const struct sample *s = root_of(config);
    const struct sample_listener *mx = block_at(&s->listeners, 0), *sub = block_at(&s->listeners, 1);
    const struct sample_check *check = mx->policy->check;

    assert_int_equal(s->listeners.count, 2);
    assert_string_equal(mx->name, "mx");
    assert_string_equal(sub->name, "sub mission");
    assert_int_equal(mx->address.count, 2);
    assert_int_equal(mx->address.items[1].address.bytes[3], 2);
    assert_ptr_equal(mx->session.backend, block_at(&s->backends, 1));
    assert_int_equal(mx->session.backend->address.port, 2);
    assert_int_equal(mx->session.backend->connect, 1);
    assert_int_equal(mx->session.max_errors, 7);
    assert_int_equal(mx->tls.mode, 1);
    assert_string_equal(mx->tls.certificate, "/c");
    assert_int_equal(sub->tls.mode, 0);
    assert_null(sub->policy);
    assert_ptr_equal(mx->policy, block_at(&s->policies, 0));
    assert_int_equal(check->mode, 1);
    assert_int_equal(check->allow.count, 2);
    assert_int_equal(check->lists.count, 1);
    assert_string_equal(((const struct sample_list *)block_at(&check->lists, 0))->name, "zen.spamhaus.org");
    /* A block that is not there has its struct and its defaults all the same. */
    check = ((const struct sample_policy *)block_at(&s->policies, 1))->check;
    assert_int_equal(check->mode, 2);
    assert_int_equal(check->allow.count, 2);
    config_free(&config);
}

static void what_is_set_is_known(void **state)
{
    (void)state;
    struct config *config = load_ok(&sample_block, "workers = 10 outgoing { mode = none }\n" SAMPLE);
    const struct sample *s = root_of(config);
    const struct sample_listener *mx = block_at(&s->listeners, 0);

    assert_true(config_is_set(config, s, "workers"));
    assert_false(config_is_set(config, s, "limit"));
    assert_true(config_is_set(config, s, "outgoing"));
    assert_true(config_is_set(config, &s->outgoing, "mode"));
    assert_false(config_is_set(config, &s->outgoing, "certificate"));
    assert_true(config_is_set(config, mx, "backend"));
    assert_false(config_is_set(config, mx, "tls"));
    assert_false(config_is_set(config, &mx->tls, "mode"));
    config_free(&config);
}

/* ---- overrides ---- */

#define TWO_BACKENDS SAMPLE "backend other.net { address = 127.0.0.1:3 }\nbackend other { address = 127.0.0.1:4 }\n"

static struct config *override_ok(const char *text, const char *const *overrides)
{
    char why[WHY_MAX];
    struct config *config = load_with(&sample_block, text, overrides, why);
    if (config == NULL)
        fail_msg("%s", why);
    return config;
}

static void overrides_replace(void **state)
{
    (void)state;
    struct config *config =
        override_ok("workers = 11\n" TWO_BACKENDS "policy in { }\n",
                    (const char *const[]){"hostname = a.example.net", "workers=12", "listener.mx.max_errors=3",
                                          "backend.connect=greeting", "backend.other.net.connect=mail",
                                          "words=", "policy.dnsbl.allow=10.0.0.0/8, 192.0.2.1",
                                          "listener.tls.mode=none", "listener.mx.backend=other", "banner=x=y", NULL});
    const struct sample *s = root_of(config);
    const struct sample_listener *mx = block_at(&s->listeners, 0);
    const struct sample_policy *in = block_at(&s->policies, 0);

    assert_string_equal(s->hostname, "a.example.net");
    assert_string_equal(s->banner, "x=y");
    assert_int_equal(s->workers, 12);
    assert_int_equal(s->words.count, 0);
    assert_int_equal(mx->session.max_errors, 3);
    assert_string_equal(mx->session.backend->name, "other");
    assert_int_equal(((const struct sample_backend *)block_at(&s->backends, 0))->connect, 1);
    assert_int_equal(((const struct sample_backend *)block_at(&s->backends, 1))->connect, 0);
    assert_int_equal(((const struct sample_backend *)block_at(&s->backends, 2))->connect, 1);
    assert_int_equal(((const struct sample_check *)in->check)->allow.count, 2);
    config_free(&config);
}

static void wrong_overrides_name_themselves(void **state)
{
    (void)state;
    static const struct {
        const char *override, *why;
    } cases[] = {
        {"workers=0", "override workers=0: workers: \"0\" is out of range; allowed: 1..5000, a whole number"},
        {"workers", "override workers: no =; write option=value, block.option=value or block.NAME.option=value"},
        {"listener.mx.max_erors=1",
         "override listener.mx.max_erors=1: listener mx: \"max_erors\" is not known here; did you mean max_errors? "
         "allowed: address, tls, policy, backend, max_errors"},
        {"policy.dnsbl.mode=off", "override policy.dnsbl.mode=off: policy: there is no such block in the file"},
        {"listener.mx=1",
         "override listener.mx=1: listener mx: \"mx\" is not known here; allowed: address, tls, policy, "
         "backend, max_errors"},
        {"listener.tls=1", "override listener.tls=1: listener mx: tls: is a block; name an option inside it"},
        {"backend.connect=late",
         "override backend.connect=late: backend postfix: connect: \"late\" is none of the choices; allowed: mail, "
         "greeting"},
        {"listener.mx.backend=no", "override listener.mx.backend=no: listener mx: backend: there is no backend \"no\"; "
                                   "allowed: postfix"},
        {"listener.tls.mode=may", "override listener.tls.mode=may: listener mx: tls: mode: needs a certificate"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char why[WHY_MAX];
        assert_null(load_with(&sample_block, SAMPLE, (const char *const[]){cases[i].override, NULL}, why));
        assert_string_equal(why, cases[i].why);
    }
}

/* ---- again and again ---- */

static void a_thousand_loads_leave_nothing(void **state)
{
    (void)state;
    write_file("more", "words = { a, b }\n");
    struct config *first = load_ok(&sample_block, "include more\n" SAMPLE);
    int before = open_descriptors();

    for (int i = 0; i < 1000; i++) {
        char why[WHY_MAX];
        struct config *config = config_load("c", &sample_block, why, sizeof why);
        assert_non_null(config);
        config_free(&config);
    }
    assert_int_equal(open_descriptors(), before);
    assert_string_equal(root_of(first)->hostname, "mx.example.org");
    config_free(&first);
}

/* libconfuse's own include gives out after ten failures. */
static void failed_loads_leave_nothing(void **state)
{
    (void)state;
    static const char *const broken[] = {
        "x = 1\n", "words = { a b\n",       "words = \"a\n",   "workers = x\n",
        "} }\n",   "listener mx { { } }\n", "listener {\n}\n", "policy a { } policy a { }\n"};
    int before = open_descriptors();

    for (size_t i = 0; i < 200; i++) {
        char why[WHY_MAX];
        write_file("inner", broken[i % (sizeof broken / sizeof broken[0])]);
        write_file("c", "include inner\n" SAMPLE);
        assert_null(config_load("c", &sample_block, why, sizeof why));
        assert_memory_equal(why, "inner:1: ", strlen("inner:1: "));
    }
    assert_int_equal(open_descriptors(), before);
    struct config *config = load_ok(&sample_block, SAMPLE);
    config_free(&config);
}

/* ---- the reference ---- */

static void the_reference_tells_all(void **state)
{
    (void)state;
    char *text;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    config_print_reference(to, &sample_block);
    fclose(to);

    assert_non_null(strstr(text, "Outside of all blocks\n    All of it.\n"));
    assert_non_null(strstr(text, "listener NAME { .. }\n    One or more of these. A bound address"));
    assert_non_null(strstr(text, "listener NAME / tls { .. }\n    TLS with the client.\n"));
    assert_non_null(strstr(text, "policy NAME / dnsbl / list NAME { .. }\n"));
    assert_non_null(strstr(text,
                           "    workers              number\n        default: 10\n        allowed: 1..5000, a whole "
                           "number\n        How many.\n"));
    assert_non_null(strstr(text, "        default: none, has to be set\n        allowed: the name of a backend\n"));
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1)
        assert_true(strchr(line, '\n') - line <= 80);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(defaults_stand_where_nothing_is_set),
        config_test_case(values_of_every_type),
        config_test_case(quotes_and_comments),
        config_test_case(lists),
        config_test_case(rates_and_choices),
        config_test_case(blocks_and_references),
        config_test_case(what_is_set_is_known),
        config_test_case(overrides_replace),
        config_test_case(wrong_overrides_name_themselves),
        config_test_case(a_thousand_loads_leave_nothing),
        config_test_case(failed_loads_leave_nothing),
        config_test_case(the_reference_tells_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
