/* SPDX-License-Identifier: ISC
 *
 * hits: who hit a limit is found again in words, the first time is news, and whatever workers write there is fit to be
 * shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/hits.h"

enum { NOW = 1000000, QUIET = 600, WRITERS = 4, ROUNDS = 5000 };

#define LIMIT UINT64_C(0x123456789abcdef0)
#define OTHER UINT64_C(0xfedcba9876543210)

static int set_up(void **state)
{
    void *at = mmap(NULL, sizeof(struct hits), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *state = at;
    return at != MAP_FAILED ? 0 : -1;
}

static int tear_down(void **state)
{
    return munmap(*state, sizeof(struct hits));
}

static struct hit hit_of(const char *limit, const char *key, int64_t now)
{
    struct hit hit = {.hash = 4711, .last_s = now};
    snprintf(hit.limit, sizeof(hit.limit), "%s", limit);
    snprintf(hit.key, sizeof(hit.key), "%s", key);
    return hit;
}

static bool add(struct hits *hits, const char *key, int64_t now)
{
    struct hit hit = hit_of("inbound.rate", key, now);
    return hits_add(hits, LIMIT, &hit, QUIET);
}

/* The rows with this key; the last of them in *out. */
static int find(const struct hits *hits, const char *key, struct hit *out)
{
    int found = 0;
    for (int i = 0; i < HITS_ROWS; i++) {
        struct hit hit;
        if (!hits_read(hits, i, &hit) || strcmp(hit.key, key) != 0)
            continue;
        *out = hit;
        found++;
    }
    return found;
}

static int rows_used(const struct hits *hits)
{
    int used = 0;
    struct hit hit;
    for (int i = 0; i < HITS_ROWS; i++)
        used += hits_read(hits, i, &hit);
    return used;
}

static void the_first_time_is_news(void **state)
{
    struct hits *hits = *state;
    struct hit hit;
    assert_true(add(hits, "192.0.2.7", NOW));
    assert_false(add(hits, "192.0.2.7", NOW));
    assert_false(add(hits, "192.0.2.7", NOW + QUIET - 1));
    assert_true(add(hits, "192.0.2.8", NOW));
    assert_int_equal(find(hits, "192.0.2.7", &hit), 1);
    assert_string_equal(hit.limit, "inbound.rate");
    assert_int_equal(hit.hash, 4711);
    assert_int_equal(hit.times, 3);
    assert_int_equal(hit.first_s, NOW);
    assert_int_equal(hit.last_s, NOW + QUIET - 1);
    assert_int_equal(hits_tally(hits, LIMIT), 4);
    assert_int_equal(hits_tally(hits, OTHER), 0);
}

static void after_a_quiet_time_it_is_news_again(void **state)
{
    struct hits *hits = *state;
    struct hit hit;
    assert_true(add(hits, "192.0.2.7", NOW));
    assert_true(add(hits, "192.0.2.7", NOW + QUIET));
    assert_int_equal(find(hits, "192.0.2.7", &hit), 1);
    assert_int_equal(hit.times, 1);
    assert_int_equal(hit.first_s, NOW + QUIET);
    assert_true(add(hits, "192.0.2.7", NOW)); /* the clock was set back */
}

static void without_memory_nothing_is_news(void **state)
{
    (void)state;
    struct hit hit = hit_of("a.b", "192.0.2.7", NOW);
    assert_false(hits_add(NULL, LIMIT, &hit, QUIET));
}

static void each_limit_has_its_own_row_and_tally(void **state)
{
    struct hits *hits = *state;
    struct hit one = hit_of("in.one", "192.0.2.7", NOW), other = hit_of("in.other", "192.0.2.7", NOW);
    assert_true(hits_add(hits, LIMIT, &one, QUIET));
    assert_true(hits_add(hits, OTHER, &other, QUIET));
    assert_false(hits_add(hits, OTHER, &other, QUIET));
    assert_int_equal(find(hits, "192.0.2.7", &one), 2);
    assert_int_equal(hits_tally(hits, LIMIT), 1);
    assert_int_equal(hits_tally(hits, OTHER), 2);
}

static void the_oldest_makes_room(void **state)
{
    struct hits *hits = *state;
    struct hit hit;
    char key[HIT_KEY_MAX];
    for (int i = 0; i < 20 * HITS_ROWS; i++) {
        snprintf(key, sizeof(key), "10.1.%d.%d", i / 256, i % 256);
        assert_true(add(hits, key, NOW + i));
    }
    assert_int_equal(rows_used(hits), HITS_ROWS);
    assert_int_equal(find(hits, key, &hit), 1);
    assert_int_equal(find(hits, "10.1.0.0", &hit), 0);
    assert_int_equal(hits_tally(hits, LIMIT), 20 * HITS_ROWS);
}

static void more_limits_than_tallies_displace_the_least(void **state)
{
    struct hits *hits = *state;
    for (uint64_t i = 0; i < 3 * HITS_TALLIES; i++) {
        struct hit hit = hit_of("in.many", "192.0.2.7", NOW);
        for (int times = 0; times < 3; times++)
            hits_add(hits, LIMIT, &hit, QUIET);
        hits_add(hits, (i + 1) << 40 | i, &hit, QUIET);
    }
    assert_int_equal(hits_tally(hits, LIMIT), 9 * HITS_TALLIES);
}

static void a_tally_stays_at_its_most(void **state)
{
    struct hits *hits = *state;
    uint64_t most = (UINT64_C(1) << 40) - 1;
    add(hits, "192.0.2.7", NOW);
    for (int i = 0; i < HITS_TALLIES; i++)
        if (hits->tallies[i] != 0)
            hits->tallies[i] |= most;
    add(hits, "192.0.2.7", NOW);
    assert_int_equal(hits_tally(hits, LIMIT), most);
}

static void what_is_forgotten_is_gone_and_its_hashes_are_told(void **state)
{
    struct hits *hits = *state;
    uint64_t hashes[HITS_ROWS];
    struct hit one = hit_of("in.one", "User@example.org", NOW), other = hit_of("in.other", "user@example.org", NOW);
    one.hash = 1;
    other.hash = 2;
    hits_add(hits, LIMIT, &one, QUIET);
    hits_add(hits, OTHER, &other, QUIET);
    add(hits, "user@example.org.uk", NOW);
    assert_int_equal(hits_forget(hits, "user@example.ORG", hashes), 2);
    assert_int_equal(hashes[0] + hashes[1], 3);
    assert_int_equal(hits_forget(hits, "user@example.org", hashes), 0);
    assert_int_equal(hits_forget(hits, "", hashes), 0);
    assert_int_equal(rows_used(hits), 1);
    assert_true(hits_add(hits, LIMIT, &one, QUIET)); /* and is news again */
}

static void a_row_whose_writer_died_is_taken_over(void **state)
{
    struct hits *hits = *state;
    struct hit hit;
    uint64_t hashes[HITS_ROWS];
    assert_true(add(hits, "192.0.2.7", NOW));
    for (int i = 0; i < HITS_ROWS; i++)
        atomic_fetch_or(&hits->rows[i].sequence, 1u);
    assert_int_equal(rows_used(hits), 0);
    add(hits, "192.0.2.7", NOW + 1);
    assert_int_equal(find(hits, "192.0.2.7", &hit), 1);
    assert_int_equal(hit.last_s, NOW + 1);
    for (int i = 0; i < HITS_ROWS; i++)
        atomic_fetch_or(&hits->rows[i].sequence, 1u);
    assert_int_equal(hits_forget(hits, "192.0.2.7", hashes), 1); /* by the master as well */
    assert_true(add(hits, "192.0.2.7", NOW + 2));
}

static void assert_fit_to_be_shown(const struct hit *hit)
{
    assert_true(memchr(hit->limit, '\0', sizeof(hit->limit)) != NULL && hit->limit[0] != '\0');
    assert_true(memchr(hit->key, '\0', sizeof(hit->key)) != NULL && hit->key[0] != '\0');
    for (const char *c = hit->limit; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c <= '~');
    for (const char *c = hit->key; *c != '\0'; c++)
        assert_true(*c >= ' ' && *c <= '~');
    assert_true(hit->first_s >= 0 && hit->last_s >= 0);
}

static void make_noise(struct hits *hits, int kind)
{
    unsigned char *octets = (unsigned char *)hits;
    for (size_t i = 0; i < sizeof(*hits); i++)
        octets[i] = kind == 0 ? 0 : kind == 1 ? 0xff : (unsigned char)random();
}

static void whatever_is_there_is_made_printable(void **state)
{
    struct hits *hits = *state;
    srandom(4711);
    for (int round = 0; round < 30; round++) {
        uint64_t hashes[HITS_ROWS];
        struct hit hit;
        make_noise(hits, round % 3);
        for (int i = 0; i < HITS_ROWS; i++)
            if (hits_read(hits, i, &hit))
                assert_fit_to_be_shown(&hit);
        hits_tally(hits, LIMIT);
        add(hits, "192.0.2.7", NOW);
        assert_int_equal(find(hits, "192.0.2.7", &hit), 1); /* and what is written then is right */
        assert_int_equal(hits_forget(hits, "192.0.2.7", hashes), 1);
    }
}

static void write_for_long(struct hits *hits, int writer)
{
    for (int i = 0; i < ROUNDS; i++) {
        char key[HIT_KEY_MAX];
        snprintf(key, sizeof(key), "10.%d.0.%d", i % 2 == 0 ? 99 : writer, i % 8);
        add(hits, key, NOW + i);
    }
    _exit(0);
}

/* Many at once, on the same rows and on others: all is counted, and what is read meanwhile is fit to be shown. */
static void racing_writers_do_no_harm(void **state)
{
    struct hits *hits = *state;
    int ended = 0;
    for (int i = 0; i < WRITERS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            write_for_long(hits, i);
    }
    while (ended < WRITERS) {
        int status;
        struct hit hit;
        for (int i = 0; i < HITS_ROWS; i++)
            if (hits_read(hits, i, &hit))
                assert_fit_to_be_shown(&hit);
        if (waitpid(-1, &status, WNOHANG) <= 0)
            continue;
        assert_int_equal(status, 0);
        ended++;
    }
    assert_in_range(hits_tally(hits, LIMIT), WRITERS * ROUNDS * 99 / 100, WRITERS * ROUNDS);
}

#define WITH_HITS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_HITS(the_first_time_is_news),
        WITH_HITS(after_a_quiet_time_it_is_news_again),
        WITH_HITS(without_memory_nothing_is_news),
        WITH_HITS(each_limit_has_its_own_row_and_tally),
        WITH_HITS(the_oldest_makes_room),
        WITH_HITS(more_limits_than_tallies_displace_the_least),
        WITH_HITS(a_tally_stays_at_its_most),
        WITH_HITS(what_is_forgotten_is_gone_and_its_hashes_are_told),
        WITH_HITS(a_row_whose_writer_died_is_taken_over),
        WITH_HITS(whatever_is_there_is_made_printable),
        WITH_HITS(racing_writers_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
