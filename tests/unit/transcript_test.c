/* SPDX-License-Identifier: ISC
 *
 * transcript: who asked for it reads every line of both sides, and never a credential; what is held comes later. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/orders.h"
#include "workers/transcript.h"

enum { LOG_ROOM = 65536, SLOTS = 1 };

static char logged[LOG_ROOM];
static const struct ipaddr CLIENT = {.family = 4, .bytes = {192, 0, 2, 7}};

static void keep(enum level level, const char *line)
{
    (void)level;
    strncat(logged, line, sizeof(logged) - strlen(logged) - 2);
    strncat(logged, "\n", sizeof(logged) - strlen(logged) - 1);
}

struct scene {
    struct orders *orders;
    struct transcript transcript;
};

static void order(struct orders *orders)
{
    struct network network = {.address = CLIENT, .prefix = 32};
    assert_true(orders_add_trace(orders, &network, clock_ms() + 3600000));
}

static int set_up(void **state)
{
    struct scene *scene = calloc(1, sizeof(*scene));
    *state = scene;
    scene->orders = calloc(1, orders_bytes(SLOTS));
    logged[0] = '\0';
    log_to_function(keep);
    return 0;
}

static int tear_down(void **state)
{
    struct scene *scene = *state;
    free(scene->orders);
    free(scene);
    log_to_stderr("test");
    return 0;
}

static struct transcript *begin(void **state)
{
    struct scene *scene = *state;
    transcript_begin(&scene->transcript, scene->orders, &CLIENT, "1k0t361f2da0000");
    return &scene->transcript;
}

static struct transcript *begin_ordered(void **state)
{
    struct scene *scene = *state;
    order(scene->orders);
    return begin(state);
}

static void hear(struct transcript *t, const char *line)
{
    transcript_command(t, slice_of(line));
}

static void answer(struct transcript *t, int code, const char *text)
{
    struct reply reply = {code, "", slice_of(text)};
    transcript_reply(t, &reply);
}

static void nobody_asked_nothing_is_logged(void **state)
{
    struct transcript *t = begin(state);
    hear(t, "EHLO x\r\n");
    answer(t, 250, "y");
    transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_IN, slice_of("220 z\r\n"));
    transcript_data(t, TRANSCRIPT_CLIENT, TRANSCRIPT_IN, 17);
    transcript_lines(NULL, TRANSCRIPT_SERVER, TRANSCRIPT_IN, slice_of("220 z\r\n"));
    assert_string_equal(logged, "");
}

static void both_sides_are_logged(void **state)
{
    struct transcript *t = begin_ordered(state);
    hear(t, "EHLO x\r\n");
    answer(t, 250, "y\nSIZE");
    transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, slice_of("MAIL FROM:<>\r\n"));
    transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_IN, slice_of("250 Ok\r\n"));
    transcript_data(t, TRANSCRIPT_CLIENT, TRANSCRIPT_IN, 17);
    assert_string_equal(logged,
                        "event=trace session=1k0t361f2da0000 side=client dir=in line=\"EHLO x\"\n"
                        "event=trace session=1k0t361f2da0000 side=client dir=out line=250-y\n"
                        "event=trace session=1k0t361f2da0000 side=client dir=out line=\"250 SIZE\"\n"
                        "event=trace session=1k0t361f2da0000 side=server dir=out line=\"MAIL FROM:<>\"\n"
                        "event=trace session=1k0t361f2da0000 side=server dir=in line=\"250 Ok\"\n"
                        "event=trace session=1k0t361f2da0000 side=client dir=in line=\"[message of 17 octets]\"\n");
}

/* Who sends its message although DATA was refused sends commands, to us. */
static void a_message_that_nobody_takes_is_hidden(void **state)
{
    struct transcript *t = begin_ordered(state);
    hear(t, "DATA\r\n");
    answer(t, 451, "later");
    hear(t, "Subject: secret\r\n");
    answer(t, 500, "what?");
    hear(t, "dear secret,\r\n");
    answer(t, 500, "what?");
    assert_null(strstr(logged, "secret"));
    assert_non_null(strstr(logged, "[hidden]"));
    hear(t, "RSET\r\n");
    assert_non_null(strstr(logged, "line=RSET"));
    hear(t, "DATA\r\n");
    answer(t, 354, "go");
    transcript_data(t, TRANSCRIPT_CLIENT, TRANSCRIPT_IN, 17);
    hear(t, "XYZZY\r\n"); /* and what is odd is seen again */
    assert_non_null(strstr(logged, "line=XYZZY"));
}

static void a_trace_may_begin_and_end_within_a_session(void **state)
{
    struct scene *scene = *state;
    struct transcript *t = begin(state);
    hear(t, "NOOP one\r\n");
    order(scene->orders);
    hear(t, "NOOP two\r\n");
    orders_drop_traces(scene->orders, NULL);
    hear(t, "NOOP three\r\n");
    assert_null(strstr(logged, "one"));
    assert_non_null(strstr(logged, "two"));
    assert_null(strstr(logged, "three"));
}

static void assert_no_secret(void)
{
    assert_null(strstr(logged, "SECRET"));
}

static void the_argument_of_auth_is_hidden(void **state)
{
    static const char *const lines[] = {
        "AUTH PLAIN SECRET\r\n",   "auth plain SECRET\r\n",  " AUTH PLAIN SECRET\r\n", "AUTH\tPLAIN\tSECRET\r\n",
        "AUTH SECRET\r\n",         "AUTH SECRET SECRET\r\n", "AUTH=PLAIN SECRET\r\n",  "AUTHSECRET\r\n",
        "AUTH PLAIN SECRET x\r\n", "AUTH PLAIN SECRET\n",    "AUTH PLAIN SECRET",      "AUTH PLAIN\rSECRET\r\n",
        "AUTH LOGIN SECRET=\r\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct transcript *t = begin_ordered(state);
        hear(t, lines[i]);
        answer(t, 535, "no");
        transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, slice_of(lines[i]));
    }
    assert_no_secret();
    assert_non_null(strstr(logged, "line=\"AUTH PLAIN [hidden]\""));
}

static void so_is_what_follows_until_the_last_answer(void **state)
{
    struct transcript *t = begin_ordered(state);
    hear(t, "AUTH LOGIN\r\n");
    answer(t, 334, "SECRET");
    transcript_lines(t, TRANSCRIPT_CLIENT, TRANSCRIPT_IN, slice_of("SECRET1\r\n"));
    answer(t, 334, "SECRET");
    hear(t, "NOOP SECRET2\r\n"); /* looks like a command, and is a password */
    answer(t, 235, "welcome");
    hear(t, "NOOP again\r\n");
    assert_no_secret();
    assert_non_null(strstr(logged, "line=\"334 [hidden]\""));
    assert_non_null(strstr(logged, "NOOP again"));
}

static void so_it_is_towards_inside(void **state)
{
    struct transcript *t = begin_ordered(state);
    transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, slice_of("AUTH CRAM-MD5\r\n"));
    transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_IN, slice_of("334 SECRET\r\n"));
    transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, slice_of("SECRET\r\n"));
    transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_IN, slice_of("235-yes\r\n235 yes\r\n"));
    transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, slice_of("MAIL FROM:<>\r\n"));
    assert_no_secret();
    assert_non_null(strstr(logged, "MAIL FROM"));
}

static void a_client_that_lost_its_step_says_its_password_to_nobody(void **state)
{
    struct transcript *t = begin_ordered(state);
    hear(t, "AUTH LOGIN\r\n");
    answer(t, 502, "not here");
    hear(t, "SECRET\r\n");
    answer(t, 500, "what");
    hear(t, "MAIL FROM:<>\r\n");
    assert_no_secret();
    assert_non_null(strstr(logged, "MAIL FROM"));
}

/* Nobody knows what a misspelt command was to be, but a mechanism's name says what stands behind it. */
static void a_misspelt_auth_is_hidden(void **state)
{
    static const char *const lines[] = {"AUHT PLAIN SECRET\r\n", "ATUH LOGIN SECRET\r\n", "A UTH plain SECRET\r\n",
                                        "PLAIN SECRET\r\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct transcript *t = begin_ordered(state);
        hear(t, lines[i]);
        answer(t, 500, "what");
        hear(t, "SECRET\r\n");
        answer(t, 500, "what");
        hear(t, "NOOP\r\n");
    }
    assert_no_secret();
    assert_non_null(strstr(logged, "line=NOOP"));
}

static void a_trace_that_begins_within_auth_hides_it(void **state)
{
    struct scene *scene = *state;
    struct transcript *t = begin(state);
    hear(t, "AUTH LOGIN\r\n");
    answer(t, 334, "SECRET");
    order(scene->orders);
    hear(t, "SECRET\r\n");
    answer(t, 235, "fine");
    hear(t, "NOOP\r\n");
    assert_no_secret();
    assert_non_null(strstr(logged, "[hidden]"));
    assert_non_null(strstr(logged, "NOOP"));
}

static void lines_are_cut_and_cannot_forge_others(void **state)
{
    struct transcript *t = begin_ordered(state);
    char line[2000];
    memset(line, 'x', sizeof(line));
    line[0] = '\x1b';
    line[1] = '"';
    transcript_command(t, slice_make(line, sizeof(line)));
    assert_non_null(strstr(logged, "line=\"\\x1B\\\"xxx"));
    assert_true(strlen(logged) < TRANSCRIPT_LINE_MAX + 100);
}

static void what_is_held_comes_later_and_in_order(void **state)
{
    struct transcript *t = begin_ordered(state);
    transcript_hold(t);
    transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_IN, slice_of("250-one\r\n250 two\r\n"));
    answer(t, 250, "three");
    assert_string_equal(logged, "");
    transcript_release(t);
    assert_non_null(strstr(logged, "250-one"));
    assert_true(strstr(logged, "two") < strstr(logged, "three"));
    transcript_release(t);
    hear(t, "NOOP\r\n");
    assert_non_null(strstr(logged, "NOOP"));
}

static void more_than_can_be_held_is_lost(void **state)
{
    struct transcript *t = begin_ordered(state);
    transcript_hold(t);
    for (int i = 0; i < 1000; i++)
        transcript_lines(t, TRANSCRIPT_SERVER, TRANSCRIPT_IN, slice_of("250-a line of a long answer\r\n"));
    transcript_release(t);
    assert_true(strlen(logged) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(nobody_asked_nothing_is_logged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(both_sides_are_logged, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_that_nobody_takes_is_hidden, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_trace_may_begin_and_end_within_a_session, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_argument_of_auth_is_hidden, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_is_what_follows_until_the_last_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(so_it_is_towards_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_client_that_lost_its_step_says_its_password_to_nobody, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_misspelt_auth_is_hidden, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_trace_that_begins_within_auth_hides_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lines_are_cut_and_cannot_forge_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_held_comes_later_and_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_than_can_be_held_is_lost, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
