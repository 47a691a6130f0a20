/* SPDX-License-Identifier: ISC
 *
 * heard: the keywords of a backend are what all its servers offered in the last hour, and poison does not last.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/scoreboard.h"
#include "workers/heard.h"

static struct heard region[SCOREBOARD_SERVERS_MAX];
static struct scoreboard board = {.heard = region};
static struct server servers[2] = {{.name = "one", .heard_slot = 0}, {.name = "two", .heard_slot = 1}};
static const struct backend backend = {.servers = {servers, 2, sizeof(servers[0])}};

static int set_up(void **state)
{
    (void)state;
    memset(region, 0, sizeof(region));
    return 0;
}

static void remember(int server, uint32_t keywords, uint64_t size_limit)
{
    struct extensions offers = {.keywords = keywords, .numbers[NUMBER_SIZE] = size_limit};
    heard_remember(&board, &servers[server], &offers);
}

static void nothing_is_known_at_first(void **state)
{
    struct extensions offers;
    (void)state;
    assert_false(heard_recall(&board, &backend, &offers));
    assert_false(heard_recall(NULL, &backend, &offers));
}

static void one_server_is_enough_to_know(void **state)
{
    struct extensions offers;
    (void)state;
    remember(0, KEYWORD_8BITMIME | KEYWORD_DSN | KEYWORD_XCLIENT | KEYWORD_SIZE, 1000000);
    assert_true(heard_recall(&board, &backend, &offers));
    assert_int_equal(offers.keywords, KEYWORD_8BITMIME | KEYWORD_DSN | KEYWORD_SIZE);
    assert_int_equal(offers.numbers[NUMBER_SIZE], 1000000);
}

static void what_all_offer_counts(void **state)
{
    struct extensions offers;
    (void)state;
    remember(0, KEYWORD_8BITMIME | KEYWORD_DSN, 0);
    remember(1, KEYWORD_8BITMIME | KEYWORD_SMTPUTF8, 500000);
    assert_true(heard_recall(&board, &backend, &offers));
    assert_int_equal(offers.keywords, KEYWORD_8BITMIME);
    assert_int_equal(offers.numbers[NUMBER_SIZE], 500000);
    remember(1, KEYWORD_8BITMIME, 400000); /* of one server, too, the least that it offered */
    remember(1, KEYWORD_SMTPUTF8, 600000);
    assert_true(heard_recall(&board, &backend, &offers));
    assert_int_equal(offers.keywords, 0);
    assert_int_equal(offers.numbers[NUMBER_SIZE], 400000);
}

static void an_old_word_is_forgotten(void **state)
{
    struct extensions offers;
    (void)state;
    remember(0, KEYWORD_8BITMIME, 0);
    uint64_t word = atomic_load(&region[0].lately.keywords);
    atomic_store(&region[0].lately.keywords, word - (UINT64_C(1) << 32)); /* half an hour ago */
    assert_true(heard_recall(&board, &backend, &offers));
    atomic_store(&region[0].lately.keywords, word - (UINT64_C(3) << 32));
    assert_false(heard_recall(&board, &backend, &offers));
    atomic_store(&region[0].lately.keywords, word + (UINT64_C(1) << 32)); /* from the future: damage */
    assert_false(heard_recall(&board, &backend, &offers));
}

static void distrust_asks_inside_again(void **state)
{
    struct extensions offers;
    (void)state;
    remember(0, KEYWORD_8BITMIME, 0);
    heard_distrust(&board, &backend);
    assert_false(heard_recall(&board, &backend, &offers));
    atomic_store(&region[0].distrust_until_ms, UINT64_MAX); /* damage heals */
    atomic_store(&region[1].distrust_until_ms, 0);
    assert_true(heard_recall(&board, &backend, &offers));
}

/* The region is rumour: any worker can write anything into it (L7). */
static void nonsense_is_not_said(void **state)
{
    struct extensions offers;
    char memory[1024];
    struct buffer text;
    (void)state;
    remember(0, KEYWORD_SIZE | KEYWORD_LIMITS | KEYWORD_FUTURERELEASE | KEYWORD_DSN | KEYWORD_AUTH_PLAIN, 1000000);
    for (int i = 0; i < KEYWORD_NUMBERS; i++)
        atomic_store(&region[0].lately.numbers[i], UINT64_MAX - (uint64_t)i);
    assert_true(heard_recall(&board, &backend, &offers));
    for (int i = NUMBER_RCPTMAX; i < KEYWORD_NUMBERS; i++)
        assert_int_equal(offers.numbers[i], 0);
    assert_int_equal(offers.keywords & KEYWORD_FUTURERELEASE, 0);
    atomic_store(&region[0].lately.numbers[NUMBER_SIZE], 1); /* mail is not bounced for a rumour */
    assert_true(heard_recall(&board, &backend, &offers));
    assert_int_equal(offers.numbers[NUMBER_SIZE], 0);
    offers.keywords |= KEYWORD_FUTURERELEASE; /* what cannot be printed is left out whole */
    offers.numbers[NUMBER_HOLD_UNTIL] = UINT64_MAX;
    buffer_init(&text, memory, sizeof(memory));
    assert_false(extensions_print(&text, slice_of("mx"), &offers));
    assert_int_equal(memory[text.end - 1], 'N'); /* of DSN */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_known_at_first, set_up),
        cmocka_unit_test_setup(one_server_is_enough_to_know, set_up),
        cmocka_unit_test_setup(what_all_offer_counts, set_up),
        cmocka_unit_test_setup(an_old_word_is_forgotten, set_up),
        cmocka_unit_test_setup(distrust_asks_inside_again, set_up),
        cmocka_unit_test_setup(nonsense_is_not_said, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
