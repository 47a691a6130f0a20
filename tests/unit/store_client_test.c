/* SPDX-License-Identifier: ISC
 *
 * store_client: when the storekeeper is asked and told, and what a session hears where it is not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pthread.h>

#include <cmocka.h>

#include "common/clock.h"
#include "workers/session.h"
#include "workers/store_client.h"

enum { SLOTS = 3, PLACE = 2, LONG_MS = 20000, SHORT_MS = 30 };

static struct scoreboard board;
static struct store_board *answers; /* as the storekeeper sees them */
static int sockets[2];              /* its end, ours */
static struct store_options options;
static struct service service = {.store = &options};
static struct store_client client;
static struct session_setup setup;
static struct session s = {.setup = &setup, .service = &service};
static struct store_request heard;

static int set_up(void **state)
{
    const struct scoreboard_size size = {SLOTS, 1024, 1024};
    (void)state;
    if (!scoreboard_create(&board, &size))
        return -1;
    answers = region_map(&board.regions[REGION_STORE]);
    if (answers == NULL || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets) != 0 || !scoreboard_enter(&board, 0))
        return -1;
    atomic_store(&answers->head.beat_ms, clock_ms());
    atomic_store(&answers->head.state, STORE_WORKING);
    options = (struct store_options){.directory = "/there", .deadline_ms = LONG_MS};
    service.store = &options;
    setup = (struct session_setup){.service = &service, .board = &board, .store = &client};
    client = (struct store_client){.fd = sockets[1], .place = PLACE};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(sockets[0]);
    close(sockets[1]);
    munmap(answers, store_board_bytes(SLOTS));
    scoreboard_destroy(&board);
    return 0;
}

static bool hears(int flags)
{
    ssize_t size = recv(sockets[0], &heard, sizeof(heard), flags);
    return size > 0 && store_is_request(&heard, (size_t)size, SLOTS);
}

/* One question, answered with 7 s. */
static void *answer_one(void *outcome)
{
    if (hears(0))
        store_say(answers, &heard, (struct store_answer){*(enum store_outcome *)outcome, 7});
    return NULL;
}

static struct store_answer ask(enum store_deed deed)
{
    struct store_request request;
    store_request_init(&request, deed, slice_of("g 192.0.2.0/24"));
    return store_client_ask(&s, &request);
}

static struct store_answer ask_and_answer(enum store_deed deed, enum store_outcome outcome)
{
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, answer_one, &outcome), 0);
    struct store_answer answer = ask(deed);
    pthread_join(thread, NULL);
    return answer;
}

static void who_asks_hears_an_answer(void **state)
{
    (void)state;
    struct store_answer answer = ask_and_answer(STORE_ATTEMPT, STORE_EARLY);
    assert_int_equal(answer.outcome, STORE_EARLY);
    assert_int_equal(answer.seconds, 7);
    assert_int_equal(heard.deed, STORE_ATTEMPT);
    assert_int_equal(heard.place, PLACE);
    assert_memory_equal(heard.key, "g 192.0.2.0/24", heard.key_size);
}

static void too_late_is_unsure(void **state)
{
    (void)state;
    options.deadline_ms = SHORT_MS;
    atomic_store(&answers->head.beat_ms, clock_ms() + LONG_MS);
    assert_int_equal(ask(STORE_ATTEMPT).outcome, STORE_UNSURE);
    assert_true(hears(MSG_DONTWAIT));
    assert_int_equal(ask(STORE_ATTEMPT).outcome, STORE_UNSURE); /* one deadline is a session's for all of them */
    assert_false(hears(MSG_DONTWAIT));
    store_client_begin(&client);                                      /* another session */
    store_say(answers, &heard, (struct store_answer){STORE_PASS, 0}); /* is no answer to the next question */
    assert_int_equal(ask(STORE_ATTEMPT).outcome, STORE_UNSURE);
    assert_true(hears(MSG_DONTWAIT));
}

/* A question is waited for no longer than what others have left of it. */
static void a_part_of_the_deadline_is_left(void **state)
{
    (void)state;
    int64_t began_ms = clock_ms();
    client.waited_ms = LONG_MS - SHORT_MS;
    assert_int_equal(ask(STORE_ATTEMPT).outcome, STORE_UNSURE);
    assert_true(hears(MSG_DONTWAIT));
    assert_true(clock_ms() - began_ms < LONG_MS);
    assert_true(client.waited_ms >= LONG_MS);
}

static void expect_silence(void)
{
    struct store_key key = {"d a.test", 8};
    assert_int_equal(ask(STORE_ATTEMPT).outcome, STORE_UNSURE);
    store_client_learn(&s, &key, &(struct reputation){16, 0});
    assert_false(hears(MSG_DONTWAIT));
}

static void nobody_is_there(void **state)
{
    (void)state;
    options.directory = NULL;
    expect_silence();
    options.directory = "/there";
    service.store = NULL;
    expect_silence();
    service.store = &options;
    setup.store = NULL;
    expect_silence();
    setup.store = &client;
    setup.board = NULL;
    expect_silence();
    setup.board = &board;
    atomic_store(&answers->head.state, STORE_NONE);
    expect_silence();
    atomic_store(&answers->head.state, STORE_FAILING);
    assert_int_equal(ask_and_answer(STORE_ATTEMPT, STORE_PASS).outcome, STORE_PASS);
    atomic_store(&answers->head.beat_ms, clock_ms() - LONG_MS - STORE_BEAT_MS - 1);
    expect_silence();
}

static void who_only_looks_writes_nothing(void **state)
{
    struct store_key key = {"d a.test", 8};
    (void)state;
    setup.looks_only = true;
    assert_int_equal(ask(STORE_ATTEMPT).outcome, STORE_UNSURE);
    store_client_learn(&s, &key, &(struct reputation){16, 0});
    assert_false(hears(MSG_DONTWAIT));
    assert_int_equal(ask(STORE_ASK).outcome, STORE_UNSURE);
}

static void what_is_learnt_is_told(void **state)
{
    struct store_key key = {"d a.test", 8};
    (void)state;
    store_client_learn(&s, &key, &(struct reputation){16, 3});
    assert_true(hears(MSG_DONTWAIT));
    assert_int_equal(heard.deed, STORE_LEARN);
    assert_int_equal(heard.place, STORE_NO_PLACE);
    assert_int_equal(heard.good, 16);
    assert_int_equal(heard.bad, 3);
    assert_memory_equal(heard.key, "d a.test", heard.key_size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_asks_hears_an_answer, set_up, tear_down),
        cmocka_unit_test_setup_teardown(too_late_is_unsure, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_part_of_the_deadline_is_left, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(who_only_looks_writes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_learnt_is_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
