/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/ctl/top_view.h"

#include "tests/unit/top_rig.h"

enum { PAGE = 2 };

static struct top_view view;
static struct top_model model;

static int clear(void **state)
{
    (void)state;
    top_view_clear(&view);
    top_model_clear(&model);
    view = (struct top_view){0};
    return 0;
}

static void hear(int pane, const char *text)
{
    struct answer answer = answer_of(text);
    top_model_take_listing(&model, &answer, pane);
    top_view_arrange(&view, &model, PAGE);
}

static void press(int key)
{
    top_view_key(&view, key);
    top_view_arrange(&view, &model, PAGE);
}

static void type(const char *text)
{
    for (; *text != '\0'; text++)
        press(*text);
}

static void assert_rows(const char *key, const char *expected)
{
    char found[TOP_NOTE_MAX] = "";
    size_t size = 0;
    for (int i = 0; i < view.rows.count; i++)
        size += (size_t)snprintf(found + size, sizeof(found) - size, "%s ", answer_text(view.rows.at[i], key));
    assert_string_equal(found, expected);
}

static void assert_asks(const char *expected)
{
    char question[TOP_NOTE_MAX];
    assert_true(top_view_question(&view, question));
    assert_string_equal(question, expected);
}

static const char SESSIONS[] = "session id=\"a1\" client=\"192.0.2.1\" age_ms=9000 score=1 errors=0 messages=2\n"
                               "session id=\"b2\" client=\"192.0.2.2\" age_ms=8000 score=-3 errors=5 messages=2\n"
                               "session id=\"c3\" client=\"2001:db8::3\" age_ms=7000 score=9 errors=0 messages=0\n"
                               "ok\n";

/* -- order */

static void test_sorted_by_what_was_chosen(void **state)
{
    (void)state;
    hear(TOP_SESSIONS, SESSIONS);
    assert_rows("id", "a1 b2 c3 ");
    press('s');
    assert_rows("id", "c3 a1 b2 ");
    press('s');
    assert_rows("id", "b2 a1 c3 "); /* equal ones stand as they came */
    press('s');
    assert_rows("id", "a1 b2 c3 ");
    press('r');
    assert_rows("id", "c3 b2 a1 ");
    press('s');
    assert_rows("id", "c3 b2 a1 ");
    press('r');
    assert_rows("id", "a1 b2 c3 ");
}

static void test_each_pane_has_its_own_order(void **state)
{
    (void)state;
    hear(TOP_SESSIONS, SESSIONS);
    press('s');
    press(TOP_KEY_TAB);
    assert_int_equal(view.pane, TOP_CLIENTS);
    assert_int_equal(view.rows.count, 0); /* what is known is of another pane */
    hear(TOP_CLIENTS, "client client=\"192.0.2.2\" sessions=1\nclient client=\"192.0.2.1\" sessions=4\nok\n");
    assert_rows("client", "192.0.2.2 192.0.2.1 ");
    press('s');
    assert_rows("client", "192.0.2.1 192.0.2.2 ");
    press('1');
    hear(TOP_SESSIONS, SESSIONS);
    assert_rows("id", "c3 a1 b2 ");
    press(TOP_KEY_BACK_TAB);
    assert_int_equal(view.pane, TOP_HITS);
    press('6');
    press('0');
    assert_int_equal(view.pane, TOP_HITS);
}

static void test_fields_that_are_not_there_come_last(void **state)
{
    (void)state;
    hear(TOP_SESSIONS,
         "session id=\"a\"\nsession id=\"b\" age_ms=1\nsession id=\"c\" age_ms=\"old\"\nother id=\"d\"\nok\n");
    assert_int_equal(view.rows.count, 3);
    assert_string_equal(answer_text(view.rows.at[2], "id"), "a");
}

static void test_filter(void **state)
{
    (void)state;
    hear(TOP_SESSIONS, SESSIONS);
    type("/DB8");
    assert_asks("show rows with: DB8");
    assert_int_equal(view.rows.count, 3);
    press(TOP_KEY_ENTER);
    assert_rows("id", "c3 ");
    press('/');
    press(TOP_KEY_ESCAPE);
    assert_rows("id", "c3 ");
    press('/');
    for (int i = 0; i < 5; i++)
        press(TOP_KEY_BACKSPACE);
    press(TOP_KEY_ENTER);
    assert_rows("id", "a1 b2 c3 ");
}

/* -- selection */

static void test_the_selected_one_stays_selected(void **state)
{
    (void)state;
    hear(TOP_SESSIONS, SESSIONS);
    press(TOP_KEY_DOWN);
    assert_string_equal(view.selected_key, "b2");
    hear(TOP_SESSIONS, "session id=\"z\" age_ms=9\nsession id=\"y\" age_ms=8\nsession id=\"b2\" age_ms=7\nok\n");
    assert_int_equal(view.selected, 2);
    assert_int_equal(view.first, 1);
    hear(TOP_SESSIONS, "session id=\"z\" age_ms=9\nsession id=\"y\" age_ms=8\nok\n");
    assert_int_equal(view.selected, 1); /* it has ended: the next one, or the last */
    assert_string_equal(view.selected_key, "y");
    hear(TOP_SESSIONS, "ok\n");
    assert_int_equal(view.selected, 0);
    assert_int_equal(view.first, 0);
}

static void test_moving_stays_in_the_list(void **state)
{
    (void)state;
    static const int keys[] = {TOP_KEY_UP, TOP_KEY_DOWN, TOP_KEY_PAGE_UP, TOP_KEY_PAGE_DOWN, TOP_KEY_HOME, TOP_KEY_END};
    srand(1);
    for (int i = 0; i < 1000; i++) {
        if (i % 50 == 0)
            hear(TOP_SESSIONS, i % 100 == 0 ? SESSIONS : "ok\n");
        press(keys[(size_t)rand() % (sizeof(keys) / sizeof(keys[0]))]);
        assert_true(view.selected >= 0 && view.selected <= (view.rows.count > 0 ? view.rows.count - 1 : 0));
        assert_true(view.first >= 0 && view.first <= view.selected && view.selected < view.first + PAGE);
    }
    hear(TOP_SESSIONS, SESSIONS);
    press(TOP_KEY_END);
    assert_string_equal(view.selected_key, "c3");
    press(TOP_KEY_HOME);
    assert_string_equal(view.selected_key, "a1");
}

/* -- orders */

static void test_kill_is_confirmed_and_of_what_was_selected(void **state)
{
    (void)state;
    hear(TOP_SESSIONS, SESSIONS);
    press('k');
    assert_asks("end session a1? (y/n)");
    press('q');
    assert_string_equal(view.order, "");
    assert_false(view.quit);
    press('k');
    hear(TOP_SESSIONS, "session id=\"other\" client=\"192.0.2.1\"\nok\n"); /* the list moved on */
    press('y');
    assert_string_equal(view.order, "kill a1");
    view.order[0] = '\0';
    press('y');
    assert_string_equal(view.order, "");
}

static void test_block_and_allow(void **state)
{
    (void)state;
    hear(TOP_SESSIONS, SESSIONS);
    press('b');
    assert_asks("block 192.0.2.1 for how long (30m 2h 1d ever, Esc: no)? 1h");
    press(TOP_KEY_ENTER);
    assert_asks("block 192.0.2.1 for 1h? (y/n)");
    press('y');
    assert_string_equal(view.order, "block 192.0.2.1 for 1h");
    view.order[0] = '\0';
    press(TOP_KEY_END);
    press('a');
    type("\x7f"); /* no key of ours */
    press(TOP_KEY_BACKSPACE);
    press(TOP_KEY_BACKSPACE);
    press(TOP_KEY_BACKSPACE);
    type("5x");
    press(TOP_KEY_ENTER);
    assert_asks("allow 2001:db8::3 for how long (30m 2h 1d ever, Esc: no)? 5x");
    press(TOP_KEY_BACKSPACE);
    press(TOP_KEY_BACKSPACE);
    type("ever");
    press(TOP_KEY_ENTER);
    press('y');
    assert_string_equal(view.order, "allow 2001:db8::3");
}

/* Whatever a peer had put into a record does not become a word of an order. */
static void test_no_order_from_hostile_words(void **state)
{
    (void)state;
    static const char *const words[] = {"",         "local",        "192.0.2.1 for", "-1.2", "1.2.3.4\\x0Astop",
                                        "a.b\\x1B", "a.b\\xC3\\xA4"};
    char record[CONTROL_RECORD_MAX];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        snprintf(record, sizeof(record), "session id=\"x y\" client=\"%s\"\nok\n", words[i]);
        hear(TOP_SESSIONS, record);
        for (const char *key = "kab"; *key != '\0'; key++) {
            press(*key);
            assert_int_equal(view.prompt, TOP_NO_PROMPT);
            assert_string_not_equal(view.note, "");
        }
    }
    press('3');
    press('k');
    press('b');
    assert_int_equal(view.prompt, TOP_NO_PROMPT);
}

static void test_what_is_typed_is_bounded(void **state)
{
    (void)state;
    press('/');
    for (int i = 0; i < 300; i++)
        press('x');
    assert_int_equal(strlen(view.text), TOP_TEXT_MAX - 1);
    press(TOP_KEY_ENTER);
    assert_int_equal(strlen(view.filter), TOP_TEXT_MAX - 1);
}

static void test_the_other_keys(void **state)
{
    (void)state;
    press('h');
    assert_true(view.help);
    press('q');
    assert_false(view.help || view.quit);
    press('p');
    assert_true(view.paused);
    press('g');
    assert_int_equal(view.series, TOP_SESSIONS_SERIES);
    press(0);
    press('X');
    press('q');
    assert_true(view.quit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_sorted_by_what_was_chosen, clear),
        cmocka_unit_test_teardown(test_each_pane_has_its_own_order, clear),
        cmocka_unit_test_teardown(test_fields_that_are_not_there_come_last, clear),
        cmocka_unit_test_teardown(test_filter, clear),
        cmocka_unit_test_teardown(test_the_selected_one_stays_selected, clear),
        cmocka_unit_test_teardown(test_moving_stays_in_the_list, clear),
        cmocka_unit_test_teardown(test_kill_is_confirmed_and_of_what_was_selected, clear),
        cmocka_unit_test_teardown(test_block_and_allow, clear),
        cmocka_unit_test_teardown(test_no_order_from_hostile_words, clear),
        cmocka_unit_test_teardown(test_what_is_typed_is_bounded, clear),
        cmocka_unit_test_teardown(test_the_other_keys, clear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
