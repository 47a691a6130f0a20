/* SPDX-License-Identifier: ISC
 *
 * Proves whom a limit counts for: what is one key, what are two, and that no combination can be made to look like
 * another one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "workers/limits/limit_key.h"
#include "workers/session.h"

static const struct service service = {.listener = "MX"};
static struct scoreboard board = {.hash_key = {1, 2, 3}};
static const struct session_setup setup = {.board = &board};

static int begin(void **state)
{
    struct session *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    s->setup = &setup;
    s->service = &service;
    *state = s;
    return 0;
}

static int end(void **state)
{
    free(*state);
    return 0;
}

static void is_client(struct session *s, const char *address)
{
    s->client.kind = ENDPOINT_IP;
    assert_true(ipaddr_parse(slice_of(address), &s->client.address));
}

static struct path path_of(const char *local, const char *domain)
{
    return (struct path){.local = slice_of(local), .domain = slice_of(domain), .is_null = local[0] == '\0'};
}

static void sends(struct session *s, const char *local, const char *domain)
{
    s->transaction.sender = path_of(local, domain);
}

static struct limit_key key_of(const struct session *s, unsigned per)
{
    const struct limit limit = {.per = per};
    struct limit_key key;
    assert_true(limit_key_find(&limit, s, NULL, &key));
    return key;
}

static bool is_known(const struct session *s, unsigned per, const struct path *recipient)
{
    const struct limit limit = {.per = per};
    struct limit_key key;
    return limit_key_find(&limit, s, recipient, &key);
}

static bool same(const struct limit_key *a, const struct limit_key *b)
{
    return a->size == b->size && memcmp(a->octets, b->octets, a->size) == 0;
}

/* Of two senders. */
static bool one_sender(struct session *s, unsigned per, const char *local, const char *domain, const char *other_local,
                       const char *other_domain)
{
    sends(s, local, domain);
    struct limit_key a = key_of(s, per);
    sends(s, other_local, other_domain);
    struct limit_key b = key_of(s, per);
    return same(&a, &b);
}

static void what_is_not_known_has_no_key(void **state)
{
    struct session *s = *state;
    struct path postmaster = path_of("postmaster", ""), somebody = path_of("a", "mx.test");
    for (int per = 0; per < LIMIT_PERS; per++)
        assert_int_equal(is_known(s, 1u << per, NULL), 1u << per == PER_LISTENER);
    s->client.kind = ENDPOINT_UNIX;
    assert_false(is_known(s, PER_CLIENT, NULL));
    is_client(s, "192.0.2.1");
    assert_true(is_known(s, PER_CLIENT, NULL));
    assert_false(is_known(s, PER_CLIENT | PER_LOGIN, NULL));
    snprintf(s->login, sizeof(s->login), "user");
    assert_true(is_known(s, PER_CLIENT | PER_LOGIN, NULL));
    assert_false(is_known(s, PER_RECIPIENT_DOMAIN, &postmaster));
    assert_true(is_known(s, PER_RECIPIENT_DOMAIN, &somebody));
    sends(s, "", "");
    assert_false(is_known(s, PER_SENDER, NULL));
    assert_false(is_known(s, PER_SENDER_DOMAIN, NULL));
}

static void case_and_last_dot_make_no_difference(void **state)
{
    struct session *s = *state;
    assert_true(one_sender(s, PER_SENDER, "User", "EXAMPLE.org.", "user", "example.ORG"));
    assert_true(one_sender(s, PER_SENDER_DOMAIN, "a", "EXAMPLE.org.", "b", "example.ORG"));
    assert_false(one_sender(s, PER_SENDER, "a", "example.org", "b", "example.org"));
    assert_false(one_sender(s, PER_SENDER, "a@b", "c", "a", "b@c.d"));
    assert_false(one_sender(s, PER_SENDER_DOMAIN, "a", "example.org", "a", "example.net"));
}

static void combinations_cannot_be_forged(void **state)
{
    struct session *s = *state;
    sends(s, "a", "one.test");
    snprintf(s->login, sizeof(s->login), "x");
    struct limit_key a = key_of(s, PER_SENDER_DOMAIN | PER_LOGIN);
    sends(s, "a", "one.testx");
    s->login[0] = '\0';
    struct limit_key b = key_of(s, PER_SENDER_DOMAIN);
    assert_false(same(&a, &b));
    sends(s, "a", "one");
    snprintf(s->login, sizeof(s->login), ".testx");
    struct limit_key c = key_of(s, PER_SENDER_DOMAIN | PER_LOGIN);
    assert_false(same(&a, &c));
    snprintf(s->login, sizeof(s->login), "one");
    struct limit_key login = key_of(s, PER_LOGIN), domain = key_of(s, PER_SENDER_DOMAIN);
    assert_false(same(&login, &domain));
}

static void long_names_stay_apart(void **state)
{
    struct session *s = *state;
    char one[900], other[900];
    memset(one, 'x', sizeof(one));
    one[sizeof(one) - 1] = '\0';
    memcpy(other, one, sizeof(one));
    other[sizeof(other) - 2] = 'y';
    assert_false(one_sender(s, PER_SENDER, one, "example.org", other, "example.org"));
    assert_true(one_sender(s, PER_SENDER, one, "example.org", one, "Example.ORG"));
    assert_false(one_sender(s, PER_SENDER, one, "example.org", one + 1, "example.org"));
    sends(s, one, "example.org");
    assert_true(key_of(s, PER_SENDER).size <= LIMIT_PART_MAX + 2);
}

static bool one_client(struct session *s, struct limit limit, const char *address, const char *other)
{
    struct limit_key a, b;
    is_client(s, address);
    assert_true(limit_key_find(&limit, s, NULL, &a));
    is_client(s, other);
    assert_true(limit_key_find(&limit, s, NULL, &b));
    return same(&a, &b);
}

static void addresses_are_networks(void **state)
{
    struct session *s = *state;
    const struct limit client = {.per = PER_CLIENT}, network = {.per = PER_NETWORK},
                       own = {.per = PER_CLIENT, .ipv4_prefix = 16, .ipv6_prefix = 32};
    assert_false(one_client(s, client, "192.0.2.1", "192.0.2.2"));
    assert_true(one_client(s, network, "192.0.2.1", "192.0.2.255"));
    assert_false(one_client(s, network, "192.0.2.1", "192.0.3.1"));
    assert_true(one_client(s, own, "192.0.2.1", "192.0.255.1"));
    assert_true(one_client(s, client, "2001:db8::1", "2001:db8::ffff:1"));
    assert_false(one_client(s, client, "2001:db8::1", "2001:db8:0:1::1"));
    assert_true(one_client(s, network, "2001:db8::1", "2001:db8:0:ffff::1"));
    assert_false(one_client(s, network, "2001:db8::1", "2001:db8:1::1"));
    assert_true(one_client(s, own, "2001:db8::1", "2001:db8:ffff::1"));
    assert_true(one_client(s, client, "::ffff:192.0.2.1", "192.0.2.1"));
}

static void it_is_printed_for_people(void **state)
{
    struct session *s = *state;
    struct limit limit = {.per = PER_NETWORK | PER_SENDER | PER_LISTENER};
    char text[HIT_KEY_MAX];
    is_client(s, "192.0.2.7");
    sends(s, "User", "Example.org");
    limit_key_print(&limit, s, NULL, text);
    assert_string_equal(text, "192.0.2.0/24+user@example.org+mx");
    limit.per = PER_CLIENT;
    limit_key_print(&limit, s, NULL, text);
    assert_string_equal(text, "192.0.2.7");
    is_client(s, "2001:db8::7");
    limit_key_print(&limit, s, NULL, text);
    assert_string_equal(text, "2001:db8::/64");
    char name[300];
    memset(name, 'x', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    sends(s, name, "example.org");
    limit.per = PER_SENDER | PER_LISTENER;
    limit_key_print(&limit, s, NULL, text);
    assert_int_equal(strlen(text), HIT_KEY_MAX - 1);
}

#define test_case(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test_case(what_is_not_known_has_no_key),  test_case(case_and_last_dot_make_no_difference),
        test_case(combinations_cannot_be_forged), test_case(long_names_stay_apart),
        test_case(addresses_are_networks),        test_case(it_is_printed_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
