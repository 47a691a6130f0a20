/* SPDX-License-Identifier: ISC
 *
 * lookups: a session's questions to DNS are asked at once and answered within one time; what is late, too much, or of
 * another transaction is told from an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "tests/lib/fake_clock.h"
#include "tests/lib/fake_dns.h"
#include "workers/lookups.h"

enum { ALLOWED_MS = 10000 };

static struct lookups lookups;
static struct wait waits;
static struct dns *dns;

static int set_up(void **state)
{
    (void)state;
    fake_dns_clear();
    lookups.silences = 0;
    dns = dns_new(NULL, &waits);
    lookups_begin_session(&lookups, dns, NULL, ALLOWED_MS);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lookups_end_session(&lookups);
    dns_free(&dns);
    fake_dns_clear();
    return 0;
}

static void say(const char *line)
{
    const char *why;
    assert_true(fake_dns_add(slice_of(line), &why));
}

static const struct lookup *ask(enum dns_type type, const char *name)
{
    return lookups_ask(&lookups, LOOKUP_SESSION, type, name);
}

static void assert_status(const struct lookup *lookup, enum dns_status wanted)
{
    assert_string_equal(dns_status_name(lookups_await(&lookups, lookup)), dns_status_name(wanted));
    assert_int_equal(lookup->status, wanted);
}

static void an_answer_is_kept_for_the_session(void **state)
{
    (void)state;
    say("a.test MX 20 two.a.test");
    say("a.test MX 10 one.a.test");
    say("a.test TXT v=spf1 -all");
    const struct lookup *mx = ask(DNS_MX, "a.test"), *txt = ask(DNS_TXT, "A.test");
    assert_status(mx, DNS_FOUND);
    assert_status(txt, DNS_FOUND);
    assert_status(ask(DNS_A, "a.test"), DNS_NO_DATA);
    assert_status(ask(DNS_A, "b.test"), DNS_NO_NAME);
    lookups_begin_transaction(&lookups);
    assert_int_equal(mx->count, 2);
    assert_string_equal(mx->records[0].name, "one.a.test");
    assert_string_equal(mx->records[1].name, "two.a.test");
    assert_true(slice_is_word(txt->records[0].text, "v=spf1 -all"));
}

static void count_asked(void *context, const struct lookup *lookup)
{
    (void)lookup;
    ((int *)context)[0]++;
}

static void count_answered(void *context, const struct lookup *lookup)
{
    ((int *)context)[1]++;
    assert_int_not_equal(lookup->status, DNS_ASKED);
}

static void not_told(void *context)
{
    (void)context;
}

static void who_wants_to_know_hears_of_each_question_and_its_end(void **state)
{
    int counts[2] = {0};
    const struct lookup_host host = {not_told, not_told, counts, count_asked, count_answered};
    (void)state;
    lookups_begin_session(&lookups, dns, &host, ALLOWED_MS);
    say("a.test A 192.0.2.1");
    say("b.test A silent");
    const struct lookup *silent = ask(DNS_A, "b.test");
    assert_int_equal(counts[0], 1);
    assert_status(ask(DNS_A, "a.test"), DNS_FOUND);
    assert_status(ask(DNS_A, "a.test"), DNS_FOUND);
    assert_int_equal(counts[0], 2);
    assert_int_equal(counts[1], 1);
    assert_status(silent, DNS_FAILED);
    assert_int_equal(counts[1], 2);
}

static void the_same_question_is_asked_once_a_scope(void **state)
{
    (void)state;
    say("a.test A 192.0.2.1 after 1s");
    const struct lookup *first = ask(DNS_A, "a.test");
    assert_ptr_equal(ask(DNS_A, "A.TEST"), first);
    assert_int_equal(fake_dns_asked(), 1);
    assert_ptr_not_equal(ask(DNS_AAAA, "a.test"), first);
    assert_int_equal(fake_dns_asked(), 2);
}

static void what_lasts_longer_is_not_asked_again(void **state)
{
    (void)state;
    say("a.test A 192.0.2.1 after 1s");
    say("b.test A 192.0.2.1");
    say("c.test A fails");
    const struct lookup *first = ask(DNS_A, "a.test");
    assert_ptr_equal(lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "a.test"), first); /* while it is under way */
    assert_status(first, DNS_FOUND);
    assert_ptr_equal(lookups_ask(&lookups, LOOKUP_ONCE, DNS_A, "a.test"), first);
    assert_int_equal(fake_dns_asked(), 1);
    fake_clock_move_to(first->asked_ms + LOOKUP_FRESH_MS);
    assert_ptr_not_equal(lookups_ask(&lookups, LOOKUP_ONCE, DNS_A, "a.test"), first);
    const struct lookup *shorter = lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "b.test");
    assert_ptr_not_equal(ask(DNS_A, "b.test"), shorter);
    const struct lookup *in_vain = ask(DNS_A, "c.test");
    assert_status(in_vain, DNS_FAILED);
    assert_ptr_not_equal(lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "c.test"), in_vain);
}

static void many_take_as_long_as_the_slowest(void **state)
{
    (void)state;
    const struct lookup *all[20];
    int64_t began_ms = clock_ms();
    for (int i = 0; i < 20; i++) {
        char line[80], name[80];
        snprintf(name, sizeof(name), "l%d.test", i);
        snprintf(line, sizeof(line), "l%d.test A 127.0.0.2 after %dms", i, 10 + i * 10);
        say(line);
        all[i] = ask(DNS_A, name);
    }
    for (int i = 0; i < 20; i++)
        assert_status(all[i], DNS_FOUND);
    assert_int_equal(clock_ms() - began_ms, 200);
    assert_int_equal(all[19]->took_ms, 200);
}

static void what_a_session_waits_is_bounded_as_a_whole(void **state)
{
    (void)state;
    int64_t began_ms = clock_ms();
    say("a.test A silent");
    say("b.test A 192.0.2.1 after 4s");
    say("c.test A 192.0.2.1");
    say("d.test A 192.0.2.1");
    assert_status(ask(DNS_A, "b.test"), DNS_FOUND);
    assert_status(ask(DNS_A, "a.test"), DNS_FAILED);
    assert_true(ask(DNS_A, "a.test")->was_late);
    assert_int_equal(clock_ms() - began_ms, ALLOWED_MS);
    assert_int_equal(lookups_left_ms(&lookups), 0);
    assert_status(lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "d.test"), DNS_FAILED);
    assert_int_equal(clock_ms() - began_ms, ALLOWED_MS);
    int asked = fake_dns_asked();
    assert_status(ask(DNS_A, "c.test"), DNS_FAILED); /* nor is anything asked */
    assert_int_equal(fake_dns_asked(), asked);
    lookups_renew_time(&lookups);
    lookups_begin_transaction(&lookups);
    assert_status(lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "d.test"), DNS_FOUND);
}

/* By names of the client's own, say. */
static void a_transaction_has_some_time_when_all_is_spent(void **state)
{
    (void)state;
    say("a.test A silent");
    say("b.test A 192.0.2.1 after 900ms");
    say("c.test A 192.0.2.1 after 2s");
    assert_status(ask(DNS_A, "a.test"), DNS_FAILED);
    assert_status(ask(DNS_A, "b.test"), DNS_FAILED);
    for (int i = 0; i < 3; i++) {
        lookups_begin_transaction(&lookups);
        assert_int_equal(lookups_left_ms(&lookups), ALLOWED_MS / LOOKUP_TRANSACTION_SHARE);
        assert_status(lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "b.test"), DNS_FOUND);
        assert_status(lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "c.test"), DNS_FAILED);
    }
}

static void an_answer_to_another_transaction_is_nobodys(void **state)
{
    (void)state;
    say("a.test A 192.0.2.1 after 1s");
    say("b.test A 192.0.2.2 after 2s");
    lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "a.test");
    lookups_begin_transaction(&lookups);
    const struct lookup *b = lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "b.test");
    assert_status(b, DNS_FOUND);
    assert_int_equal(b->records[0].address.bytes[3], 2);
}

static int asked_again(enum lookup_scope scope, const char *name, int64_t after_ms)
{
    int before = fake_dns_asked();
    fake_clock_move_to(clock_ms() + after_ms);
    lookups_begin_transaction(&lookups);
    lookups_resolve(&lookups, scope, DNS_A, name);
    return fake_dns_asked() - before;
}

static void what_was_answered_lately_is_not_asked_again(void **state)
{
    (void)state;
    static const char *const names[] = {[LOOKUP_TRANSACTION] = "a.test", [LOOKUP_ONCE] = "b.test"};
    say("a.test A 192.0.2.1");
    say("b.test A 192.0.2.1");
    for (enum lookup_scope scope = LOOKUP_TRANSACTION; scope <= LOOKUP_ONCE; scope++) {
        assert_int_equal(asked_again(scope, names[scope], 0), 1);
        assert_int_equal(asked_again(scope, names[scope], 0), 0);
        assert_int_equal(asked_again(scope, names[scope], LOOKUP_FRESH_MS - 1), 0);
        assert_int_equal(asked_again(scope, names[scope], 1), 1);
    }
    assert_int_equal(lookups_resolve(&lookups, LOOKUP_ONCE, DNS_A, "b.test")->records[0].address.bytes[3], 1);
}

static void what_was_in_vain_is_asked_again(void **state)
{
    (void)state;
    say("a.test A fails");
    assert_int_equal(asked_again(LOOKUP_TRANSACTION, "a.test", 0), 1);
    assert_int_equal(asked_again(LOOKUP_TRANSACTION, "a.test", 0), 1);
    assert_int_equal(asked_again(LOOKUP_ONCE, "a.test", 0), 1);
    assert_int_equal(asked_again(LOOKUP_ONCE, "a.test", 0), 1);
}

static void one_at_a_time_is_gone_with_the_next(void **state)
{
    (void)state;
    say("a.test A 192.0.2.1");
    say("b.test A silent");
    for (int i = 0; i < 3 * LOOKUPS_MAX; i++)
        assert_int_equal(lookups_resolve(&lookups, LOOKUP_ONCE, DNS_A, "a.test")->status, DNS_FOUND);
    assert_int_equal(lookups_resolve(&lookups, LOOKUP_ONCE, DNS_A, "b.test")->status, DNS_FAILED);
}

static void what_cannot_be_a_name_does_not_exist(void **state)
{
    (void)state;
    assert_status(ask(DNS_A, "a..test"), DNS_NO_NAME);
    assert_status(ask(DNS_A, "a\tb.test"), DNS_NO_NAME);
    assert_status(ask(DNS_A, "a\\b.test"), DNS_NO_NAME);
    assert_status(ask(DNS_A, ""), DNS_NO_NAME);
    assert_int_equal(fake_dns_asked(), 0);
}

static void too_many_are_unsure(void **state)
{
    char name[80];
    (void)state;
    for (int i = 0; i < LOOKUPS_MAX; i++) {
        snprintf(name, sizeof(name), "n%d.test", i);
        assert_status(ask(DNS_A, name), DNS_NO_NAME);
    }
    assert_status(ask(DNS_A, "one-more.test"), DNS_FAILED);
    assert_status(lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "a.test"), DNS_NO_NAME);
}

static void an_answer_too_large_for_the_session_is_unsure(void **state)
{
    static char line[4096];
    (void)state;
    int size = snprintf(line, sizeof(line), "a.test TXT ");
    memset(line + size, 'x', sizeof(line) - (size_t)size - 1);
    for (int i = 0; i < 10; i++)
        say(line);
    say("b.test A 192.0.2.1");
    assert_status(ask(DNS_TXT, "a.test"), DNS_FAILED);
    assert_status(lookups_ask(&lookups, LOOKUP_TRANSACTION, DNS_A, "b.test"), DNS_FOUND);
}

/* The client writes its own names: were they the first to come they could leave no room for what lists say. */
static void a_long_answer_leaves_room_for_short_ones(void **state)
{
    enum { LISTS = 20, NAMES = 8, ADDRESSES = 30, LONG_NAMES = 64 };
    char line[400], name[80], label[61];
    const struct lookup *lists[LISTS];
    (void)state;
    memset(label, 'x', sizeof(label) - 1);
    label[sizeof(label) - 1] = '\0';
    for (int i = 0; i < LISTS; i++) {
        snprintf(name, sizeof(name), "7.2.0.192.l%d.test", i);
        for (int j = 2; j < 6; j++) {
            snprintf(line, sizeof(line), "%s A 127.0.0.%d after 50ms", name, j);
            say(line);
        }
        lists[i] = ask(DNS_A, name);
    }
    for (int i = 0; i < LONG_NAMES; i++) {
        snprintf(line, sizeof(line), "7.2.0.192.in-addr.arpa PTR n%d.%s.%s.%s.test", i, label, label, label);
        say(line);
    }
    for (int i = 0; i < NAMES * ADDRESSES; i++) {
        snprintf(line, sizeof(line), "n%d.test A 192.0.2.%d", i % NAMES, i / NAMES);
        say(line);
    }
    lookups_await(&lookups, ask(DNS_PTR, "7.2.0.192.in-addr.arpa"));
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof(name), "n%d.test", i);
        lookups_await(&lookups, ask(DNS_A, name));
    }
    for (int i = 0; i < LISTS; i++) {
        assert_status(lists[i], DNS_FOUND);
        assert_int_equal(lists[i]->count, 4);
    }
}

static enum io hang_up(struct wait_guest *guest, short revents)
{
    (void)guest;
    (void)revents;
    return IO_GONE;
}

static void a_hang_up_ends_the_wait_and_all_that_follow(void **state)
{
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    struct wait_guest outside = {.fd = ends[0], .woken = hang_up};
    int64_t began_ms = clock_ms();
    wait_invite(&waits, &outside);
    say("a.test A silent");
    say("b.test A silent");
    assert_status(ask(DNS_A, "a.test"), DNS_FAILED);
    wait_dismiss(&waits, &outside);
    close(ends[0]);
    assert_status(ask(DNS_A, "b.test"), DNS_FAILED);
    assert_int_equal(lookups.interrupted, IO_GONE);
    assert_false(ask(DNS_A, "a.test")->was_late);
    assert_int_equal(clock_ms(), began_ms);
}

static void a_resolver_that_is_dead_is_not_waited_for_by_each_session(void **state)
{
    (void)state;
    say("a.test A silent");
    say("b.test A 192.0.2.1 after 500ms");
    for (int i = 0; i < LOOKUP_SILENCES_MAX; i++) {
        assert_status(ask(DNS_A, "a.test"), DNS_FAILED);
        lookups_begin_session(&lookups, dns, NULL, ALLOWED_MS);
    }
    int64_t began_ms = clock_ms();
    assert_status(ask(DNS_A, "a.test"), DNS_FAILED);
    assert_int_equal(clock_ms() - began_ms, LOOKUP_IMPATIENT_MS);
    lookups_begin_session(&lookups, dns, NULL, ALLOWED_MS);
    assert_status(ask(DNS_A, "b.test"), DNS_FOUND);
    assert_status(ask(DNS_A, "a.test"), DNS_FAILED);
    assert_int_equal(clock_ms() - began_ms, LOOKUP_IMPATIENT_MS + ALLOWED_MS);
}

static void without_a_resolver_everything_is_unsure(void **state)
{
    (void)state;
    lookups_begin_session(&lookups, NULL, NULL, ALLOWED_MS);
    assert_status(ask(DNS_A, "a.test"), DNS_FAILED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_answer_is_kept_for_the_session),
        TEST(who_wants_to_know_hears_of_each_question_and_its_end),
        TEST(the_same_question_is_asked_once_a_scope),
        TEST(what_lasts_longer_is_not_asked_again),
        TEST(many_take_as_long_as_the_slowest),
        TEST(what_a_session_waits_is_bounded_as_a_whole),
        TEST(a_transaction_has_some_time_when_all_is_spent),
        TEST(an_answer_to_another_transaction_is_nobodys),
        TEST(what_was_answered_lately_is_not_asked_again),
        TEST(what_was_in_vain_is_asked_again),
        TEST(one_at_a_time_is_gone_with_the_next),
        TEST(what_cannot_be_a_name_does_not_exist),
        TEST(too_many_are_unsure),
        TEST(an_answer_too_large_for_the_session_is_unsure),
        TEST(a_long_answer_leaves_room_for_short_ones),
        TEST(a_hang_up_ends_the_wait_and_all_that_follow),
        TEST(a_resolver_that_is_dead_is_not_waited_for_by_each_session),
        TEST(without_a_resolver_everything_is_unsure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
