/* SPDX-License-Identifier: ISC
 *
 * translate, xclient, queue ids and verdicts: the pure units of workers/.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "workers/report.h"
#include "workers/translate.h"
#include "workers/verdict.h"

static void replies_pass_whole(void **state)
{
    static const struct {
        struct reply inside;
        const char *enhanced;
    } table[] = {
        {REPLY(250, "2.1.0", "Ok"), "2.1.0"}, {REPLY(250, "", "Ok"), "2.0.0"},  {REPLY(550, "", "no"), "5.0.0"},
        {REPLY(354, "", "go on"), ""},        {REPLY(421, "", "bye"), "4.0.0"}, {REPLY(451, "4.3.2", "a\nb"), "4.3.2"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct reply outside = translate(&table[i].inside);
        assert_int_equal(outside.code, table[i].inside.code);
        assert_string_equal(outside.enhanced, table[i].enhanced);
        assert_true(slice_equal(outside.text, table[i].inside.text));
    }
}

static void queue_ids_are_found(void **state)
{
    static const struct {
        const char *text, *id;
    } table[] = {
        {"Ok: queued as 4XyZ123abc", "4XyZ123abc"},
        {"OK id=1tEXmB-0001ab-2C", "1tEXmB-0001ab-2C"},
        {"4ALLqkXd012345 Message accepted for delivery", "4ALLqkXd012345"},
        {"a1b2c3d4 Message accepted for delivery", "a1b2c3d4"},
        {"Ok", ""},
        {"thank you", ""},
        {"", ""},
        {"queued as \"x\"", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct slice id = report_queue_id(slice_of(table[i].text));
        if (!slice_equal(id, slice_of(table[i].id)))
            fail_msg("%s: %.*s", table[i].text, SLICE_ARGS(id));
    }
}

static void verdicts_combine(void **state)
{
    struct verdict a = {.action = ACTION_DEFER, .reason = "a", .score = 2, .delay_ms = 500, .rate_bytes = 100};
    struct verdict b = {.action = ACTION_REJECT, .reason = "b", .score = -1, .delay_ms = 200};
    (void)state;
    struct verdict both = verdict_combine(&a, &b);
    assert_int_equal(both.action, ACTION_REJECT);
    assert_string_equal(both.reason, "b");
    assert_int_equal(both.score, 1);
    assert_int_equal(both.delay_ms, 500);
    assert_int_equal(both.rate_bytes, 100);
    both = verdict_combine(&b, &a);
    assert_string_equal(both.reason, "b");
    b.action = ACTION_DEFER; /* the first of two equals speaks */
    both = verdict_combine(&a, &b);
    assert_string_equal(both.reason, "a");
    assert_false(verdict_refuses(&VERDICT_NONE));
    assert_true(verdict_refuses(&both));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_pass_whole),
        cmocka_unit_test(queue_ids_are_found),
        cmocka_unit_test(verdicts_combine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
