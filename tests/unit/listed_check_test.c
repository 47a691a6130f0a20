/* SPDX-License-Identifier: ISC
 *
 * The check of the administrator's list: what is said to whom. What the list holds is this test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "workers/session.h"

extern const struct check check_listed;

static enum listed_as listed_as;
static const char *listed_reason;
static struct listed list;

enum listed_as listed_find(const struct listed *listed, const struct ipaddr *client, time_t now,
                           struct listed_entry *entry_out, char reason_out[LISTED_REASON_MAX])
{
    (void)client, (void)now, (void)entry_out;
    assert_ptr_equal(listed, &list);
    snprintf(reason_out, LISTED_REASON_MAX, "%s", listed_reason);
    return listed_as;
}

static struct scoreboard board = {.listed = &list};
static struct session_setup setup = {.board = &board};
static struct session_options options;
static struct session s;

static struct verdict judge_at(enum stage stage, enum listed_as as, const char *reason)
{
    struct check_call call = {
        .check = &check_listed, .session = &s, .session_memory = s.check_session, .notes = &s.notes};
    listed_as = as;
    listed_reason = reason;
    s.setup = &setup;
    s.options = &options;
    s.client.kind = ENDPOINT_IP;
    s.notes.count = 0;
    return check_listed.judge[stage](&call);
}

static struct verdict judge(enum listed_as as, const char *reason)
{
    return judge_at(STAGE_CONNECT, as, reason);
}

static void who_is_blocked_hears_why(void **state)
{
    char longest[LISTED_REASON_MAX];
    (void)state;
    struct verdict verdict = judge(LISTED_BLOCKED, "spam since May");
    assert_int_equal(verdict.action, ACTION_DROP);
    assert_int_equal(verdict.reply.code, 554);
    assert_string_equal(verdict.reply.enhanced, "5.7.1");
    assert_true(slice_equal(verdict.reply.text, slice_of("Access denied: spam since May")));
    assert_string_equal(verdict.reason, "blocked: spam since May");
    verdict = judge(LISTED_BLOCKED, "");
    assert_true(slice_equal(verdict.reply.text, slice_of("Access denied")));
    assert_string_equal(verdict.reason, "blocked");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    verdict = judge(LISTED_BLOCKED, longest);
    assert_int_equal(verdict.reply.text.size, strlen("Access denied: ") + strlen(longest));
}

static void who_is_allowed_passes_and_it_is_noted(void **state)
{
    (void)state;
    struct verdict verdict = judge(LISTED_ALLOWED, "our own MX");
    assert_int_equal(verdict.action, ACTION_NONE);
    assert_true(verdict.allow);
    assert_int_equal(s.notes.count, 1);
    assert_string_equal(s.notes.items[0].text, "allowed: our own MX");
}

static void all_others_are_nobodys_business(void **state)
{
    (void)state;
    struct verdict verdict = judge(LISTED_NOT, "");
    assert_int_equal(verdict.action, ACTION_NONE);
    assert_false(verdict.allow);
    assert_int_equal(s.notes.count, 0);
}

static void a_handshake_is_nothing_for_who_is_blocked(void **state)
{
    (void)state;
    options.tls.mode = TLS_MODE_MAY;
    assert_int_equal(judge_at(STAGE_TLS, LISTED_BLOCKED, "").action, ACTION_NONE); /* the session is under way */
    options.tls.mode = TLS_MODE_IMPLICIT;
    assert_int_equal(judge_at(STAGE_TLS, LISTED_BLOCKED, "").action, ACTION_DROP);
    assert_true(judge_at(STAGE_TLS, LISTED_ALLOWED, "").allow);
    assert_int_equal(s.notes.count, 0); /* once is enough: behind the handshake */
    assert_int_equal(judge_at(STAGE_TLS, LISTED_NOT, "").action, ACTION_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_blocked_hears_why),
        cmocka_unit_test(who_is_allowed_passes_and_it_is_noted),
        cmocka_unit_test(all_others_are_nobodys_business),
        cmocka_unit_test(a_handshake_is_nothing_for_who_is_blocked),
    };
    return cmocka_run_group_tests_name("listed_check", tests, NULL, NULL);
}
