/* SPDX-License-Identifier: ISC
 *
 * Proves that a limit which could not work is refused with file, line and what is allowed, and how limits read.
 */
#include "tests/lib/root_block.h"
#include "tests/unit/config_fixture.h"
#include "workers/limits/limit_words.h"

#define REST                                                                                                           \
    "\nlistener mx { backend = b policy = p }\nbackend b { server s { address = 127.0.0.1:1 } pass_client = xclient "  \
    "}\n"

/* The text stands in policy p { }, on its second line. */
static char *file_of(const char *text)
{
    static char file[16384];
    snprintf(file, sizeof(file), "policy p {\n%s }%s", text, REST);
    return file;
}

static const struct wrong {
    const char *text, *why;
} wrongs[] = {
    /* clang-format off */
    {"limit a { rate = 1/1m }", "c:2: policy p: limit a: of: is not set, and has to be; allowed: connections, messages, recipients, bytes, errors, refusals, auth_failures, handshakes"},
    {"limit a { of = messages }", "c:2: policy p: limit a: rate: is missing; say how many in what time, or concurrent"},
    {"limit a { of = messages concurrent = 3 }", "c:2: policy p: limit a: concurrent: goes with of = connections"},
    {"limit a { of = connections per = sender rate = 1/1m }", "c:2: policy p: limit a: per: not all of these are known when that is counted; allowed: client, network, listener"},
    {"limit a { of = connections per = client+login rate = 1/1m }", "c:2: policy p: limit a: per: not all of these are known when that is counted; allowed: client, network, listener"},
    {"limit a { of = messages per = recipient_domain rate = 1/1m }", "c:2: policy p: limit a: per: not all of these are known when that is counted; allowed: client, network, sender, sender_domain, login, listener"},
    {"limit a { of = auth_failures per = login rate = 1/1m }", "c:2: policy p: limit a: per: not all of these are known when that is counted; allowed: client, network, listener"},
    {"limit a { of = errors per = sender rate = 1/1m }", "c:2: policy p: limit a: per: not all of these are known when that is counted; allowed: client, network, login, listener"},
    {"limit a { of = messages per = sendr rate = 1/1m }", "c:2: policy p: limit a: per: \"sendr\" is not made of these choices; allowed: client, network, sender, sender_domain, login, recipient_domain, listener, or several with + between them"},
    {"limit a { of = messages per = client+network rate = 1/1m }", "c:2: policy p: limit a: per: a client is in one network: say either; prefixes make it larger"},
    {"limit a { of = messages per = sender+sender_domain rate = 1/1m }", "c:2: policy p: limit a: per: a sender is in one domain: say either"},
    {"limit a { of = messages per = sender rate = 1/1m\n ipv6_prefix = 64 }", "c:3: policy p: limit a: ipv6_prefix: goes with per = client or network"},
    {"limit a { of = messages\n rate = { 1/1s, 1/2s, 1/3s, 1/4s, 1/5s, 1/6s, 1/7s, 1/8s, 1/9s } }", "c:3: policy p: limit a: rate: 9 rates; at most 8 in one limit"},
    {"limit a { of = messages rate = { 1/1m, 2/1h }\n burst = 3 }", "c:3: policy p: limit a: burst: goes with one rate; a limit for each window can have its own"},
    {"limit a { of = connections concurrent = 2\n burst = 3 }", "c:3: policy p: limit a: burst: goes with one rate; a limit for each window can have its own"},
    {"limit a { of = messages rate = 1/31d\n burst = 3 }", "c:3: policy p: limit a: burst: so many take more than 62d at this rate; allowed: less"},
    {"limit a { of = messages rate = 1/32d }", "c:2: policy p: limit a: rate: \"1/32d\" is out of range; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"limit a { of = messages rate = 1/1m action = throttle }", "c:2: policy p: limit a: throttle: is missing; say how many bytes a second, 2K"},
    {"limit a { of = messages rate = 1/1m\n throttle = 2K }", "c:3: policy p: limit a: throttle: goes with action = throttle"},
    {"limit a { of = bytes rate = 1M/1m action = throttle\n throttle = 2K }", "c:3: policy p: limit a: throttle: of = bytes has its pace by rate"},
    {"limit a { of = messages rate = 1/1m\n max_delay = 2s }", "c:3: policy p: limit a: max_delay: goes with action = delay"},
    {"limit a { of = messages rate = 1/1m action = delay\n reply = x }", "c:3: policy p: limit a: reply: goes with action = defer, reject or drop"},
    {"limit a { of = messages rate = 1/1m\n reply = \"\" }", "c:3: policy p: limit a: reply: 0 characters; allowed: 1 to 120"},
    {"limit 'a b' { of = messages rate = 1/1m }", "c:2: policy p: limit a b: \"a b\" is too long for a limit's name; allowed: 50 characters, no blanks"},
    {"limit a { of = messages rate = 1/1m } limit a { of = bytes rate = 1/1m }", "c:2: policy p: limit: a is written a second time; the first stands at c:2"},
    /* clang-format on */
};

static void what_does_not_fit_together_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
        expect_error(root_block(), file_of(wrongs[i].text), wrongs[i].why);
}

static const char *many(int count, const char *what)
{
    static char text[8192];
    int size = 0;
    for (int i = 0; i < count; i++)
        size += snprintf(text + size, sizeof(text) - (size_t)size, "limit l%d { of = connections %s } ", i, what);
    return text;
}

static void there_are_only_so_many(void **state)
{
    (void)state;
    struct config *config = load_ok(root_block(), file_of(many(64, "rate = 1/1m")));
    config_free(&config);
    expect_error(root_block(), file_of(many(65, "rate = 1/1m")),
                 "c:2: policy p: limit: 65 limits; at most 64 in one policy");
    config = load_ok(root_block(), file_of(many(8, "concurrent = 2")));
    const struct root *root = config_root(config);
    const struct policy *policy = block_at(&root->policies, 0);
    assert_int_equal(limit_column(&policy->limits, 7), 7);
    config_free(&config);
    expect_error(root_block(), file_of(many(9, "concurrent = 2")),
                 "c:2: policy p: limit: l8 is one too many with `concurrent`; at most 8 in one policy");
}

static void limits_read_as_they_were_written(void **state)
{
    (void)state;
    struct limit_line line;
    struct config *config = load_ok(
        root_block(),
        file_of("mode = watch limit rate { of = connections rate = { 30/1m, 500/1d } concurrent = 20 action = drop }\n"
                "limit volume { of = bytes per = login+client rate = 10M/90s burst = 1K mode = off }"));
    const struct root *root = config_root(config);
    const struct policy *policy = block_at(&root->policies, 0);
    assert_true(limits_describe(policy, 0, &line));
    assert_string_equal(line.name, "p.rate");
    assert_string_equal(line.of, "connections");
    assert_string_equal(line.per, "client");
    assert_string_equal(line.rate, "30/1m, 500/1d, 20 at once");
    assert_string_equal(line.action, "drop");
    assert_string_equal(line.mode, "watch");
    assert_true(limits_describe(policy, 1, &line));
    assert_string_equal(line.per, "client+login");
    assert_string_equal(line.rate, "10M/90s burst 1024");
    assert_string_equal(line.mode, "off");
    assert_false(limits_describe(policy, 2, &line));
    config_free(&config);
}

static void waits_are_rounded_up(void **state)
{
    static const struct {
        int64_t ms;
        const char *words;
    } rows[] = {{0, "1 s"},        {1, "1 s"},           {1001, "2 s"},    {120000, "120 s"},
                {120001, "3 min"}, {7200000, "120 min"}, {7200001, "3 h"}, {86400000, "24 h"}};
    char words[LIMIT_WAIT_WORDS_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        limit_wait_words(rows[i].ms, words);
        assert_string_equal(words, rows[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(what_does_not_fit_together_is_refused),
        config_test_case(there_are_only_so_many),
        config_test_case(limits_read_as_they_were_written),
        config_test_case(waits_are_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
