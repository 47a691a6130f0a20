/* SPDX-License-Identifier: ISC
 *
 * decide_options: recipients that are exempt, delays by points, and what is refused in postern.conf. */
#include "tests/unit/config_fixture.h"
#include "workers/decide_options.h"

struct policy_sample {
    struct decide_options decide;
};

static bool check(struct config *config, const void *filled)
{
    const struct policy_sample *sample = filled;
    return decide_options_check(config, filled, &sample->decide);
}

static const struct option_group groups[] = {{decide_option_rows, 0}, {NULL, 0}};
static const struct block block = {.size = sizeof(struct policy_sample), .groups = groups, .check = check};

static bool is_exempt(const struct config *config, const char *path_text)
{
    const struct policy_sample *sample = config_root(config);
    struct slice rest = slice_of(path_text);
    struct path path;
    assert_int_equal(path_parse(&rest, false, &path), PATH_FINE);
    return decide_options_exempt(&sample->decide, &path);
}

static void postmaster_is_exempt_when_nobody_says_otherwise(void **state)
{
    (void)state;
    struct config *config = load_ok(&block, "");
    assert_true(is_exempt(config, "<postmaster>"));
    assert_true(is_exempt(config, "<PostMaster@example.org>"));
    assert_false(is_exempt(config, "<postmasters@example.org>"));
    assert_false(is_exempt(config, "<me@postmaster>"));
    config_free(&config);
}

static void addresses_and_domains_can_be_exempt(void **state)
{
    (void)state;
    struct config *config = load_ok(&block, "exempt = { abuse@example.org, @open.example, hostmaster }");
    assert_true(is_exempt(config, "<Abuse@Example.ORG>"));
    assert_true(is_exempt(config, "<abuse@example.org.>"));
    assert_false(is_exempt(config, "<abuse@example.com>"));
    assert_false(is_exempt(config, "<abuse@sub.example.org>"));
    assert_true(is_exempt(config, "<anybody@OPEN.example>"));
    assert_true(is_exempt(config, "<hostmaster@example.com>"));
    assert_false(is_exempt(config, "<postmaster@example.org>"));
    config_free(&config);
}

static void nobody_can_be(void **state)
{
    (void)state;
    struct config *config = load_ok(&block, "exempt = { }");
    assert_false(is_exempt(config, "<postmaster>"));
    config_free(&config);
}

static void delays_go_by_points(void **state)
{
    (void)state;
    struct config *config = load_ok(&block, "delay = { 2:2s, 5:10s }");
    const struct policy_sample *sample = config_root(config);
    const int points[] = {-3, 0, 1, 2, 4, 5, 1000};
    const int64_t ms[] = {0, 0, 0, 2000, 2000, 10000, 10000};
    for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++)
        assert_int_equal(decide_options_delay(&sample->decide, points[i]), ms[i]);
    config_free(&config);
}

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } wrong[] = {
        {"defer_at = 5 reject_at = 4", "c:1: reject_at: 4 is less than defer_at, 5: nobody would ever be deferred"},
        {"exempt = \"a b\"", "c:1: exempt: 'a b' matches nothing; write postmaster for every domain, "
                             "abuse@example.org, or @example.org for all of a domain"},
        {"exempt = { postmaster, @ }", "c:1: exempt: '@' matches nothing; write postmaster for every domain, "
                                       "abuse@example.org, or @example.org for all of a domain"},
        {"exempt = postmaster@", "c:1: exempt: 'postmaster@' matches nothing; write postmaster for every domain, "
                                 "abuse@example.org, or @example.org for all of a domain"},
        {"exempt = @a..b", "c:1: exempt: '@a..b' matches nothing; write postmaster for every domain, "
                           "abuse@example.org, or @example.org for all of a domain"},
        {"exempt = a@b>", "c:1: exempt: 'a@b>' matches nothing; write postmaster for every domain, "
                          "abuse@example.org, or @example.org for all of a domain"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        expect_error(&block, wrong[i].text, wrong[i].why);
    struct config *config = load_ok(&block, "defer_at = 5 reject_at = 5");
    config_free(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(postmaster_is_exempt_when_nobody_says_otherwise),
        cmocka_unit_test(addresses_and_domains_can_be_exempt),
        cmocka_unit_test(nobody_can_be),
        cmocka_unit_test(delays_go_by_points),
        cmocka_unit_test(what_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests_name("decide_options", tests, enter_directory, leave_directory);
}
