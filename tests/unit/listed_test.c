/* SPDX-License-Identifier: ISC
 *
 * listed: the longest network that holds an address counts, for its time; a reader is never led on by a list that
 * changes meanwhile. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/listed.h"

enum { NOW = 1000000, LATER = 2000000, READS = 5000 };

static int set_up(void **state)
{
    void *at = mmap(NULL, sizeof(struct listed), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *state = at;
    return at != MAP_FAILED ? 0 : -1;
}

static int tear_down(void **state)
{
    return munmap(*state, sizeof(struct listed));
}

static struct listed_entry entry_of(const char *network, enum listed_as as, int64_t until_s)
{
    struct listed_entry entry = {.as = as, .until_s = until_s};
    assert_true(network_parse(slice_of(network), &entry.network));
    return entry;
}

static bool add(struct listed *listed, const char *network, enum listed_as as, int64_t until_s)
{
    struct listed_entry entry = entry_of(network, as, until_s);
    return listed_add(listed, &entry, "because", NOW);
}

static bool drop(struct listed *listed, const char *network)
{
    struct listed_entry entry = entry_of(network, LISTED_BLOCKED, 0);
    return listed_drop(listed, &entry.network);
}

static enum listed_as find_at(const struct listed *listed, const char *address, time_t now)
{
    struct ipaddr client;
    assert_true(ipaddr_parse(slice_of(address), &client));
    return listed_find(listed, &client, now, NULL, NULL);
}

static enum listed_as find(const struct listed *listed, const char *address)
{
    return find_at(listed, address, NOW);
}

static void nobody_is_listed_at_first(void **state)
{
    assert_int_equal(find(*state, "192.0.2.1"), LISTED_NOT);
    assert_int_equal(find(NULL, "192.0.2.1"), LISTED_NOT);
}

static void the_longest_network_counts(void **state)
{
    struct listed *listed = *state;
    assert_true(add(listed, "192.0.2.0/24", LISTED_BLOCKED, 0));
    assert_true(add(listed, "192.0.2.16/28", LISTED_ALLOWED, 0));
    assert_true(add(listed, "192.0.2.17", LISTED_BLOCKED, 0));
    assert_true(add(listed, "2001:db8::/33", LISTED_BLOCKED, 0));
    assert_int_equal(find(listed, "192.0.2.1"), LISTED_BLOCKED);
    assert_int_equal(find(listed, "192.0.2.16"), LISTED_ALLOWED);
    assert_int_equal(find(listed, "192.0.2.17"), LISTED_BLOCKED);
    assert_int_equal(find(listed, "192.0.3.1"), LISTED_NOT);
    assert_int_equal(find(listed, "::ffff:192.0.2.16"), LISTED_ALLOWED);
    assert_int_equal(find(listed, "2001:db8:7fff::1"), LISTED_BLOCKED);
    assert_int_equal(find(listed, "2001:db8:8000::1"), LISTED_NOT);
    struct ipaddr nobody = {0};
    assert_int_equal(listed_find(listed, &nobody, NOW, NULL, NULL), LISTED_NOT);
}

static void everybody_of_a_family_can_be_listed(void **state)
{
    struct listed *listed = *state;
    assert_true(add(listed, "0.0.0.0/0", LISTED_BLOCKED, 0));
    assert_int_equal(find(listed, "203.0.113.9"), LISTED_BLOCKED);
    assert_int_equal(find(listed, "2001:db8::1"), LISTED_NOT);
}

static void the_entry_and_its_reason_are_told(void **state)
{
    struct listed *listed = *state;
    struct listed_entry told, entry = entry_of("192.0.2.0/24", LISTED_BLOCKED, LATER);
    struct ipaddr client;
    char reason[LISTED_REASON_MAX], longer[2 * LISTED_REASON_MAX];
    assert_true(ipaddr_parse(slice_of("192.0.2.9"), &client));
    assert_true(listed_add(listed, &entry, "an open\nproxy \xff", NOW));
    assert_int_equal(listed_find(listed, &client, NOW, &told, reason), LISTED_BLOCKED);
    assert_string_equal(reason, "an open?proxy ?");
    assert_int_equal(told.until_s, LATER);
    assert_int_equal(told.network.prefix, 24);
    memset(longer, 'x', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    assert_true(listed_add(listed, &entry, longer, NOW));
    assert_int_equal(listed_find(listed, &client, NOW, &told, reason), LISTED_BLOCKED);
    assert_int_equal(strlen(reason), LISTED_REASON_MAX - 1);
    assert_true(listed_add(listed, &entry, NULL, NOW));
    assert_int_equal(listed_find(listed, &client, NOW, &told, reason), LISTED_BLOCKED);
    assert_string_equal(reason, "");
}

static void one_entry_for_a_network(void **state)
{
    struct listed *listed = *state;
    for (int i = 0; i < 3 * LISTED_MAX; i++)
        assert_true(add(listed, "192.0.2.0/24", i % 2 == 0 ? LISTED_BLOCKED : LISTED_ALLOWED, 0));
    assert_int_equal(listed->end, 1);
    assert_int_equal(find(listed, "192.0.2.1"), LISTED_ALLOWED);
    assert_true(drop(listed, "192.0.2.0/24"));
    assert_false(drop(listed, "192.0.2.0/24"));
    assert_int_equal(find(listed, "192.0.2.1"), LISTED_NOT);
    assert_int_equal(listed->end, 0);
}

static void what_is_over_holds_no_more_and_goes(void **state)
{
    struct listed *listed = *state;
    assert_true(add(listed, "192.0.2.0/24", LISTED_BLOCKED, LATER));
    assert_true(add(listed, "192.0.0.0/16", LISTED_ALLOWED, 0));
    assert_int_equal(find_at(listed, "192.0.2.1", LATER - 1), LISTED_BLOCKED);
    assert_int_equal(find_at(listed, "192.0.2.1", LATER), LISTED_ALLOWED);
    assert_int_equal(listed_expire(listed, LATER - 1), 0);
    assert_int_equal(listed_expire(listed, LATER), 1);
    assert_int_equal(find(listed, "192.0.2.1"), LISTED_ALLOWED);
}

static void there_is_an_end_to_it(void **state)
{
    struct listed *listed = *state;
    char text[32];
    for (int i = 0; i < LISTED_MAX; i++) {
        snprintf(text, sizeof(text), "10.0.%d.%d", i / 256, i % 256);
        assert_true(add(listed, text, LISTED_BLOCKED, i == 7 ? NOW + 1 : 0));
    }
    assert_false(add(listed, "192.0.2.1", LISTED_BLOCKED, 0));
    assert_true(add(listed, "10.0.0.1", LISTED_ALLOWED, 0));
    struct listed_entry entry = entry_of("192.0.2.1", LISTED_BLOCKED, 0);
    assert_true(listed_add(listed, &entry, "", NOW + 1)); /* in the place of what is over */
    assert_int_equal(find(listed, "192.0.2.1"), LISTED_BLOCKED);
    assert_int_equal(find(listed, "10.0.0.7"), LISTED_NOT);
    assert_int_equal(find(listed, "10.0.7.255"), LISTED_BLOCKED);
}

static void all_places_can_be_read(void **state)
{
    struct listed *listed = *state;
    struct listed_entry entry;
    char reason[LISTED_REASON_MAX];
    assert_true(add(listed, "192.0.2.1", LISTED_BLOCKED, LATER));
    assert_true(add(listed, "192.0.2.2", LISTED_ALLOWED, 0));
    assert_true(listed_read(listed, 1, NOW, &entry, reason));
    assert_int_equal(entry.as, LISTED_ALLOWED);
    assert_string_equal(reason, "because");
    assert_true(drop(listed, "192.0.2.2"));
    for (int i = 1; i < LISTED_MAX; i++)
        assert_false(listed_read(listed, i, NOW, &entry, reason));
    assert_true(listed_read(listed, 0, NOW, &entry, reason));
    assert_false(listed_read(listed, 0, LATER, &entry, reason));
    assert_false(listed_read(NULL, 0, NOW, &entry, reason));
}

static void a_change_that_never_ends_lists_nobody(void **state)
{
    struct listed *listed = *state;
    assert_true(add(listed, "192.0.2.0/24", LISTED_BLOCKED, 0));
    atomic_fetch_or(&listed->sequence, 1u); /* the master died in the middle */
    assert_int_equal(find(listed, "192.0.2.1"), LISTED_NOT);
    assert_true(add(listed, "192.0.2.0/24", LISTED_BLOCKED, 0)); /* the next change mends it */
    assert_int_equal(find(listed, "192.0.2.1"), LISTED_BLOCKED);
}

/* One network is blocked with one reason and allowed with another, in turns, for as long as the reader lives. */
static void change_it(struct listed *listed, pid_t reader)
{
    struct listed_entry entry = entry_of("192.0.2.0/24", LISTED_BLOCKED, 0);
    for (int i = 0; getppid() == reader; i++) {
        entry.as = i % 2 == 0 ? LISTED_ALLOWED : LISTED_BLOCKED;
        listed_add(listed, &entry, i % 2 == 0 ? "a friend of ours" : "an enemy", NOW);
    }
    _exit(0);
}

static void a_reader_sees_the_one_or_the_other(void **state)
{
    struct listed *listed = *state;
    struct ipaddr client;
    struct listed_entry entry;
    char reason[LISTED_REASON_MAX];
    int seen[] = {[LISTED_NOT] = 0, [LISTED_BLOCKED] = 0, [LISTED_ALLOWED] = 0}, status;
    struct listed_entry first = entry_of("192.0.2.0/24", LISTED_BLOCKED, 0);
    pid_t reader = getpid();
    assert_true(listed_add(listed, &first, "an enemy", NOW));
    assert_true(ipaddr_parse(slice_of("192.0.2.9"), &client));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        change_it(listed, reader);
    while (seen[LISTED_BLOCKED] < READS || seen[LISTED_ALLOWED] < READS) {
        enum listed_as as = listed_find(listed, &client, NOW, &entry, reason);
        seen[as]++;
        if (as == LISTED_NOT)
            continue; /* it changed all the time: bounded */
        assert_int_equal(as, entry.as);
        assert_string_equal(reason, as == LISTED_ALLOWED ? "a friend of ours" : "an enemy");
    }
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
}

#define WITH_LIST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LIST(nobody_is_listed_at_first),
        WITH_LIST(the_longest_network_counts),
        WITH_LIST(everybody_of_a_family_can_be_listed),
        WITH_LIST(the_entry_and_its_reason_are_told),
        WITH_LIST(one_entry_for_a_network),
        WITH_LIST(what_is_over_holds_no_more_and_goes),
        WITH_LIST(there_is_an_end_to_it),
        WITH_LIST(all_places_can_be_read),
        WITH_LIST(a_change_that_never_ends_lists_nobody),
        WITH_LIST(a_reader_sees_the_one_or_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
