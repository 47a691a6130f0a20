/* SPDX-License-Identifier: ISC
 *
 * Proves that everything that can be wrong in postern.conf is refused, at its place, with what is allowed. */
#include "tests/unit/config_fixture.h"
#include "tests/unit/config_sample.h"

struct wrong {
    const char *text, *why;
};

#define STEPS "points and a time, like 2:2s, 5:10s, the points ascending"

/* clang-format off */
/* Each text is followed by a good rest. */
static const struct wrong values[] = {
    {"workers = 0", "c:1: workers: \"0\" is out of range; allowed: 1..5000, a whole number"},
    {"workers = 5001", "c:1: workers: \"5001\" is out of range; allowed: 1..5000, a whole number"},
    {"workers = 99999999999999999999", "c:1: workers: \"99999999999999999999\" is out of range; allowed: 1..5000, a whole number"},
    {"workers = -1", "c:1: workers: \"-1\" is not a number; allowed: 1..5000, a whole number"},
    {"workers = 0x10", "c:1: workers: \"0x10\" does not end with a known unit; allowed: 1..5000, a whole number"},
    {"workers = ten", "c:1: workers: \"ten\" is not a number; allowed: 1..5000, a whole number"},
    {"workers = \"\"", "c:1: workers: \"\" is not a number; allowed: 1..5000, a whole number"},
    {"workers = 1k", "c:1: workers: \"1k\" does not end with a known unit; allowed: 1..5000, a whole number"},
    {"limit = 3G", "c:1: limit: \"3G\" is out of range; allowed: 1K..2G, octets, or with one of the units K, M, G"},
    {"limit = 9000000000G", "c:1: limit: \"9000000000G\" is out of range; allowed: 1K..2G, octets, or with one of the units K, M, G"},
    {"limit = 1KB", "c:1: limit: \"1KB\" does not end with a known unit; allowed: 1K..2G, octets, or with one of the units K, M, G"},
    {"limit = 1K5", "c:1: limit: \"1K5\" has no unit; allowed: 1K..2G, octets, or with one of the units K, M, G"},
    {"timeout = 5", "c:1: timeout: \"5\" has no unit; allowed: 100ms..1h, a time with its unit: ms, s, m, h, d, w"},
    {"timeout = 0", "c:1: timeout: \"0\" has no unit; allowed: 100ms..1h, a time with its unit: ms, s, m, h, d, w"},
    {"timeout = 5y", "c:1: timeout: \"5y\" does not end with a known unit; allowed: 100ms..1h, a time with its unit: ms, s, m, h, d, w"},
    {"timeout = 5M", "c:1: timeout: \"5M\" does not end with a known unit; allowed: 100ms..1h, a time with its unit: ms, s, m, h, d, w"},
    {"timeout = 1s1m", "c:1: timeout: \"1s1m\" does not end with a known unit; allowed: 100ms..1h, a time with its unit: ms, s, m, h, d, w"},
    {"timeout = 1d", "c:1: timeout: \"1d\" is out of range; allowed: 100ms..1h, a time with its unit: ms, s, m, h, d, w"},
    {"timeout = \"5 s\"", "c:1: timeout: \"5 s\" does not end with a known unit; allowed: 100ms..1h, a time with its unit: ms, s, m, h, d, w"},
    {"debug = true", "c:1: debug: \"true\" is neither yes nor no; allowed: yes, no"},
    {"spool = var", "c:1: spool: \"var\" does not begin with /; allowed: an absolute path"},
    {"banner = \"caf\303\251\"", "c:1: banner: \"caf\303\251\" holds more than printable ASCII; allowed: printable ASCII; in quotes where it holds blanks"},
    {"words = { a, \"\" }", "c:1: words: \"\" is empty; allowed: printable ASCII; in quotes where it holds blanks"},
    {"words = {\n a,\n \"\t\" }", "c:3: words: \"?\" holds more than printable ASCII; allowed: printable ASCII; in quotes where it holds blanks"},
    {"steps = { 2:2s, 2:3s }", "c:1: steps: \"2:3s\" has no more points than the step before it; allowed: 100ms..1h, " STEPS},
    {"steps = {\n 5:2s,\n 2:3s }", "c:3: steps: \"2:3s\" has no more points than the step before it; allowed: 100ms..1h, " STEPS},
    {"steps = 2", "c:1: steps: \"2\" is no step; allowed: 100ms..1h, " STEPS},
    {"steps = :2s", "c:1: steps: \":2s\" is no step; allowed: 100ms..1h, " STEPS},
    {"steps = 2:", "c:1: steps: \"2:\" is no step; allowed: 100ms..1h, " STEPS},
    {"steps = x:2s", "c:1: steps: \"x:2s\" is not a number; allowed: 100ms..1h, " STEPS},
    {"steps = 2:2", "c:1: steps: \"2:2\" has no unit; allowed: 100ms..1h, " STEPS},
    {"steps = 2:2h", "c:1: steps: \"2:2h\" is out of range; allowed: 100ms..1h, " STEPS},
    {"steps = 1000001:2s", "c:1: steps: \"1000001:2s\" is out of range; allowed: 100ms..1h, " STEPS},
    {"outgoing { mode = maybe }", "c:1: outgoing: mode: \"maybe\" is none of the choices; allowed: none, may, require"},
    {"outgoing { mode = none|may }", "c:1: outgoing: mode: \"none|may\" is none of the choices; allowed: none, may, require"},
    {"listener a {\n address = host:25 }", "c:2: listener a: address: \"host:25\" is not an endpoint; allowed: 192.0.2.1:25, [2001:db8::1]:25 or unix:/path"},
    {"policy a { dnsbl {\n allow = { 10.0.0.0/8,\n host } } }", "c:3: policy a: dnsbl: allow: \"host\" is not a network; allowed: 192.0.2.0/24, 2001:db8::/32 or an address, with no bit set behind the prefix"},
    {"policy a { dnsbl {\n rate = 30 } }", "c:2: policy a: dnsbl: rate: \"30\" has no time behind a /; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = 30/ } }", "c:2: policy a: dnsbl: rate: \"30/\" has no time behind a /; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = /1m } }", "c:2: policy a: dnsbl: rate: \"/1m\" is not a number; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = 30/1 } }", "c:2: policy a: dnsbl: rate: \"30/1\" has no unit; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = 30/m } }", "c:2: policy a: dnsbl: rate: \"30/m\" is not a number; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = x/1m } }", "c:2: policy a: dnsbl: rate: \"x/1m\" is not a number; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = 30X/1m } }", "c:2: policy a: dnsbl: rate: \"30X/1m\" does not end with a known unit; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = 0/1m } }", "c:2: policy a: dnsbl: rate: \"0/1m\" is out of range; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = 30/0s } }", "c:2: policy a: dnsbl: rate: \"30/0s\" is out of range; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = 1/32d } }", "c:2: policy a: dnsbl: rate: \"1/32d\" is out of range; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = 9999G/1d } }", "c:2: policy a: dnsbl: rate: \"9999G/1d\" is out of range; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = 30/1m/2 } }", "c:2: policy a: dnsbl: rate: \"30/1m/2\" does not end with a known unit; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n rate = { 1/1m,\n 2 } } }", "c:3: policy a: dnsbl: rate: \"2\" has no time behind a /; allowed: a number, or octets with a unit, in a time of 31d at most: 30/1m, 500/1d, 10M/1h"},
    {"policy a { dnsbl {\n keys = sender+ } }", "c:2: policy a: dnsbl: keys: \"sender+\" is not made of these choices; allowed: client, sender, login, or several with + between them"},
    {"policy a { dnsbl {\n keys = +sender } }", "c:2: policy a: dnsbl: keys: \"+sender\" is not made of these choices; allowed: client, sender, login, or several with + between them"},
    {"policy a { dnsbl {\n keys = client+x } }", "c:2: policy a: dnsbl: keys: \"client+x\" is not made of these choices; allowed: client, sender, login, or several with + between them"},
    {"policy a { dnsbl {\n keys = client+CLIENT } }", "c:2: policy a: dnsbl: keys: \"client+CLIENT\" names one of them twice; allowed: client, sender, login, or several with + between them"},
    {"policy a { dnsbl {\n keys = client|sender } }", "c:2: policy a: dnsbl: keys: \"client|sender\" is not made of these choices; allowed: client, sender, login, or several with + between them"},
    {"banner = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\177\"", "c:1: the control character 0x7f; only text is allowed"},
};

static const struct wrong names[] = {
    {"worker = 1", "c:1: \"worker\" is not known here; did you mean workers? allowed: hostname, banner, spool, workers, limit, timeout, debug, words, steps, outgoing, listener, backend, policy"},
    {"xyzzy = 1", "c:1: \"xyzzy\" is not known here; allowed: hostname, banner, spool, workers, limit, timeout, debug, words, steps, outgoing, listener, backend, policy"},
    {"max_errors = 1", "c:1: \"max_errors\" is not known here; it belongs into listener; allowed: hostname, banner, spool, workers, limit, timeout, debug, words, steps, outgoing, listener, backend, policy"},
    {"policy a {\n hostname = b.c }", "c:2: policy a: \"hostname\" is not known here; it belongs into the top level, outside of all blocks; allowed: dnsbl"},
    {"policy a { dnsbl { list b {\n scores = 1 } } }", "c:2: policy a: dnsbl: list b: \"scores\" is not known here; did you mean score? allowed: score"},
    {"filter a { }", "c:1: \"filter\" is not known here; allowed: hostname, banner, spool, workers, limit, timeout, debug, words, steps, outgoing, listener, backend, policy"},
    {"outgoing|mode = may", "c:1: \"outgoing|mode\" is no name; a name is not empty, has no | and 255 characters at most"},
    {"\"\" = 1", "c:1: \"\" is no name; a name is not empty, has no | and 255 characters at most"},
    {"policy '' { }", "c:1: \"\" is no name; a name is not empty, has no | and 255 characters at most"},
    {"workers = 1\nworkers = 1", "c:2: workers: is written a second time; the first stands at c:1"},
    {"words = { a }\n\nwords = b", "c:3: words: is written a second time; the first stands at c:1"},
    {"words = {}\nwords = {}", "c:2: words: is written a second time; the first stands at c:1"},
    {"words = {}\nwords = a", "c:2: words: is written a second time; the first stands at c:1"},
    {"outgoing {\n}\noutgoing { }", "c:3: outgoing: is written a second time; the first stands at c:1"},
    {"policy a { }\n policy b { } policy\na { }", "c:3: policy: a is written a second time; the first stands at c:1"},
    {"policy a { dnsbl { } dnsbl { } }", "c:1: policy a: dnsbl: is written a second time; the first stands at c:1"},
};

static const struct wrong grammar[] = {
    {"workers 5\n", "c:1: workers: is an option; write workers = value"},
    {"workers { }", "c:1: workers: is an option; write workers = value"},
    {"workers = { 1 }", "c:1: workers: takes one value; a list in { } was found"},
    {"workers =\n5", "c:1: workers: no value; it has to begin on the line of the ="},
    {"outgoing { mode = # may\n may }", "c:1: outgoing: mode: no value; it has to begin on the line of the ="},
    {"workers = /* 5\n */ 5", "c:1: workers: no value; it has to begin on the line of the ="},
    {"workers += 5", "c:1: workers: is an option; write workers = value"},
    {"workers == 5", "c:1: \"=\" is not expected here; allowed: name = value, name = { a, b }, or a block { .. }"},
    {"= 5", "c:1: \"=\" is not expected here; allowed: name = value, name = { a, b }, or a block { .. }"},
    {"workers = 5, 6", "c:1: \",\" is not expected here; allowed: name = value, name = { a, b }, or a block { .. }"},
    {"words = a=b", "c:1: \"=\" is not expected here; allowed: name = value, name = { a, b }, or a block { .. }"},
    {"{ }", "c:1: \"{\" is not expected here; allowed: name = value, name = { a, b }, or a block { .. }"},
    {"outgoing = may", "c:1: outgoing: is a block; its { is missing here"},
    {"outgoing x { }", "c:1: outgoing: is a block; its { is missing here"},
    {"policy { }", "c:1: policy: has no name; write policy NAME { .. }"},
    {"policy a b { }", "c:1: policy: is a block; its { is missing here"},
    {"words = { a b }", "c:1: words: a comma or the closing } of the list is missing before \"b\"; the list begins in line 1"},
    {"policy p { dnsbl { allow = { 10.0.0.0/8\n mode = off } } }", "c:2: policy p: dnsbl: allow: a comma or the closing } of the list is missing before \"mode\"; the list begins in line 1"},
    {"words = { a,\nworkers = 1", "c:2: words: a = inside a list; the closing } of the list that begins in line 1 may be missing, or quotes around the value"},
    {"words = { a, { b } }", "c:1: words: a { inside a list; the closing } of the list that begins in line 1 may be missing"},
    {"words = { , }", "c:1: \",\" is not expected here; allowed: name = value, name = { a, b }, or a block { .. }"},
    {"workers = 5;", "c:1: workers: \";\" ends nothing here: leave it out, or put a value that holds one in quotes"},
    {"outgoing { };", "c:1: \";\" ends nothing here: leave it out, or put a value that holds one in quotes"},
    {"banner = ${HOME}", "c:1: banner: \"${\" looks like a variable of the environment, and those are not expanded; in texts write \"%{name}\", or put it in single quotes to mean it as it stands"},
    {"banner = \"a ${HOME}\"", "c:1: banner: \"${\" looks like a variable of the environment, and those are not expanded; in texts write \"%{name}\", or put it in single quotes to mean it as it stands"},
    {"banner = %{x}", "c:1: banner: a { inside a word; put the whole value in quotes"},
    {"banner = a\"b\"", "c:1: banner: a quote inside a word; put the whole value in quotes"},
    {"banner = \"a\"b", "c:1: banner: something stands right behind a closing quote; put the whole value in quotes"},
    {"banner = 'a'\"b\"", "c:1: banner: something stands right behind a closing quote; put the whole value in quotes"},
    {"banner = \"a\\n\"", "c:1: banner: a backslash in double quotes goes before \" or \\ only; write \\\\ or use single quotes"},
    {"banner = \"a\nb\"", "c:1: banner: the quote that begins here does not end on its line"},
    {"banner = 'a", "c:1: banner: the quote that begins here does not end on its line"},
    {"banner = \"a\\\"", "c:1: banner: the quote that begins here does not end on its line"},
    {"\n}", "c:2: one } too many: no block that begins in this file is open here"},
    {"policy a {\n dnsbl {\n }", "c:1: the { of \"policy a\" is never closed in this file; its } is missing, or that of something inside"},
    {"policy a {\n dnsbl {\n list b {\n score = 1 }", "c:2: policy a: the { of \"dnsbl\" is never closed in this file; its } is missing, or that of something inside"},
    {"/* never\n", "c:1: the comment that begins here never ends; */ is missing"},
};

static const struct wrong meanings[] = {
    {"listener b { address = 127.0.0.1:1 backend = no }", "c:1: listener b: backend: there is no backend \"no\"; allowed: postfix"},
    {"listener b { address = 127.0.0.1:1 backend = postfix\n policy = no }", "c:2: listener b: policy: there is no policy \"no\"; allowed: none is there"},
    {"\nlistener b {\n backend = postfix }", "c:2: listener b: address: is not set, and has to be; allowed: 192.0.2.1:25, [2001:db8::1]:25 or unix:/path"},
    {"listener b { address = 127.0.0.1:1 }", "c:1: listener b: backend: is not set, and has to be; allowed: the name of a backend"},
    {"listener b { address = {} backend = postfix }", "c:1: listener b: address: the list may not be empty"},
    {"policy a { dnsbl {\n list b\n {\n } } }", "c:3: policy a: dnsbl: list b: score: is not set, and has to be; allowed: 1..100, a whole number"},
    {"outgoing {\n mode = may }", "c:2: outgoing: mode: needs a certificate"},
    {"listener b { address = 127.0.0.1:1 backend = postfix\n\n tls { mode = may } }", "c:3: listener b: tls: mode: needs a certificate"},
    {"workers = 1\nlistener b { address = 127.0.0.1:1 backend = postfix }", "c:1: workers: 1 is less than one for each of 2 listeners"},
};

/* Alone, without the rest. */
static const struct wrong whole[] = {
    {"", "c:1: hostname: is not set, and has to be; allowed: a fully qualified host name like mx1.example.org"},
    {"\n\nhostname = a.b\n", "c:1: listener: none is there; at least one listener NAME { .. } is needed"},
    {"hostname = localhost", "c:1: hostname: \"localhost\" has no domain; allowed: a fully qualified host name like mx1.example.org"},
    {"hostname = 192.0.2.1", "c:1: hostname: \"192.0.2.1\" looks like an address; allowed: a fully qualified host name like mx1.example.org"},
    {"hostname = a.b.", "c:1: hostname: \"a.b.\" is not a host name; allowed: a fully qualified host name like mx1.example.org"},
    {"hostname = a..b", "c:1: hostname: \"a..b\" is not a host name; allowed: a fully qualified host name like mx1.example.org"},
    {"hostname = a_b.c", "c:1: hostname: \"a_b.c\" is not a host name; allowed: a fully qualified host name like mx1.example.org"},
    {"hostname = -a.c", "c:1: hostname: \"-a.c\" is not a host name; allowed: a fully qualified host name like mx1.example.org"},
    {"hostname = ", "c:1: hostname: no value; the file ends behind the ="},
    {"\nhostname", "c:2: hostname: neither a = nor a {; the file ends here"},
    {"listener a", "c:1: listener: neither a = nor a {; the file ends here"},
    {"listener a {", "c:1: the { of \"listener a\" is never closed in this file; its } is missing, or that of something inside"},
    {"words = { a,", "c:1: the { of \"words\" is never closed in this file; its } is missing, or that of something inside"},
};

/* clang-format on */

static void check_table(const struct wrong *table, size_t count, const char *rest)
{
    char text[2048];

    for (size_t i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%s%s", table[i].text, rest);
        expect_error(&sample_block, text, table[i].why);
    }
}

#define TABLE_TEST(table, rest)                                                                                        \
    static void refuses_##table(void **state)                                                                          \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        check_table(table, sizeof table / sizeof table[0], rest);                                                      \
    }
TABLE_TEST(values, "\n" SAMPLE)
TABLE_TEST(names, "\n" SAMPLE)
TABLE_TEST(grammar, "\n" SAMPLE)
TABLE_TEST(meanings, "\n" SAMPLE)
TABLE_TEST(whole, "")

/* A long complaint is cut, never overrun. */
static void a_small_buffer_is_enough(void **state)
{
    (void)state;
    char why[12] = "###########";
    write_file("c", "workers = 0\n");
    assert_null(config_load("c", &sample_block, why, sizeof why - 1));
    assert_string_equal(why, "c:1: hostn");
    assert_null(config_load("c", &sample_block, why, 1));
    assert_string_equal(why, "");
}

/* Files that are nearly right, changed at random places: read or refused with a place, never worse. The numbers are the
 * same in each run. */
static void changed_files_are_read_or_refused(void **state)
{
    (void)state;
    static const char good[] =
        "hostname = mx.example.org # c\nwords = { a, 'b c', \"d\\\"\" }\n/* x */ listener mx { address = 127.0.0.1:25\n"
        "backend = b tls { mode = may certificate = /c } }\nbackend b { address = unix:/s }\ninclude none*\n"
        "policy p { dnsbl { allow = 10.0.0.0/8 list z.y { score = 7 } } }\n";
    static const char odd[] = "{}=,;\"'#/*\\\n $|\001\377a1";
    uint32_t random = 1;

    for (int round = 0; round < 1000; round++) {
        char text[sizeof good], why[WHY_MAX];
        memcpy(text, good, sizeof good);
        for (int change = 0; change <= round % 4; change++) {
            random = random * 1664525u + 1013904223u;
            text[(random >> 8) % (sizeof good - 1)] = odd[(random >> 20) % (sizeof odd - 1)];
        }
        write_octets("c", text, sizeof good - 1);
        struct config *config = config_load("c", &sample_block, why, sizeof why);
        if (config == NULL)
            assert_memory_equal(why, "c:", 2);
        config_free(&config);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        config_test_case(refuses_values),
        config_test_case(refuses_names),
        config_test_case(refuses_grammar),
        config_test_case(refuses_meanings),
        config_test_case(refuses_whole),
        config_test_case(a_small_buffer_is_enough),
        config_test_case(changed_files_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
