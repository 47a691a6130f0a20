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
#include "workers/xclient.h"

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

static void expect_login(uint32_t attributes, const char *client, const char *login, const char *expected)
{
    char memory[600];
    struct buffer line;
    struct endpoint from = {.kind = ENDPOINT_UNIX}, to;
    const char *why;
    if (client != NULL)
        assert_true(endpoint_parse(slice_of(client), &from, &why));
    assert_true(endpoint_parse(slice_of("192.0.2.25:25"), &to, &why));
    buffer_init(&line, memory, sizeof(memory));
    bool fine = xclient_print(&line, attributes, &from, &to, login);
    assert_int_equal(fine, expected != NULL);
    if (fine && !slice_equal(buffer_unread(&line), slice_of(expected)))
        fail_msg("%.*s", SLICE_ARGS(buffer_unread(&line)));
}

static void expect_xclient(uint32_t attributes, const char *client, const char *expected)
{
    expect_login(attributes, client, NULL, expected);
}

static void xclient_sends_a_login_where_there_is_one(void **state)
{
    static char longest[256];
    (void)state;
    expect_login(ATTRIBUTE_ADDR | ATTRIBUTE_LOGIN, "192.0.2.7:1", "ann", "XCLIENT ADDR=192.0.2.7 LOGIN=ann\r\n");
    expect_login(ATTRIBUTE_ADDR | ATTRIBUTE_LOGIN, "192.0.2.7:1", "a b=\xc3\xbc",
                 "XCLIENT ADDR=192.0.2.7 LOGIN=a+20b+3D+C3+BC\r\n");
    expect_login(ATTRIBUTE_ADDR, "192.0.2.7:1", "ann", "XCLIENT ADDR=192.0.2.7\r\n");
    expect_login(ATTRIBUTE_ADDR | ATTRIBUTE_LOGIN, "192.0.2.7:1", "", "XCLIENT ADDR=192.0.2.7\r\n");
    memset(longest, ' ', sizeof(longest) - 1); /* three octets each: more than the line may have */
    expect_login(ATTRIBUTE_ADDR | ATTRIBUTE_LOGIN, "192.0.2.7:1", longest, NULL);
}

static void xclient_sends_what_is_offered(void **state)
{
    (void)state;
    expect_xclient(ATTRIBUTE_NAME | ATTRIBUTE_ADDR | ATTRIBUTE_PORT, "198.51.100.7:1234",
                   "XCLIENT NAME=[TEMPUNAVAIL] ADDR=198.51.100.7 PORT=1234\r\n");
    expect_xclient(ATTRIBUTE_NAME | ATTRIBUTE_ADDR, "[2001:db8::7]:1234",
                   "XCLIENT NAME=[TEMPUNAVAIL] ADDR=IPV6:2001:db8::7\r\n");
    expect_xclient(ATTRIBUTE_ADDR | ATTRIBUTE_PORT | ATTRIBUTE_DESTADDR | ATTRIBUTE_DESTPORT | ATTRIBUTE_HELO | ATTRIBUTE_PROTO,
                   "198.51.100.7:1234", "XCLIENT ADDR=198.51.100.7 PORT=1234 DESTADDR=192.0.2.25 DESTPORT=25\r\n");
    expect_xclient(ATTRIBUTE_NAME | ATTRIBUTE_ADDR | ATTRIBUTE_PORT, NULL,
                   "XCLIENT NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] PORT=[UNAVAILABLE]\r\n");
    expect_xclient(ATTRIBUTE_NAME | ATTRIBUTE_PORT, "198.51.100.7:1234", NULL);
    expect_xclient(0, "198.51.100.7:1234", NULL);
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
        cmocka_unit_test(xclient_sends_what_is_offered),
        cmocka_unit_test(xclient_sends_a_login_where_there_is_one),
        cmocka_unit_test(queue_ids_are_found),
        cmocka_unit_test(verdicts_combine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
