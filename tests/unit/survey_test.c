/* SPDX-License-Identifier: ISC
 *
 * survey: who is asked when, and when a server is believed down or up. The servers live in this process, answer or do
 * not; a day is a matter of milliseconds, since the time is the test's.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/lib/fake_clock.h"
#include "workers/heard.h"
#include "workers/housekeeper/survey.h"

enum { SERVERS = 3, PEERS = 16, INTERVAL_MS = 30000, TIMEOUT_MS = 10000, STEP_MS = 100 };

/* One inside server: what it says to anything, or that it says nothing. */
struct inside_server {
    int listener;
    bool is_silent;
    const char *greeting;
    int peers[PEERS]; /* 0: none */
    int asked;        /* how many connections there were */
    int64_t asked_ms; /* the last */
};

static char directory[] = "/tmp/survey_test.XXXXXX";
static struct inside_server inside[SERVERS];
static struct server servers[SERVERS] = {
    {.name = "one", .heard_slot = 0}, {.name = "two", .heard_slot = 1}, {.name = "three", .heard_slot = 2}};
static struct backend backends[2] = {{.name = "first", .servers = {servers, 2, sizeof(servers[0])}},
                                     {.name = "second", .servers = {servers + 2, 1, sizeof(servers[0])}}};
static const struct block_list backend_list = {backends, 2, sizeof(backends[0])};
static struct housekeeper_options options;
static const struct housekeeping work = {.options = &options, .hostname = "mx.test", .backends = &backend_list};
static struct health health[SCOREBOARD_SERVERS_MAX];
static struct heard heard_words[SCOREBOARD_SERVERS_MAX];
static _Atomic uint64_t berth_words[BERTHS_PROBES + 1]; /* and one worker's */
static struct scoreboard board = {.health = health, .heard = heard_words, .berths = berth_words, .slot_count = 1};
static struct wait waits;
static struct survey survey;
static char logged[RECORD_MAX];

static void take_line(enum level level, const char *line)
{
    (void)level;
    strncat(logged, line, sizeof(logged) - strlen(logged) - 2);
    strncat(logged, "\n", 2);
}

/* What was logged since this was last asked. */
static const char *take_log(void)
{
    static char taken[RECORD_MAX];
    snprintf(taken, sizeof(taken), "%s", logged);
    logged[0] = '\0';
    return taken;
}

/* -- servers -- */

static void start_server(int i)
{
    inside[i] = (struct inside_server){.listener = net_listen(&servers[i].address, 64), .greeting = "220 here\r\n"};
    assert_true(inside[i].listener >= 0);
}

static void stop_server(int i)
{
    for (int p = 0; p < PEERS; p++)
        if (inside[i].peers[p] > 0)
            close(inside[i].peers[p]);
    if (inside[i].listener >= 0)
        close(inside[i].listener);
    unlink(servers[i].address.path);
    inside[i].listener = -1;
    memset(inside[i].peers, 0, sizeof(inside[i].peers));
}

static void say(int peer, const char *text)
{
    assert_int_equal(send(peer, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

static bool accept_peer(struct inside_server *s)
{
    struct endpoint nobody, here;
    int fd = s->listener >= 0 ? net_accept(s->listener, &nobody, &here) : -1;
    for (int p = 0; p < PEERS && fd >= 0; p++) {
        if (s->peers[p] != 0)
            continue;
        s->peers[p] = fd;
        s->asked++;
        s->asked_ms = clock_ms();
        if (!s->is_silent)
            say(fd, s->greeting);
        return true;
    }
    assert_true(fd < 0); /* or there is no room */
    return false;
}

static bool answer_peer(struct inside_server *s, int *peer)
{
    char line[256];
    ssize_t got = *peer > 0 ? recv(*peer, line, sizeof(line), MSG_DONTWAIT) : -1;
    if (got < 0 && (*peer == 0 || errno == EAGAIN))
        return false;
    if (got <= 0) {
        close(*peer);
        *peer = 0;
    } else if (!s->is_silent) {
        say(*peer, *line == 'E' ? "250-here\r\n250 8BITMIME\r\n" : "221 bye\r\n");
    }
    return true;
}

static bool serve(void)
{
    bool busy = false;
    for (int i = 0; i < SERVERS; i++) {
        busy |= accept_peer(&inside[i]);
        for (int p = 0; p < PEERS; p++)
            busy |= answer_peer(&inside[i], &inside[i].peers[p]);
    }
    return busy;
}

/* -- the housekeeper's loop -- */

static bool turn(void)
{
    struct pollfd fds[SCOREBOARD_SERVERS_MAX];
    int count = survey_poll(&survey, fds);
    bool due = survey_next_ms(&survey) <= clock_ms();
    bool woken = poll(fds, (nfds_t)count, 0) > 0;
    survey_step(&survey, fds, clock_ms());
    return woken || due;
}

static void settle(void)
{
    for (int turns = 0; turns < 1000; turns++) {
        bool busy = turn();
        busy |= serve();
        if (!busy)
            return;
    }
    fail_msg("it spins");
}

static void let_pass(int64_t ms)
{
    int64_t end = clock_ms() + ms;
    settle();
    while (clock_ms() < end) {
        int64_t next = survey_next_ms(&survey);
        fake_clock_move_to(next < end ? next : end);
        settle();
    }
}

static void open_survey(void)
{
    assert_true(survey_open(&survey, &work, &board, &waits, clock_ms()));
}

static int set_up(void **state)
{
    (void)state;
    memset(health, 0, sizeof(health));
    memset(heard_words, 0, sizeof(heard_words));
    memset((void *)berth_words, 0, sizeof(berth_words));
    servers[0].max_sessions = 0;
    board.orders = calloc(1, orders_bytes(1));
    orders_set_slots_end(board.orders, 1);
    options = (struct housekeeper_options){.probe_interval_ms = INTERVAL_MS, .probe_timeout_ms = TIMEOUT_MS};
    for (int i = 0; i < SERVERS; i++)
        start_server(i);
    log_to_function(take_line);
    take_log();
    open_survey();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    survey_close(&survey);
    free(board.orders);
    for (int i = 0; i < SERVERS; i++)
        stop_server(i);
    return 0;
}

/* -- who is asked when -- */

static void all_are_asked_at_once_and_in_turn_after(void **state)
{
    (void)state;
    int64_t began = clock_ms();
    let_pass(0);
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(inside[i].asked, 1);
    let_pass(INTERVAL_MS);
    for (int i = 0; i < SERVERS; i++) {
        assert_int_equal(inside[i].asked, 2);
        assert_int_equal(inside[i].asked_ms, began + INTERVAL_MS * (i + 1) / SERVERS);
    }
    let_pass(100 * (int64_t)INTERVAL_MS);
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(inside[i].asked, 102);
}

static void who_hangs_delays_nobody(void **state)
{
    (void)state;
    inside[0].is_silent = true;
    let_pass(0);
    assert_int_equal(health[1].state, HEALTH_UP);
    assert_int_equal(health[2].state, HEALTH_UP);
    let_pass(10 * INTERVAL_MS);
    assert_int_equal(inside[1].asked, 11);
    assert_int_equal(inside[2].asked, 11);
    assert_int_equal(health[0].state, HEALTH_DOWN);
    assert_int_equal(health[0].trouble, HEALTH_NO_GREETING);
}

static void one_probe_at_a_time_for_each(void **state)
{
    (void)state;
    survey_close(&survey);
    options.probe_interval_ms = 1000;
    open_survey();
    inside[0].is_silent = true;
    let_pass(5 * TIMEOUT_MS);
    assert_in_range(inside[0].asked, 5, 6);
}

static void let_worker_in(bool in)
{
    struct berths berths = {berth_words, 1, board.orders, BERTHS_PROBES};
    if (in)
        berths_ask(&berths, &(struct berth_wish){.place = 0, .max = 0});
    else
        berths_leave(&berths);
}

/* .. as max_sessions allows, and is no session any more when it is over. */
static void a_probe_is_a_session(void **state)
{
    (void)state;
    servers[0].max_sessions = 1;
    inside[0].is_silent = true;
    let_pass(0);
    assert_int_equal(berth_words[BERTHS_PROBES], 0);
    assert_true(berth_words[0] != 0);
    let_pass(TIMEOUT_MS);
    assert_int_equal(berth_words[0], 0);
    inside[0].is_silent = false;
    let_worker_in(true);
    let_pass(2 * INTERVAL_MS);
    assert_int_equal(inside[0].asked, 1);
    assert_int_equal(berth_words[0], 0);
    assert_int_equal(health[0].failures, 1);
    let_worker_in(false);
    let_pass(INTERVAL_MS);
    assert_int_equal(inside[0].asked, 2);
    assert_true(berth_words[0] != 0); /* until inside has closed its side */
    let_pass(PROBE_GOODBYE_MS);
    assert_int_equal(health[0].state, HEALTH_UP);
    assert_int_equal(berth_words[0], 0);
    for (int i = 1; i < SERVERS; i++)
        assert_int_equal(inside[i].asked, 4);
}

static void a_long_sleep_is_one_round(void **state)
{
    (void)state;
    let_pass(0);
    fake_clock_move_to(clock_ms() + 1000 * (int64_t)INTERVAL_MS);
    let_pass(0);
    for (int i = 0; i < SERVERS; i++)
        assert_int_equal(inside[i].asked, 2);
}

static void an_interval_of_none_asks_nobody(void **state)
{
    (void)state;
    survey_close(&survey);
    health[0].state = HEALTH_DOWN;
    options.probe_interval_ms = 0;
    open_survey();
    let_pass(0);
    assert_int_equal(inside[0].asked, 0);
    assert_true(survey_next_ms(&survey) == CLOCK_NEVER);
    assert_int_equal(health[0].state, HEALTH_UNKNOWN); /* it would stand there for ever */
}

static void without_a_place_nobody_is_asked(void **state)
{
    (void)state;
    survey_close(&survey);
    servers[0].heard_slot = -1;
    open_survey();
    let_pass(INTERVAL_MS);
    servers[0].heard_slot = 0;
    assert_int_equal(inside[0].asked, 0);
    assert_int_equal(inside[1].asked, 2);
}

/* -- what is written down -- */

static void two_failures_are_down_and_one_answer_is_up(void **state)
{
    (void)state;
    let_pass(0);
    assert_string_equal(take_log(), "event=server state=up backend=first server=one\n"
                                    "event=server state=up backend=first server=two\n"
                                    "event=server state=up backend=second server=three\n");
    stop_server(1);
    let_pass(INTERVAL_MS);
    assert_int_equal(health[1].state, HEALTH_UP);
    assert_int_equal(health[1].failures, 1);
    assert_string_equal(take_log(), "");
    let_pass(INTERVAL_MS);
    assert_int_equal(health[1].state, HEALTH_DOWN);
    assert_int_equal(health[1].trouble, HEALTH_NO_CONNECTION);
    assert_string_equal(take_log(), "event=server state=down backend=first server=two trouble=\"cannot connect\" "
                                    "why=\"No such file or directory\" failures=2\n");
    int64_t since = health[1].since_ms;
    let_pass(100 * (int64_t)INTERVAL_MS);
    assert_int_equal(health[1].failures, 102);
    assert_int_equal(health[1].since_ms, since);
    assert_string_equal(take_log(), "");
    start_server(1);
    let_pass(INTERVAL_MS);
    assert_int_equal(health[1].state, HEALTH_UP);
    assert_int_equal(health[1].trouble, HEALTH_FINE);
    assert_int_equal(health[1].failures, 0);
    assert_true(health[1].since_ms > since);
    assert_string_equal(take_log(), "event=server state=up backend=first server=two\n");
}

static void every_other_failure_says_nothing(void **state)
{
    (void)state;
    let_pass(0);
    take_log();
    for (int i = 0; i < 20; i++) {
        inside[2].greeting = i % 2 == 0 ? "421 busy\r\n" : "220 here\r\n";
        let_pass(INTERVAL_MS);
        assert_int_equal(health[2].state, HEALTH_UP);
    }
    assert_string_equal(take_log(), "");
}

static void who_never_answered_is_down_after_two(void **state)
{
    (void)state;
    inside[2].greeting = "554 no\r\n";
    let_pass(0);
    assert_int_equal(health[2].state, HEALTH_UNKNOWN);
    let_pass(INTERVAL_MS);
    assert_int_equal(health[2].state, HEALTH_DOWN);
    assert_non_null(strstr(take_log(), "server=three trouble=\"no 220\" why=\"554 no\" failures=2\n"));
}

/* The next housekeeper goes on from the scoreboard: nothing is logged twice. */
static void a_restart_is_no_news(void **state)
{
    (void)state;
    stop_server(0);
    let_pass(INTERVAL_MS);
    take_log();
    for (int i = 0; i < 10; i++) {
        survey_close(&survey);
        open_survey();
        let_pass(0);
    }
    assert_int_equal(health[0].state, HEALTH_DOWN);
    assert_int_equal(health[0].failures, 12);
    assert_string_equal(take_log(), "");
}

/* .. but another server in the same place is not what its predecessor was. */
static void a_reload_with_another_server_begins_anew(void **state)
{
    (void)state;
    stop_server(0);
    let_pass(2 * INTERVAL_MS);
    assert_int_equal(health[0].state, HEALTH_DOWN);
    take_log();
    survey_close(&survey);
    servers[0].name = "new";
    open_survey();
    assert_int_equal(health[0].state, HEALTH_UNKNOWN);
    let_pass(INTERVAL_MS);
    assert_non_null(strstr(take_log(), "state=down backend=first server=new"));
    servers[0].name = "one";
}

static void keywords_are_remembered(void **state)
{
    struct extensions offers;
    (void)state;
    assert_false(heard_recall(&board, &backends[1], &offers));
    let_pass(0);
    assert_true(heard_recall(&board, &backends[1], &offers));
    assert_int_equal(offers.keywords, KEYWORD_8BITMIME);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_are_asked_at_once_and_in_turn_after),
        TEST(who_hangs_delays_nobody),
        TEST(one_probe_at_a_time_for_each),
        TEST(a_probe_is_a_session),
        TEST(a_long_sleep_is_one_round),
        TEST(an_interval_of_none_asks_nobody),
        TEST(without_a_place_nobody_is_asked),
        TEST(two_failures_are_down_and_one_answer_is_up),
        TEST(every_other_failure_says_nothing),
        TEST(who_never_answered_is_down_after_two),
        TEST(a_restart_is_no_news),
        TEST(a_reload_with_another_server_begins_anew),
        TEST(keywords_are_remembered),
    };
    if (mkdtemp(directory) == NULL)
        return 1;
    for (int i = 0; i < SERVERS; i++) {
        servers[i].address.kind = ENDPOINT_UNIX;
        snprintf(servers[i].address.path, sizeof(servers[i].address.path), "%s/%d", directory, i);
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(directory);
    return failed;
}
