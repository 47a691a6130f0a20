/* SPDX-License-Identifier: ISC
 *
 * store: a question gets its own answer or none, by its deadline; what is no question is found out. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/store.h"

enum { SLOTS = 10, PLACE = 3, LONG_MS = 20000, SHORT_MS = 20, QUESTIONS = 200 };

struct rig {
    struct store_board *board;
    int asks, answers; /* the socket's two ends */
    pid_t keeper;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));
    int ends[2];
    rig->board = mmap(NULL, store_board_bytes(SLOTS), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(rig->board != MAP_FAILED);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
    rig->asks = ends[0];
    rig->answers = ends[1];
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;
    int status = 0;
    if (rig->asks >= 0)
        close(rig->asks);
    if (rig->answers >= 0)
        close(rig->answers);
    if (rig->keeper > 0)
        waitpid(rig->keeper, &status, 0);
    munmap(rig->board, store_board_bytes(SLOTS));
    free(rig);
    return status;
}

static bool take(struct rig *rig, struct store_request *request)
{
    ssize_t size = recv(rig->answers, request, sizeof(*request), 0);
    return size > 0 && store_is_request(request, (size_t)size, SLOTS);
}

/* In a child, until its socket is closed. */
static void keep(struct rig *rig, void (*serve)(struct rig *))
{
    rig->keeper = fork();
    if (rig->keeper == 0) {
        close(rig->asks);
        serve(rig);
        _exit(0);
    }
    close(rig->answers);
    rig->answers = -1;
}

static struct store_answer ask(struct rig *rig, enum store_deed deed, const char *key, int64_t wait_ms)
{
    struct store_request request;
    store_request_init(&request, deed, slice_of(key));
    return store_ask(rig->board, rig->asks, PLACE, &request, clock_deadline(wait_ms));
}

/* -- questions */

static struct store_request sound(void)
{
    struct store_request request;
    store_request_init(&request, STORE_ATTEMPT, slice_of("g 192.0.2.0/24"));
    return request;
}

static bool is_request(const struct store_request *request)
{
    return store_is_request(request, STORE_REQUEST_HEAD + request->key_size, SLOTS);
}

static void a_question_is_whole_or_none(void **unused)
{
    (void)unused;
    struct store_request request = sound();
    size_t size = STORE_REQUEST_HEAD + request.key_size;
    assert_true(store_is_request(&request, size, SLOTS));
    assert_false(store_is_request(&request, size - 1, SLOTS));
    assert_false(store_is_request(&request, size + 1, SLOTS));
    for (size_t short_of = 0; short_of < STORE_REQUEST_HEAD; short_of++)
        assert_false(store_is_request(&request, short_of, SLOTS));
    request.key_size = STORE_KEY_MAX;
    assert_true(is_request(&request));
    request.key_size = STORE_KEY_MAX + 1;
    assert_false(is_request(&request));
    request.key_size = UINT32_MAX;
    assert_false(is_request(&request));
    assert_false(store_is_request(&request, STORE_REQUEST_HEAD - 1, SLOTS)); /* what it overflows to */
    request.key_size = 0;
    assert_true(is_request(&request));
}

static void its_deed_and_its_place_exist(void **unused)
{
    (void)unused;
    struct store_request request = sound();
    for (uint32_t deed = 0; deed < STORE_DEEDS + 2; deed++) {
        request.deed = deed;
        assert_int_equal(is_request(&request), deed > 0 && deed < STORE_DEEDS);
    }
    request = sound();
    assert_int_equal(request.place, STORE_NO_PLACE);
    request.place = SLOTS + STORE_CHILDREN - 1;
    assert_true(is_request(&request));
    request.place++;
    assert_false(is_request(&request));
    request.place = STORE_NO_PLACE - 1;
    assert_false(is_request(&request));
}

static void a_key_that_is_too_long_is_cut(void **unused)
{
    (void)unused;
    char key[STORE_KEY_MAX + 10];
    struct store_request request;
    memset(key, 'x', sizeof(key));
    store_request_init(&request, STORE_PUT, slice_make(key, sizeof(key)));
    assert_int_equal(request.key_size, STORE_KEY_MAX);
    assert_true(is_request(&request));
    store_request_init(&request, STORE_FLUSH, (struct slice){0});
    assert_int_equal(request.key_size, 0);
    assert_true(is_request(&request));
}

/* -- answers */

/* FIRST, after as many seconds as its key is long. */
static void serve_all(struct rig *rig)
{
    struct store_request request;
    while (take(rig, &request))
        store_say(rig->board, &request, (struct store_answer){STORE_FIRST, request.key_size});
}

static void who_asks_gets_the_answer_to_that(void **state)
{
    struct rig *rig = *state;
    char key[QUESTIONS + 1] = "";
    keep(rig, serve_all);
    for (int i = 1; i <= QUESTIONS; i++) {
        key[i - 1] = 'x';
        struct store_answer answer = ask(rig, STORE_ATTEMPT, key, LONG_MS);
        assert_int_equal(answer.outcome, STORE_FIRST);
        assert_int_equal(answer.seconds, i);
    }
}

/* The first is answered only when there is a second. */
static void serve_late(struct rig *rig)
{
    struct store_request first, second;
    if (!take(rig, &first) || !take(rig, &second))
        _exit(1);
    store_say(rig->board, &first, (struct store_answer){STORE_FIRST, 11});
    usleep(SHORT_MS * 1000); /* whoever takes it for his own has the time to */
    store_say(rig->board, &second, (struct store_answer){STORE_PASS, 0});
}

static void a_late_answer_is_none_to_the_next_question(void **state)
{
    struct rig *rig = *state;
    keep(rig, serve_late);
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g a", SHORT_MS).outcome, STORE_UNSURE);
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g b", LONG_MS).outcome, STORE_PASS);
}

/* What does not fit into an answer. */
static void serve_nonsense(struct rig *rig)
{
    static const struct store_answer answers[] = {
        {STORE_EARLY, -5}, {STORE_EARLY, INT64_MAX}, {(enum store_outcome)(STORE_OUTCOMES + 1), 5}};
    struct store_request request;
    for (int i = 0; i < 3 && take(rig, &request); i++)
        store_say(rig->board, &request, answers[i]);
}

/* Who names another's place, and has its answer behind the right one at once; often, so that one is read while it
 * becomes the other. */
static void serve_both(struct rig *rig)
{
    struct store_request request, other;
    while (take(rig, &request)) {
        other = request;
        other.nonce += 2;
        for (int i = 0; i < QUESTIONS; i++) {
            store_say(rig->board, &request, (struct store_answer){STORE_PASS, 7});
            store_say(rig->board, &other, (struct store_answer){STORE_FIRST, 300});
        }
    }
}

static void an_answer_to_another_in_the_same_place_is_none(void **state)
{
    struct rig *rig = *state;
    keep(rig, serve_both);
    for (int i = 0; i < 10 * QUESTIONS; i++) {
        struct store_answer answer = ask(rig, STORE_ATTEMPT, "g 192.0.2.0/24", 1);
        assert_true(answer.outcome == STORE_UNSURE || (answer.outcome == STORE_PASS && answer.seconds == 7));
    }
}

static void what_no_answer_is_does_no_harm(void **state)
{
    struct rig *rig = *state;
    keep(rig, serve_nonsense);
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g a", LONG_MS).seconds, 0);
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g a", LONG_MS).seconds, STORE_SECONDS_MAX);
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g a", LONG_MS).outcome, STORE_UNSURE);
}

static void nobody_answers_and_the_deadline_ends_it(void **state)
{
    struct rig *rig = *state;
    struct store_request request;
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g a", SHORT_MS).outcome, STORE_UNSURE);
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g a", -1).outcome, STORE_UNSURE);
    assert_true(take(rig, &request));
    assert_int_equal(request.place, PLACE);
    assert_int_not_equal(request.nonce, 0);
    close(rig->answers);
    rig->answers = -1;
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g a", LONG_MS).outcome, STORE_UNSURE); /* at once: there is nobody */
    close(rig->asks);
    rig->asks = -1;
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g a", LONG_MS).outcome, STORE_UNSURE);
}

static void a_full_socket_is_waited_for_until_the_deadline(void **state)
{
    struct rig *rig = *state;
    struct store_request request = sound(), got;
    int told = 0;
    while (store_tell(rig->asks, &request))
        told++;
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(ask(rig, STORE_ATTEMPT, "g a", SHORT_MS).outcome, STORE_UNSURE);
    while (told-- > 0) /* it was not put behind them */
        assert_true(take(rig, &got) && got.place == STORE_NO_PLACE);
    assert_int_equal(recv(rig->answers, &got, sizeof(got), MSG_DONTWAIT), -1);
}

static void who_is_told_says_nothing(void **state)
{
    struct rig *rig = *state;
    struct store_request request = sound(), got;
    struct store_board before;
    request.place = PLACE;
    memcpy(&before, rig->board, sizeof(before));
    assert_true(store_tell(rig->asks, &request));
    assert_true(take(rig, &got));
    assert_int_equal(got.place, STORE_NO_PLACE);
    assert_int_equal(got.key_size, strlen("g 192.0.2.0/24"));
    assert_memory_equal(got.key, "g 192.0.2.0/24", got.key_size);
    store_say(rig->board, &got, (struct store_answer){STORE_DONE, 1});
    assert_memory_equal(&before, rig->board, sizeof(before));
    assert_int_equal(atomic_load(&rig->board->places[PLACE].nonce), 0);
    assert_false(store_tell(-1, &request));
}

static void it_is_alive_by_its_beat(void **state)
{
    struct rig *rig = *state;
    struct store_head *head = &rig->board->head;
    assert_false(store_is_alive(rig->board, LONG_MS));
    assert_string_equal(store_words(rig->board, LONG_MS), "not begun");
    atomic_store(&head->beat_ms, clock_ms());
    assert_false(store_is_alive(rig->board, LONG_MS)); /* who was there has gone */
    assert_string_equal(store_words(rig->board, LONG_MS), "not answering");
    atomic_store(&head->state, STORE_FAILING);
    assert_true(store_is_alive(rig->board, LONG_MS));
    assert_string_equal(store_words(rig->board, LONG_MS), "failing");
    atomic_store(&head->state, STORE_WORKING);
    assert_true(store_is_alive(rig->board, LONG_MS));
    atomic_store(&head->beat_ms, clock_ms() - LONG_MS - STORE_BEAT_MS - 1);
    assert_false(store_is_alive(rig->board, LONG_MS));
    atomic_store(&head->beat_ms, clock_ms() + LONG_MS); /* as it would be a moment later */
    assert_true(store_is_alive(rig->board, LONG_MS));
}

static void the_region_has_a_place_for_each(void **unused)
{
    (void)unused;
    for (int slots = 0; slots < 2000; slots += 7)
        assert_true(store_board_bytes(slots) >= offsetof(struct store_board, places) +
                                                    ((size_t)slots + STORE_CHILDREN) * sizeof(struct store_place));
    assert_string_equal(store_state_name(STORE_FAILING), "failing");
    assert_string_equal(store_state_name(STORE_STATES), "unknown");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_whole_or_none),
        cmocka_unit_test(its_deed_and_its_place_exist),
        cmocka_unit_test(a_key_that_is_too_long_is_cut),
        cmocka_unit_test(the_region_has_a_place_for_each),
        TEST(who_asks_gets_the_answer_to_that),
        TEST(a_late_answer_is_none_to_the_next_question),
        TEST(an_answer_to_another_in_the_same_place_is_none),
        TEST(what_no_answer_is_does_no_harm),
        TEST(nobody_answers_and_the_deadline_ends_it),
        TEST(a_full_socket_is_waited_for_until_the_deadline),
        TEST(who_is_told_says_nothing),
        TEST(it_is_alive_by_its_beat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
