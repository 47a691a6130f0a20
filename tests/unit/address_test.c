/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/smtp/address.h"

static const struct {
    const char *text;
    enum path_fault fault;
    const char *printed, *rest;
} paths[] = {
    /* clang-format off */
    { "<a@b.example>",                  PATH_FINE, "<a@b.example>",           "" },
    { "<a@b.example> SIZE=1",           PATH_FINE, "<a@b.example>",           " SIZE=1" },
    { "<>",                             PATH_FINE, "<>",                      "" },
    { "<> BODY=7BIT",                   PATH_FINE, "<>",                      " BODY=7BIT" },
    /* sloppy */
    { " \t<a@b>",                       PATH_FINE, "<a@b>",                   "" },
    { "a@b",                            PATH_FINE, "<a@b>",                   "" },
    { " a@b SIZE=1",                    PATH_FINE, "<a@b>",                   " SIZE=1" },
    { "<a@b>\tSIZE=1",                  PATH_FINE, "<a@b>",                   "\tSIZE=1" },
    { "<Postmaster>",                   PATH_FINE, "<Postmaster>",            "" },
    { "postmaster",                     PATH_FINE, "<postmaster>",            "" },
    { "<.a..b.@c>",                     PATH_FINE, "<.a..b.@c>",              "" },
    { "<a@b.>",                         PATH_FINE, "<a@b.>",                  "" },
    { "<a@my_host.-x>",                 PATH_FINE, "<a@my_host.-x>",          "" },
    { "<a!b%c#$&'*+-/=?^_`{|}~@d>",     PATH_FINE, "<a!b%c#$&'*+-/=?^_`{|}~@d>", "" },
    /* quotes */
    { "<\"a b\"@c>",                    PATH_FINE, "<\"a b\"@c>",             "" },
    { "<\"a@b\"@c> X",                  PATH_FINE, "<\"a@b\"@c>",             " X" },
    { "<\"a\\\"> b\"@c>",               PATH_FINE, "<\"a\\\"> b\"@c>",        "" },
    { "<\"a\".b.\"c\"@d>",              PATH_FINE, "<\"a\".b.\"c\"@d>",       "" },
    { "\"a b\"@c X",                    PATH_FINE, "<\"a b\"@c>",             " X" },
    { "<\"\"@c>",                       PATH_FINE, "<\"\"@c>",                "" },
    /* routes are dropped */
    { "<@r.example:a@b>",               PATH_FINE, "<a@b>",                   "" },
    { "<@r,@[IPv6:::1],@s:a@b>",        PATH_FINE, "<a@b>",                   "" },
    /* literals */
    { "<a@[192.0.2.1]>",                PATH_FINE, "<a@[192.0.2.1]>",         "" },
    { "<a@[ipv6:2001:db8::1]>",         PATH_FINE, "<a@[ipv6:2001:db8::1]>",  "" },
    { "<a@[IPv6:::ffff:192.0.2.1]>",    PATH_FINE, "<a@[IPv6:::ffff:192.0.2.1]>", "" },
    { "<a@[192.0.2.256]>",              PATH_BAD_DOMAIN, "", "" },
    { "<a@[2001:db8::1]>",              PATH_BAD_DOMAIN, "", "" },
    { "<a@[IPv6:192.0.2.1]>",           PATH_BAD_DOMAIN, "", "" },
    { "<a@[x400:c]>",                   PATH_BAD_DOMAIN, "", "" },
    { "<a@[]>",                         PATH_BAD_DOMAIN, "", "" },
    { "<a@[192.0.2.1>",                 PATH_BAD_DOMAIN, "", "" },
    { "<a@[192.0.2.1]x>",               PATH_SYNTAX,     "", "" },
    /* 8-bit */
    { "<\xc3\xbc@b\xc3\xbc.example>",   PATH_FINE, "<\xc3\xbc@b\xc3\xbc.example>", "" },
    { "<\"\xc3\xbc\"@b>",               PATH_FINE, "<\"\xc3\xbc\"@b>",        "" },
    { "<\xfc@b>",                       PATH_BAD_UTF8,   "", "" },
    { "<a@\xc3>",                       PATH_BAD_UTF8,   "", "" },
    { "<\xc2\x85@b>",                   PATH_SYNTAX,     "", "" },
    { "<a@\xe2\x80\xa8>",               PATH_BAD_DOMAIN, "", "" },
    /* nothing there */
    { "",                               PATH_MISSING,    "", "" },
    { " \t ",                           PATH_MISSING,    "", "" },
    /* what could mean two things */
    { "<a@b@c>",                        PATH_SYNTAX,     "", "" },
    { "a@b@c",                          PATH_SYNTAX,     "", "" },
    { "<a@b>c",                         PATH_SYNTAX,     "", "" },
    { "<a@b>SIZE=1",                    PATH_SYNTAX,     "", "" },
    { "<a@b>>",                         PATH_SYNTAX,     "", "" },
    { "<<a@b>>",                        PATH_SYNTAX,     "", "" },
    { "<a@b",                           PATH_SYNTAX,     "", "" },
    { "a@b>",                           PATH_SYNTAX,     "", "" },
    { "<a b@c>",                        PATH_SYNTAX,     "", "" },
    { "< a@b>",                         PATH_SYNTAX,     "", "" },
    { "<a@b >",                         PATH_SYNTAX,     "", "" },
    { "<a@b c>",                        PATH_SYNTAX,     "", "" },
    { "<\"a@b>",                        PATH_SYNTAX,     "", "" },
    { "<\"a\\",                         PATH_SYNTAX,     "", "" },
    { "<a\"b\"@c>",                     PATH_SYNTAX,     "", "" },
    { "<\"a\"b@c>",                     PATH_SYNTAX,     "", "" },
    { "<a\\ b@c>",                      PATH_SYNTAX,     "", "" },
    { "<a(x)@b>",                       PATH_SYNTAX,     "", "" },
    { "<a@b(x)>",                       PATH_SYNTAX,     "", "" },
    { "<a,b@c>",                        PATH_SYNTAX,     "", "" },
    { "<a:b@c>",                        PATH_SYNTAX,     "", "" },
    { "<a;b@c>",                        PATH_SYNTAX,     "", "" },
    { "<\"a\tb\"@c>",                   PATH_SYNTAX,     "", "" },
    { "<\"a\x1b\"@c>",                  PATH_SYNTAX,     "", "" },
    { "<\"a\\\x01\"@c>",                PATH_SYNTAX,     "", "" },
    { "<@b>",                           PATH_SYNTAX,     "", "" },
    { "<@r:>",                          PATH_SYNTAX,     "", "" },
    { "<@r@s:a@b>",                     PATH_SYNTAX,     "", "" },
    { "<@r,:a@b>",                      PATH_SYNTAX,     "", "" },
    { "<@r..s:a@b>",                    PATH_BAD_DOMAIN, "", "" },
    { ">",                              PATH_SYNTAX,     "", "" },
    { "<",                              PATH_SYNTAX,     "", "" },
    { "@",                              PATH_BAD_DOMAIN, "", "" },
    /* domains */
    { "<a@>",                           PATH_BAD_DOMAIN, "", "" },
    { "<a@.>",                          PATH_BAD_DOMAIN, "", "" },
    { "<a@b..c>",                       PATH_BAD_DOMAIN, "", "" },
    { "<a@.b>",                         PATH_BAD_DOMAIN, "", "" },
    { "<a@b/c>",                        PATH_BAD_DOMAIN, "", "" },
    { "<a@b!c>",                        PATH_BAD_DOMAIN, "", "" },
    { "<root>",                         PATH_BAD_DOMAIN, "", "" },
    { "SIZE=100",                       PATH_BAD_DOMAIN, "", "" },
    /* clang-format on */
};

static void paths_are_checked_and_printed_anew(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char memory[128];
        struct buffer to;
        struct path path;
        struct slice text = slice_of(paths[i].text);
        enum path_fault fault = path_parse(&text, true, &path);
        if (fault != paths[i].fault)
            fail_msg("%s: fault %d", paths[i].text, (int)fault);
        if (fault != PATH_FINE) {
            assert_int_equal(text.size, strlen(paths[i].text));
            assert_int_equal(path.local.size + path.domain.size, 0);
            continue;
        }
        buffer_init(&to, memory, sizeof memory);
        assert_true(path_print(&to, &path));
        if (!slice_equal(buffer_unread(&to), slice_of(paths[i].printed)) || !slice_equal(text, slice_of(paths[i].rest)))
            fail_msg("%s: %.*s", paths[i].text, SLICE_ARGS(buffer_unread(&to)));
        /* What is printed means the same when it is read again. */
        struct slice again = buffer_unread(&to);
        assert_int_equal(path_parse(&again, true, &path), PATH_FINE);
        assert_int_equal(again.size, 0);
    }
}

static struct path parse_fine(const char *text)
{
    struct path path;
    struct slice rest = slice_of(text);
    assert_int_equal(path_parse(&rest, true, &path), PATH_FINE);
    return path;
}

static void parts_are_as_written(void **unused)
{
    (void)unused;
    struct path path = parse_fine("<@r:\"a b\"@[192.0.2.1]>");
    assert_true(path.has_route);
    assert_false(path.is_null || path.has_8bit);
    assert_true(slice_equal(path.local, slice_of("\"a b\"")));
    assert_true(slice_equal(path.domain, slice_of("[192.0.2.1]")));
    path = parse_fine("<a@b\xc3\xbc>");
    assert_true(path.has_8bit);
    assert_false(path.has_route);
    assert_true(parse_fine("<>").is_null);
    struct slice null = slice_of("<>");
    assert_int_equal(path_parse(&null, false, &path), PATH_SYNTAX);
}

static void routing_in_the_local_part_is_seen(void **unused)
{
    (void)unused;
    static const char *const routed[] = {"<a%b@c>", "<a!b@c>", "<\"a@b\"@c>", "<\"a%b\"@c>", "<\"a\\!b\"@c>"};
    for (size_t i = 0; i < sizeof routed / sizeof *routed; i++) {
        struct path path = parse_fine(routed[i]);
        assert_true(path_local_has_routing(&path));
    }
    struct path path = parse_fine("<a.b+c@d>");
    assert_false(path_local_has_routing(&path));
}

static void postmaster_has_any_case_and_domain(void **unused)
{
    (void)unused;
    static const char *const theirs[] = {"<PostMaster>", "<postmaster@b>", "<\"Postmaster\"@b>"};
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++) {
        struct path path = parse_fine(theirs[i]);
        assert_true(path_is_postmaster(&path));
    }
    struct path path = parse_fine("<postmaster2@b>");
    assert_false(path_is_postmaster(&path));
}

static enum path_fault fault_of_sizes(size_t local_size, size_t label_size, size_t label_count)
{
    char text[2048];
    size_t size = 0;
    text[size++] = '<';
    memset(text + size, 'a', local_size);
    size += local_size;
    text[size++] = '@';
    for (size_t i = 0; i < label_count; i++) {
        if (i > 0)
            text[size++] = '.';
        memset(text + size, 'b', label_size);
        size += label_size;
    }
    text[size++] = '>';
    struct path path;
    struct slice rest = slice_make(text, size);
    return path_parse(&rest, true, &path);
}

static void long_ones_pass_up_to_their_limits(void **unused)
{
    (void)unused;
    assert_int_equal(fault_of_sizes(1020, 1, 1), PATH_FINE); /* 1024 with <@> */
    assert_int_equal(fault_of_sizes(1021, 1, 1), PATH_TOO_LONG);
    assert_int_equal(fault_of_sizes(1, 63, 4), PATH_FINE); /* 255 */
    assert_int_equal(fault_of_sizes(1, 1, 129), PATH_TOO_LONG);
    assert_int_equal(fault_of_sizes(1, 64, 1), PATH_BAD_DOMAIN);
}

static const struct {
    struct slice octets;
    bool is_valid, is_printable;
} utf8[] = {
    /* clang-format off */
    { SLICE(""),                     true,  true },
    { SLICE("abc ~"),                true,  true },
    { SLICE("\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"), true, true },
    { SLICE("\xf4\x8f\xbf\xbf"),     true,  true },   /* U+10FFFF */
    { SLICE("\xed\x9f\xbf\xee\x80\x80"), true, true },
    { SLICE("\0\x1f"),               true,  false },
    { SLICE("\x7f"),                 true,  false },
    { SLICE("\xc2\x80"),             true,  false },
    { SLICE("\xc2\x9f"),             true,  false },
    { SLICE("\xe2\x80\xa9"),         true,  false },
    { SLICE("\xc2\xa0"),             true,  true },
    { SLICE("\x80"),                 false, false },
    { SLICE("\xc3"),                 false, false },
    { SLICE("\xc3x"),                false, false },
    { SLICE("\xe2\x82"),             false, false },
    { SLICE("\xc0\xae"),             false, false },  /* overlong dot */
    { SLICE("\xc1\xbf"),             false, false },
    { SLICE("\xe0\x9f\xbf"),         false, false },
    { SLICE("\xf0\x8f\xbf\xbf"),     false, false },
    { SLICE("\xed\xa0\x80"),         false, false },  /* surrogate */
    { SLICE("\xed\xbf\xbf"),         false, false },
    { SLICE("\xf4\x90\x80\x80"),     false, false },  /* U+110000 */
    { SLICE("\xf8\x88\x80\x80\x80"), false, false },
    { SLICE("\xff"),                 false, false },
    /* clang-format on */
};

static void utf8_is_that_of_rfc_3629(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof utf8 / sizeof *utf8; i++)
        if (utf8_is_valid(utf8[i].octets) != utf8[i].is_valid ||
            utf8_is_printable(utf8[i].octets) != utf8[i].is_printable)
            fail_msg("row %zu", i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_are_checked_and_printed_anew), cmocka_unit_test(parts_are_as_written),
        cmocka_unit_test(routing_in_the_local_part_is_seen),  cmocka_unit_test(postmaster_has_any_case_and_domain),
        cmocka_unit_test(long_ones_pass_up_to_their_limits),  cmocka_unit_test(utf8_is_that_of_rfc_3629),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
