/* SPDX-License-Identifier: ISC
 *
 * Proves that a silence of the name servers is news once, that its end is, and that neither comes often; and that what
 * is damaged does no more than that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/silence.h"

static struct silence silence;

static int set_up(void **state)
{
    (void)state;
    silence = (struct silence){0};
    return 0;
}

/* So many sessions that hear nothing; the last one's news. */
static enum silence_news hear_nothing(int sessions, int64_t now_ms)
{
    enum silence_news news = SILENCE_NO_NEWS;
    for (int i = 0; i < sessions; i++)
        news = silence_note(&silence, false, now_ms);
    return news;
}

static void several_in_a_row_are_news_once(void **state)
{
    (void)state;
    assert_int_equal(hear_nothing(SILENCE_SESSIONS - 1, 1000), SILENCE_NO_NEWS);
    assert_false(silence_is_told(&silence));
    assert_int_equal(hear_nothing(1, 1000), SILENCE_BEGAN);
    assert_true(silence_is_told(&silence));
    for (int64_t ms = 1000; ms < 100 * SILENCE_QUIET_MS; ms += SILENCE_QUIET_MS / 2)
        assert_int_equal(hear_nothing(1, ms), SILENCE_NO_NEWS);
}

static void one_that_hears_begins_the_count_anew(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(hear_nothing(SILENCE_SESSIONS - 1, 1000), SILENCE_NO_NEWS);
        assert_int_equal(silence_note(&silence, true, 1000), SILENCE_NO_NEWS);
    }
}

static void its_end_is_news_once(void **state)
{
    (void)state;
    hear_nothing(SILENCE_SESSIONS, 1000);
    assert_int_equal(silence_note(&silence, true, 1001), SILENCE_ENDED);
    assert_int_equal(silence_note(&silence, true, 1002), SILENCE_NO_NEWS);
    assert_false(silence_is_told(&silence));
}

static void another_one_soon_after_waits(void **state)
{
    (void)state;
    hear_nothing(SILENCE_SESSIONS, 1000);
    silence_note(&silence, true, 1001);
    assert_int_equal(hear_nothing(SILENCE_SESSIONS, 1000 + SILENCE_QUIET_MS - 1), SILENCE_NO_NEWS);
    assert_int_equal(silence_note(&silence, true, 1000 + SILENCE_QUIET_MS - 1), SILENCE_NO_NEWS);
    assert_int_equal(hear_nothing(SILENCE_SESSIONS - 1, 1000 + SILENCE_QUIET_MS - 1), SILENCE_NO_NEWS);
    assert_int_equal(hear_nothing(1, 1000 + SILENCE_QUIET_MS), SILENCE_BEGAN);
}

static void damage_mends_itself(void **state)
{
    (void)state;
    silence.sessions = silence.is_told = UINT32_MAX;
    silence.told_ms = INT64_MAX;
    assert_int_equal(silence_note(&silence, true, 1000), SILENCE_ENDED);
    assert_int_equal(hear_nothing(SILENCE_SESSIONS, 1000), SILENCE_BEGAN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(several_in_a_row_are_news_once, set_up),
        cmocka_unit_test_setup(one_that_hears_begins_the_count_anew, set_up),
        cmocka_unit_test_setup(its_end_is_news_once, set_up),
        cmocka_unit_test_setup(another_one_soon_after_waits, set_up),
        cmocka_unit_test_setup(damage_mends_itself, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
