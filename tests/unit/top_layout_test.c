/* SPDX-License-Identifier: ISC */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "daemon/ctl/top_layout.h"

#include "tests/unit/top_rig.h"

/* -- lines */

static int all(const struct top_heights *h)
{
    return h->head + h->alarm + h->listeners + h->rates + h->spark + h->tabs + h->title + h->list + h->foot;
}

static void test_every_height_is_used_and_none_exceeded(void **state)
{
    (void)state;
    for (int lines = 0; lines < 100; lines++) {
        for (int listeners = 0; listeners < 20; listeners++) {
            struct top_wanted wanted = {.alarm = listeners % 2 == 1, .listeners = listeners, .rates = 2};
            struct top_heights heights = top_layout_heights(lines, &wanted);
            assert_int_equal(all(&heights), lines);
            assert_true(heights.list >= 0 && heights.head >= 0 && heights.listeners <= TOP_LISTENERS_SHOWN);
            assert_true(lines < 2 || heights.alarm == wanted.alarm || lines < 3);
        }
    }
}

static void test_what_an_ordinary_terminal_shows(void **state)
{
    (void)state;
    struct top_wanted wanted = {.alarm = true, .listeners = 3, .rates = 2};
    struct top_heights heights = top_layout_heights(24, &wanted);
    assert_int_equal(heights.listeners, 3);
    assert_int_equal(heights.list, 24 - 3 - 2 - 6);
    heights = top_layout_heights(10, &wanted);
    assert_true(heights.list >= 3 && heights.head == 1 && heights.alarm == 1 && heights.foot == 1);
}

/* -- columns */

static struct answer answer;
static struct top_rows rows;

static int columns_at(int width, struct top_shown *shown)
{
    const struct top_pane *pane = &top_panes[TOP_SESSIONS];
    top_rows_arrange(&rows, &answer, pane, &pane->sorts[0], false, "");
    return top_layout_columns(pane, &rows, width, shown);
}

static int together(const struct top_shown *shown, int count)
{
    int width = 0;
    for (int i = 0; i < count; i++)
        width += shown[i].width + (i > 0 ? TOP_GAP : 0);
    return width;
}

static bool has(const struct top_shown *shown, int count, const char *title)
{
    for (int i = 0; i < count; i++)
        if (strcmp(shown[i].column->title, title) == 0)
            return true;
    return false;
}

static int clear(void **state)
{
    (void)state;
    answer_clear(&answer);
    top_rows_clear(&rows);
    return 0;
}

static void test_columns_of_all_widths(void **state)
{
    (void)state;
    struct top_shown shown[TOP_COLUMNS_MAX];
    answer = answer_of("session id=\"1k1b2857z710000\" client=\"255.255.255.255\" phase=\"greeting\" age_ms=100000 "
                       "held=true score=12 standing=\"unknown\" errors=3 messages=4 tls=true listener=\"mx\"\nok\n");
    int before = 0;
    for (int width = 1; width < 200; width++) {
        int count = columns_at(width, shown);
        assert_true(count >= before && has(shown, count, "CLIENT") && has(shown, count, "AGE"));
        assert_true(together(shown, count) <= width || count == 3);
        before = count;
    }
    assert_int_equal(before, 11);
    assert_true(has(shown, columns_at(80, shown), "SESSION"));
    assert_true(has(shown, columns_at(50, shown), "HELD"));
}

static void test_columns_that_nothing_stands_in_are_left_out(void **state)
{
    (void)state;
    struct top_shown shown[TOP_COLUMNS_MAX];
    answer = answer_of("session id=\"x\" client=\"y\"\nok\n");
    int count = columns_at(80, shown);
    assert_int_equal(count, 2);
    assert_false(shown[0].right);
    answer_clear(&answer);
    assert_int_equal(columns_at(200, shown), 11); /* titles of an empty list */
}

/* -- bars */

static void assert_bar(struct top_crew crew, const char *expected)
{
    char bar[100];
    top_layout_bar(&crew, (int)strlen(expected), bar);
    assert_string_equal(bar, expected);
}

static void test_bars(void **state)
{
    (void)state;
    assert_bar((struct top_crew){.most = 10}, "          ");
    assert_bar((struct top_crew){.held = 2, .busy = 5, .idle = 2, .starting = 1, .most = 10}, "HH###+..  ");
    assert_bar((struct top_crew){.busy = 10, .most = 10}, "##########");
    assert_bar((struct top_crew){.held = 1, .busy = 2, .idle = 1, .starting = 1, .most = 1000}, "H#+.      ");
    assert_bar((struct top_crew){.busy = 20, .most = 10}, "##########"); /* after a reload there may be more */
    assert_bar((struct top_crew){.busy = 1}, "##");
    assert_bar((struct top_crew){.busy = -1, .held = -5, .idle = -7, .most = -1}, "    ");
    assert_bar((struct top_crew){.held = 5, .busy = 3, .most = 10}, "HHHHH     ");
    assert_bar((struct top_crew){.busy = INT64_C(1) << 53, .idle = INT64_C(1) << 53}, "##..");
    assert_bar((struct top_crew){.busy = 3, .most = 3}, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_height_is_used_and_none_exceeded),
        cmocka_unit_test(test_what_an_ordinary_terminal_shows),
        cmocka_unit_test_teardown(test_columns_of_all_widths, clear),
        cmocka_unit_test_teardown(test_columns_that_nothing_stands_in_are_left_out, clear),
        cmocka_unit_test(test_bars),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
