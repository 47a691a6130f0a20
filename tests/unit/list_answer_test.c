/* SPDX-License-Identifier: ISC
 *
 * list_answer: what lists somebody, what does not, and what is an error whatever the configuration says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "workers/lists/list_answer.h"

enum { RECORDS = 2 };

static const char *const zen[] = {"127.0.0.[2..11]"}, *const low[] = {"127.0.0.1", "127.0.0.2"},
                         *const all[] = {"[0..255].[0..255].[0..255].[0..255]"};

#define REPLIES(items)                                                                                                 \
    {                                                                                                                  \
        items, sizeof(items) / sizeof(items[0])                                                                        \
    }

static const struct answered {
    struct text_list replies;
    const char *answers[RECORDS];
    enum list_answer is;
    const char *which;
} cases[] = {
    {{0}, {"127.0.0.2"}, LIST_LISTED, "127.0.0.2"},
    {{0}, {"127.1.2.3"}, LIST_LISTED, "127.1.2.3"},
    {{0}, {"127.0.0.1"}, LIST_ERROR, "127.0.0.1"},
    {{0}, {"127.255.255.254"}, LIST_ERROR, "127.255.255.254"},
    {{0}, {"127.255.254.2"}, LIST_LISTED, "127.255.254.2"},
    {{0}, {"203.0.113.5"}, LIST_ERROR, "203.0.113.5"},
    {{0}, {"0.0.0.0"}, LIST_ERROR, "0.0.0.0"},
    {{0}, {"::ffff:127.0.0.2"}, LIST_LISTED, "127.0.0.2"},
    {{0}, {"::1"}, LIST_ERROR, "::1"},
    {REPLIES(zen), {"127.0.0.4"}, LIST_LISTED, "127.0.0.4"},
    {REPLIES(zen), {"127.0.0.20"}, LIST_NOT_LISTED, NULL},
    {REPLIES(zen), {"127.0.0.20", "127.0.0.11"}, LIST_LISTED, "127.0.0.11"},
    {REPLIES(zen), {"127.0.0.4", "127.255.255.252"}, LIST_ERROR, "127.255.255.252"},
    {REPLIES(zen), {"127.0.0.1"}, LIST_ERROR, "127.0.0.1"},
    {REPLIES(low), {"127.0.0.1"}, LIST_LISTED, "127.0.0.1"},
    {REPLIES(all), {"127.255.255.1"}, LIST_ERROR, "127.255.255.1"},
    {REPLIES(all), {"192.0.2.1"}, LIST_ERROR, "192.0.2.1"},
};

static void what_an_answer_means(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const struct answered *c = &cases[i];
        const struct list list = {.name = "l", .replies = c->replies};
        struct dns_record records[RECORDS] = {0};
        const struct ipaddr *which;
        char text[IPADDR_TEXT_MAX] = "";
        int count = 0;
        for (; count < RECORDS && c->answers[count] != NULL; count++)
            assert_true(ipaddr_parse(slice_of(c->answers[count]), &records[count].address));
        if (list_judge(&list, DNS_FOUND, records, count, &which) != c->is)
            fail_msg("%s", c->answers[0]);
        if (which != NULL)
            ipaddr_print(which, text);
        assert_string_equal(text, c->which != NULL ? c->which : "");
    }
}

static void what_no_answer_means(void **state)
{
    const struct list list = {.name = "l"};
    const struct ipaddr *which;
    (void)state;
    assert_int_equal(list_judge(&list, DNS_NO_NAME, NULL, 0, &which), LIST_NOT_LISTED);
    assert_int_equal(list_judge(&list, DNS_NO_DATA, NULL, 0, &which), LIST_NOT_LISTED);
    assert_int_equal(list_judge(&list, DNS_FAILED, NULL, 0, &which), LIST_NO_ANSWER);
    assert_null(which);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_answer_means),
        cmocka_unit_test(what_no_answer_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
