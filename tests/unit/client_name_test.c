/* SPDX-License-Identifier: ISC
 *
 * client_name: what PTR and the addresses behind it say of a client, at once and later, and what XCLIENT hears of it.
 * What DNS says, and when, is this test's; so is the clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/must.h"
#include "tests/lib/fake_dns.h"
#include "workers/lookups.h"
#include "workers/smtp/attributes.h"

enum { ALLOWED_MS = 10000 };

static struct dns *dns;
static struct wait waits;
static struct lookups *l;
static struct ipaddr address;

static void says(const char *line)
{
    const char *why;
    if (!fake_dns_add(slice_of(line), &why))
        fail_msg("%s: write %s", line, why);
}

static int begin(void **unused)
{
    (void)unused;
    fake_dns_clear();
    dns = dns_new(NULL, &waits);
    l = calloc(1, sizeof(*l));
    must(l != NULL && ipaddr_parse(slice_of("192.0.2.7"), &address));
    lookups_begin_session(l, dns, NULL, ALLOWED_MS);
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    lookups_end_session(l);
    free(l);
    dns_free(&dns);
    return 0;
}

static const struct client_name *hear(void)
{
    client_name_ask(l, &address);
    return client_name_hear(l);
}

static void a_name_that_leads_back_is_confirmed(void **unused)
{
    (void)unused;
    says("7.2.0.192.in-addr.arpa PTR mail.client.test");
    says("mail.client.test A 192.0.2.7");
    const struct client_name *known = hear();
    assert_int_equal(known->state, CLIENT_NAME_CONFIRMED);
    assert_string_equal(known->name, "mail.client.test");
    assert_string_equal(known->reverse_name, "mail.client.test");
    assert_int_equal(fake_dns_asked(), 2);
    assert_ptr_equal(hear(), known);
    assert_int_equal(fake_dns_asked(), 2);
}

static void of_several_the_first_that_leads_back_counts(void **unused)
{
    (void)unused;
    says("7.2.0.192.in-addr.arpa PTR a.test");
    says("7.2.0.192.in-addr.arpa PTR b.test");
    says("7.2.0.192.in-addr.arpa PTR c.test");
    says("a.test A fails");
    says("b.test A 192.0.2.7");
    says("c.test A 192.0.2.7");
    assert_string_equal(hear()->name, "b.test");
}

static void no_more_than_eight_are_looked_at(void **unused)
{
    char line[64];
    (void)unused;
    for (int i = 0; i < 20; i++) {
        snprintf(line, sizeof(line), "7.2.0.192.in-addr.arpa PTR n%d.test", i);
        says(line);
    }
    says("n8.test A 192.0.2.7");
    const struct client_name *known = hear();
    assert_int_equal(known->state, CLIENT_NAME_UNCONFIRMED);
    assert_null(known->name);
    assert_string_equal(known->reverse_name, "n0.test");
    assert_int_equal(fake_dns_asked(), 1 + CLIENT_NAMES_MAX);
}

static void an_address_of_the_other_kind_confirms_nothing(void **unused)
{
    (void)unused;
    must(ipaddr_parse(slice_of("2001:db8::7"), &address));
    says("7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa PTR a.test");
    says("a.test A 192.0.2.7");
    assert_int_equal(hear()->state, CLIENT_NAME_UNCONFIRMED);
}

static void without_ptr_there_is_none(void **unused)
{
    (void)unused;
    assert_int_equal(hear()->state, CLIENT_NAME_NONE);
    assert_null(l->client_name.reverse_name);
}

static void what_is_no_host_name_is_none(void **unused)
{
    static const char *const names[] = {"192.0.2.7", "-a.test", "a-.test", "a.1", "7"};
    char line[64];
    (void)unused;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(line, sizeof(line), "7.2.0.192.in-addr.arpa PTR %s", names[i]);
        says(line);
        assert_false(dns_name_is_host(slice_of(names[i])));
    }
    assert_int_equal(hear()->state, CLIENT_NAME_NONE);
    assert_int_equal(fake_dns_asked(), 1);
    assert_true(dns_name_is_host(slice_of("7.a-b._c.test")));
    assert_true(dns_name_is_host(slice_of("test.")));
    assert_false(dns_name_is_host(slice_of("a b.test")));
    assert_false(dns_name_is_host(slice_of("")));
}

static void no_answer_is_no_verdict(void **unused)
{
    (void)unused;
    says("7.2.0.192.in-addr.arpa PTR a.test");
    says("a.test A silent");
    const struct client_name *known = hear();
    assert_int_equal(known->state, CLIENT_NAME_FAILED);
    assert_string_equal(known->reverse_name, "a.test");
}

static void a_dead_reverse_zone_is_no_verdict(void **unused)
{
    (void)unused;
    says("7.2.0.192.in-addr.arpa PTR fails");
    assert_int_equal(hear()->state, CLIENT_NAME_FAILED);
    assert_null(l->client_name.reverse_name);
}

static void it_goes_on_without_waiting(void **unused)
{
    int64_t began = clock_ms();
    (void)unused;
    says("7.2.0.192.in-addr.arpa PTR a.test after 2s");
    says("a.test A 192.0.2.7 after 2s");
    client_name_ask(l, &address);
    client_name_go_on(l);
    assert_int_equal(l->client_name.state, CLIENT_NAME_ASKED);
    assert_int_equal(clock_ms(), began);
    assert_int_equal(dns_wait(dns, CLOCK_NEVER), IO_OK);
    client_name_go_on(l);
    assert_int_equal(l->client_name.state, CLIENT_NAME_ASKED);
    assert_int_equal(dns_wait(dns, CLOCK_NEVER), IO_OK);
    client_name_go_on(l);
    assert_int_equal(l->client_name.state, CLIENT_NAME_CONFIRMED);
    assert_int_equal(clock_ms(), began + 4000);
}

static void nobody_asked_nobody_knows(void **unused)
{
    struct attribute_value name = {0}, reverse_name = {0};
    (void)unused;
    address.family = 0; /* a client without one */
    assert_int_equal(hear()->state, CLIENT_NAME_NOT_ASKED);
    client_name_go_on(l);
    client_name_say(&l->client_name, &name, &reverse_name);
    assert_int_equal(name.state, ATTRIBUTE_NOT_SAID);
    assert_int_equal(reverse_name.state, ATTRIBUTE_NOT_SAID);
}

static void expect_said(enum client_name_state state, const char *name, const char *reverse,
                        enum attribute_state name_state, enum attribute_state reverse_state)
{
    struct client_name known = {.state = state, .name = name, .reverse_name = reverse};
    struct attribute_value said = {0}, said_reverse = {0};
    client_name_say(&known, &said, &said_reverse);
    assert_int_equal(said.state, name_state);
    assert_int_equal(said_reverse.state, reverse_state);
    assert_string_equal(said.text, name != NULL ? name : "");
    assert_string_equal(said_reverse.text, reverse != NULL ? reverse : "");
}

static void inside_hears_what_postfix_would_say(void **unused)
{
    (void)unused;
    expect_said(CLIENT_NAME_CONFIRMED, "a.test", "a.test", ATTRIBUTE_KNOWN, ATTRIBUTE_KNOWN);
    expect_said(CLIENT_NAME_UNCONFIRMED, NULL, "a.test", ATTRIBUTE_UNAVAILABLE, ATTRIBUTE_KNOWN);
    expect_said(CLIENT_NAME_NONE, NULL, NULL, ATTRIBUTE_UNAVAILABLE, ATTRIBUTE_UNAVAILABLE);
    expect_said(CLIENT_NAME_FAILED, NULL, "a.test", ATTRIBUTE_TEMPUNAVAIL, ATTRIBUTE_KNOWN);
    expect_said(CLIENT_NAME_FAILED, NULL, NULL, ATTRIBUTE_TEMPUNAVAIL, ATTRIBUTE_TEMPUNAVAIL);
    expect_said(CLIENT_NAME_ASKED, NULL, NULL, ATTRIBUTE_NOT_SAID, ATTRIBUTE_NOT_SAID);
}

static void another_gates_word_counts(void **unused)
{
    struct attribute_value told = {ATTRIBUTE_KNOWN, "told.test"}, reverse = {0};
    struct attribute_value unknown = {ATTRIBUTE_TEMPUNAVAIL, ""}, none = {ATTRIBUTE_UNAVAILABLE, ""};
    (void)unused;
    client_name_take(l, &unknown, &unknown);
    client_name_take(l, &none, &none);
    assert_int_equal(l->client_name.state, CLIENT_NAME_NOT_ASKED);
    client_name_take(l, &told, &reverse);
    assert_int_equal(hear()->state, CLIENT_NAME_CONFIRMED);
    assert_string_equal(l->client_name.name, "told.test");
    assert_int_equal(fake_dns_asked(), 0);
    client_name_say(&l->client_name, &told, &reverse);
    assert_int_equal(reverse.state, ATTRIBUTE_NOT_SAID);
    client_name_say(&l->client_name, &unknown, &none);
    assert_string_equal(unknown.text, "told.test");
    assert_int_equal(none.state, ATTRIBUTE_UNAVAILABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_that_leads_back_is_confirmed, begin, end),
        cmocka_unit_test_setup_teardown(of_several_the_first_that_leads_back_counts, begin, end),
        cmocka_unit_test_setup_teardown(no_more_than_eight_are_looked_at, begin, end),
        cmocka_unit_test_setup_teardown(an_address_of_the_other_kind_confirms_nothing, begin, end),
        cmocka_unit_test_setup_teardown(without_ptr_there_is_none, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_host_name_is_none, begin, end),
        cmocka_unit_test_setup_teardown(no_answer_is_no_verdict, begin, end),
        cmocka_unit_test_setup_teardown(a_dead_reverse_zone_is_no_verdict, begin, end),
        cmocka_unit_test_setup_teardown(it_goes_on_without_waiting, begin, end),
        cmocka_unit_test_setup_teardown(nobody_asked_nobody_knows, begin, end),
        cmocka_unit_test_setup_teardown(inside_hears_what_postfix_would_say, begin, end),
        cmocka_unit_test_setup_teardown(another_gates_word_counts, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
