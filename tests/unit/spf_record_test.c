/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/spf/spf_record.h"
#include "workers/spf/spf_term.h"

#define FOUR "192.0.2.7"
#define SIX  "2001:db8::7"

static const struct {
    const char *client, *record, *rewritten; /* NULL: permerror */
} records[] = {
    /* clang-format off */
    /* what is decided without DNS */
    { FOUR, "v=spf1",                                      "" },
    { FOUR, "V=sPf1   -ALL  ",                             "-all" },
    { FOUR, "v=spf1 ip4:192.0.2.7 -all",                   "ip4:192.0.2.7" },
    { FOUR, "v=spf1 ?ip4:192.0.2.0/29 -all",               "?ip4:192.0.2.0/29" },
    { FOUR, "v=spf1 ip4:192.0.2.8/29 ip4:192.0.2.6/32 -all", "-all" },
    { FOUR, "v=spf1 ip4:192.0.2.7 garbage",                NULL },
    { FOUR, "v=spf1 -ip4:203.0.113.1/0 a",                 "-all" },
    { FOUR, "v=spf1 ip6:2001:db8::/32 ~all",               "~all" },
    { FOUR, "v=spf1 ip6:::ffff:192.0.2.7 ip6:::/0 ~all",   "~all" },
    { SIX,  "v=spf1 ip6:2001:DB8::/32 ~all",               "ip6:2001:DB8::/32" },
    { SIX,  "v=spf1 ip6:2001:db8::/128 ip4:192.0.2.7 -all", "-all" },
    { SIX,  "v=spf1 ip6:2001:db8:1111:2222:3333:4444:5555:6666/0", "all" },
    { FOUR, "v=spf1 ip4:192.0.2.7/33",                     NULL },
    { FOUR, "v=spf1 ip4:192.0.2.7/07",                     NULL },
    { FOUR, "v=spf1 ip4:192.0.2.7/",                       NULL },
    { FOUR, "v=spf1 ip4:192.0.2",                          NULL },
    { FOUR, "v=spf1 ip4:192.0.2.07",                       NULL },
    { FOUR, "v=spf1 ip4",                                  NULL },
    { FOUR, "v=spf1 ip4:",                                 NULL },
    { FOUR, "v=spf1 ip4/24",                               NULL },
    { SIX,  "v=spf1 ip6:2001:db8::/129",                   NULL },
    { SIX,  "v=spf1 ip6:2001:db8::%eth0",                  NULL },
    /* a, mx: one prefix is left */
    { FOUR, "v=spf1 a mx:b.example",                       "a mx:b.example" },
    { FOUR, "v=spf1 a/24 mx/24//64",                       "a/24 mx/24" },
    { SIX,  "v=spf1 a/24 mx/24//64",                       "a mx//64" },
    { SIX,  "v=spf1 a:b.example//128 a:b.example/32//127", "a:b.example a:b.example//127" },
    { FOUR, "v=spf1 a/0 -mx:b.example/0",                  "a:\001.%{d} -mx:\001.b.example" },
    { FOUR, "v=spf1 a//0 mx//0",                           "a mx" },
    { SIX,  "v=spf1 a//0",                                 "a:\001.%{d}" },
    { FOUR, "v=spf1 a:b.example/24/64",                    NULL },
    { FOUR, "v=spf1 a///64",                               NULL },
    { FOUR, "v=spf1 a/",                                   NULL },
    { FOUR, "v=spf1 a/24x",                                NULL },
    { FOUR, "v=spf1 a/99999999999999999999",               NULL },
    { FOUR, "v=spf1 a:foo:bar/baz.example",                "a:foo:bar/baz.example" },
    { FOUR, "v=spf1 ptr/24",                               NULL },
    { FOUR, "v=spf1 exists:b.example/24",                  NULL },
    /* domains */
    { FOUR, "v=spf1 include:b.example. exists:%{i}.b.example ptr", "include:b.example exists:%{i}.b.example ptr" },
    { FOUR, "v=spf1 include",                              NULL },
    { FOUR, "v=spf1 include:",                             NULL },
    { FOUR, "v=spf1 a:museum",                             NULL },
    { FOUR, "v=spf1 a:museum.",                            NULL },
    { FOUR, "v=spf1 a:.",                                  NULL },
    { FOUR, "v=spf1 a:..",                                 NULL },
    { FOUR, "v=spf1 a:.b",                                 "a:.b" },
    { FOUR, "v=spf1 a:b.123",                              NULL },
    { FOUR, "v=spf1 a:b.12-3",                             "a:b.12-3" },
    { FOUR, "v=spf1 a:b.-c",                               NULL },
    { FOUR, "v=spf1 a:b.c-",                               NULL },
    { FOUR, "v=spf1 a:b.c_d",                              NULL },
    { FOUR, "v=spf1 a:%{d}c",                              NULL },
    { FOUR, "v=spf1 a:b.%{d}c",                            NULL },
    { FOUR, "v=spf1 all:b.example",                        NULL },
    { FOUR, "v=spf1 all.",                                 NULL },
    /* macros */
    { FOUR, "v=spf1 a:%{d} a:%{D2r} a:%{l1r+-_=.}.b.example", "a:%{d} a:%{D2r} a:%{l1r+-_=.}.b.example" },
    { FOUR, "v=spf1 a:b%%%_%-.example a:b.%%",             "a:b%%%_%-.example a:b.%%" },
    { FOUR, "v=spf1 a:%{x}",                               NULL },
    { FOUR, "v=spf1 a:%{}",                                NULL },
    { FOUR, "v=spf1 a:%{d",                                NULL },
    { FOUR, "v=spf1 a:%(d}",                               NULL },
    { FOUR, "v=spf1 a:%",                                  NULL },
    { FOUR, "v=spf1 a:%{d0}",                              NULL },
    { FOUR, "v=spf1 a:%{d128}",                            "a:%{d128}" },
    { FOUR, "v=spf1 a:%{d129}",                            NULL },
    { FOUR, "v=spf1 a:%{d99999999999999999999}",           NULL },
    { FOUR, "v=spf1 a:%{d2r.x}",                           NULL },
    { FOUR, "v=spf1 a:%{l,}",                              NULL },
    { FOUR, "v=spf1 a:%{c}",                               NULL },
    { FOUR, "v=spf1 exp=%{r}.b.example",                   NULL },
    { FOUR, "v=spf1 later=%{r}%{c}%{t}",                   "" },
    /* modifiers */
    { FOUR, "v=spf1 redirect=b.example a",                 "a redirect=b.example" },
    { FOUR, "v=spf1 redirect=b.example -all",              "-all" },
    { FOUR, "v=spf1 -all redirect=b.example",              "-all" },
    { FOUR, "v=spf1 ip4:192.0.2.7 redirect=b.example",     "ip4:192.0.2.7" },
    { FOUR, "v=spf1 redirect=b.example redirect=b.example", NULL },
    { FOUR, "v=spf1 REDIRECT=b.example",                   "redirect=b.example" },
    { FOUR, "v=spf1 redirect:b.example",                   NULL },
    { FOUR, "v=spf1 +redirect=b.example",                  NULL },
    { FOUR, "v=spf1 redirect=",                            NULL },
    { FOUR, "v=spf1 exp=b.example -all",                   "-all" },
    { FOUR, "v=spf1 exp=b.example exp=b.example -all",     NULL },
    { FOUR, "v=spf1 exp= -all",                            NULL },
    { FOUR, "v=spf1 a-b_c.d=e:f/g a=b -all",               "-all" },
    { FOUR, "v=spf1 1up=foo",                              NULL },
    { FOUR, "v=spf1 =all",                                 NULL },
    { FOUR, "v=spf1 a/b=c",                                NULL },
    { FOUR, "v=spf1 default=%abc",                         NULL },
    /* words */
    { FOUR, "v=spf1 moo",                                  NULL },
    { FOUR, "v=spf1 -",                                    NULL },
    { FOUR, "v=spf1 !all",                                 NULL },
    { FOUR, "v=spf1 --all",                                NULL },
    { FOUR, "v=spf1 a\t-all",                              NULL },
    { FOUR, "v=spf1 a:b\xc3\xa9.example",                  NULL },
    { FOUR, "v=spf1 a:\001.b.example",                     NULL },
    { FOUR, "v=spf1 -all \x7f",                            NULL },
    /* no more than are evaluated */
    { FOUR, "v=spf1 a a a a a a a a a a a a a a -all",     "a a a a a a a a a a a" },
    { FOUR, "v=spf1 a a a a a a a a a a redirect=b.example", "a a a a a a a a a a redirect=b.example" },
    { FOUR, "v=spf1 a a a a a a a a a a a a moo",          NULL },
    /* clang-format on */
};

static bool rewrite(const char *client, struct slice record, struct buffer *out)
{
    struct ipaddr address;
    const char *why = NULL;
    struct slice culprit;
    assert_true(ipaddr_parse(slice_of(client), &address));
    bool good = spf_record_rewrite(record, &address, out, &why, &culprit);
    assert_true(good || why != NULL);
    return good;
}

static void records_are_checked_and_rewritten(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < sizeof records / sizeof *records; i++) {
        char text[SPF_REWRITTEN_MAX];
        struct buffer out;
        buffer_init(&out, text, sizeof text);
        bool good = rewrite(records[i].client, slice_of(records[i].record), &out);
        struct slice got = buffer_unread(&out);
        bool wanted = records[i].rewritten != NULL;
        if (good != wanted || (good && !slice_equal(got, slice_of(records[i].rewritten))))
            fail_msg("%s: %s \"%.*s\"", records[i].record, good ? "taken as" : "refused", SLICE_ARGS(got));
    }
}

static void a_record_begins_with_its_version(void **unused)
{
    (void)unused;
    static const char *const others[] = {"", "v=spf", "v=spf10", "v=spf1\t", " v=spf1", "v=spf2.0/pra", "v=spf1-all"};
    assert_true(spf_record_is_one(slice_of("v=spf1")));
    assert_true(spf_record_is_one(slice_of("V=SPF1 a")));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(spf_record_is_one(slice_of(others[i])));
}

static void a_nul_is_no_end(void **unused)
{
    (void)unused;
    static const char record[] = "v=spf1 a:b.example\0 -all", inner[] = "v=spf1 a:%{\0}";
    char text[SPF_REWRITTEN_MAX];
    struct buffer out;
    buffer_init(&out, text, sizeof text);
    assert_false(rewrite(FOUR, slice_make(record, sizeof record - 1), &out));
    assert_false(rewrite(FOUR, slice_make(inner, sizeof inner - 1), &out));
}

/* "a:" and so many of these, and a domain's end. */
static bool takes(const char *what, int times, const char *end)
{
    char record[4096] = "v=spf1 a:", text[SPF_REWRITTEN_MAX];
    struct buffer made, out;
    buffer_init(&made, record, sizeof record);
    buffer_put_text(&made, "v=spf1 a:");
    while (times-- > 0)
        buffer_put_text(&made, what);
    buffer_put_text(&made, end);
    assert_false(made.overflow);
    buffer_init(&out, text, sizeof text);
    return rewrite(FOUR, buffer_unread(&made), &out);
}

/* libspf2 has 255 octets for a literal, and 511 for all that it makes of a domain-spec. */
static void a_domain_is_only_so_long(void **unused)
{
    (void)unused;
    assert_true(takes("x", SPF_LITERAL_MAX - 2, ".b"));
    assert_false(takes("x", SPF_LITERAL_MAX - 1, ".b"));
    assert_true(takes("%-", SPF_LITERAL_MAX / 3, ""));
    assert_false(takes("%-", SPF_LITERAL_MAX / 3 + 1, ""));
    assert_true(takes("%{d}", SPF_SPEC_MAX / 4, ""));
    assert_false(takes("%{d}", SPF_SPEC_MAX / 4 + 1, ""));
    assert_true(takes("%{d}.", SPF_COMPILED_MAX / 12 - 1, "b"));
    assert_false(takes("%{d}.", SPF_COMPILED_MAX / 12 + 1, "b"));
    assert_false(takes("%{d}", 127,
                       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
                       "xxxxxxxxxxxxxxxx.example"));
}

static void a_long_record_fits_or_is_none(void **unused)
{
    (void)unused;
    char record[8192], text[SPF_REWRITTEN_MAX];
    struct buffer made, out;
    buffer_init(&made, record, sizeof record);
    buffer_put_text(&made, "v=spf1");
    for (int i = 0; i < 200; i++)
        buffer_print(&made, " ip4:198.51.100.%d", i);
    buffer_put_text(&made, " -all");
    buffer_init(&out, text, sizeof text);
    assert_true(rewrite(FOUR, buffer_unread(&made), &out));
    assert_true(slice_equal(buffer_unread(&out), slice_of("-all")));
    buffer_init(&out, text, 4);
    assert_true(rewrite(FOUR, buffer_unread(&made), &out));
    buffer_init(&out, text, 3);
    assert_false(rewrite(FOUR, buffer_unread(&made), &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_checked_and_rewritten),
        cmocka_unit_test(a_record_begins_with_its_version),
        cmocka_unit_test(a_nul_is_no_end),
        cmocka_unit_test(a_domain_is_only_so_long),
        cmocka_unit_test(a_long_record_fits_or_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
