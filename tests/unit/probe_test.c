/* SPDX-License-Identifier: ISC
 *
 * probe: what a look at a server finds, and that it ends, whatever the server does. The server is scripted and lives in
 * this process: nobody waits for anybody, and the time is the test's.
 */
#include <dirent.h>
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
#include "common/must.h"
#include "tests/lib/fake_clock.h"
#include "workers/housekeeper/probe.h"

enum { TIMEOUT_MS = 10000, BABBLE_BYTES = 70 * 1024, HEARD_BYTES = 4096 };

static char directory[] = "/tmp/probe_test.XXXXXX";
static struct backend backend;
static struct server server = {.name = "one"};
static const struct probe_target target = {.backend = &backend, .server = &server, .hostname = "mx.test"};
static struct probe probe;
static struct wait waits;
static int listener = -1, peer = -1; /* the server's */
static int descriptors;

/* -- the server, and the loop that a housekeeper would be -- */

static int count_descriptors(void)
{
    int count = 0;
    DIR *all = opendir("/proc/self/fd");
    assert_non_null(all);
    while (readdir(all) != NULL)
        count++;
    closedir(all);
    return count;
}

static int set_up(void **state)
{
    (void)state;
    backend = (struct backend){.name = "inside", .tls = {.mode = TLS_MODE_NONE}};
    memset(&probe, 0, sizeof(probe));
    descriptors = count_descriptors();
    listener = net_listen(&server.address, 8);
    assert_true(listener >= 0);
    return 0;
}

static void hang_up(void)
{
    if (peer >= 0)
        close(peer);
    peer = -1;
}

static int tear_down(void **state)
{
    (void)state;
    hang_up();
    probe_stop(&probe);
    close(listener);
    assert_int_equal(count_descriptors(), descriptors);
    return 0;
}

/* Until it has done all that can be done now. */
static void settle(void)
{
    for (int turns = 0; turns < 10000; turns++) {
        struct pollfd fd = probe_poll(&probe);
        if (poll(&fd, 1, 0) <= 0)
            return;
        probe_step(&probe);
    }
    fail_msg("it spins");
}

static void let_pass(int64_t ms)
{
    fake_clock_move_to(clock_ms() + ms);
    probe_step(&probe);
}

static void begin(void)
{
    struct endpoint nobody, here;
    probe_begin(&probe, &target, &waits, TIMEOUT_MS);
    peer = net_accept(listener, &nobody, &here);
    assert_true(peer >= 0);
    settle();
}

/* What it does not take while nobody reads is lost: such servers only want to be a nuisance. */
static void say_octets(const char *octets, size_t size)
{
    while (size > 0) {
        ssize_t put = send(peer, octets, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0)
            break;
        octets += put;
        size -= (size_t)put;
        settle();
    }
    settle();
}

static void say(const char *line)
{
    say_octets(line, strlen(line));
}

/* All that it said since it was last asked. */
static const char *heard(void)
{
    static char text[HEARD_BYTES];
    ssize_t got = recv(peer, text, sizeof(text) - 1, MSG_DONTWAIT);
    text[got > 0 ? got : 0] = '\0';
    return text;
}

static void expect_trouble(enum health_trouble trouble, const char *why)
{
    assert_true(probe_is_over(&probe));
    assert_string_equal(health_trouble_name(probe.trouble), health_trouble_name(trouble));
    assert_string_equal(probe.why, why);
}

/* -- who is well -- */

static void a_good_server_is_asked_and_left(void **state)
{
    (void)state;
    begin();
    fake_clock_move_to(clock_ms() + 30);
    say("220 one.test ESMTP\r\n");
    assert_string_equal(heard(), "EHLO mx.test\r\n");
    fake_clock_move_to(clock_ms() + 12);
    say("250-one.test\r\n250-SIZE 1000\r\n250-XCLIENT NAME ADDR\r\n250 8BITMIME\r\n");
    assert_string_equal(heard(), "QUIT\r\n");
    fake_clock_move_to(clock_ms() + 500);
    say("221 bye\r\n");
    expect_trouble(HEALTH_FINE, "");
    assert_int_equal(probe.took_ms, 42);
    assert_int_equal(probe.offers.keywords, KEYWORD_SIZE | KEYWORD_8BITMIME | KEYWORD_XCLIENT);
    assert_int_equal(probe.offers.size_limit, 1000);
    assert_int_equal(recv(peer, &(char){0}, 1, MSG_DONTWAIT), 0);
}

static void an_old_server_is_well_with_helo(void **state)
{
    (void)state;
    begin();
    say("220-old\r\n220 one\r\n");
    heard();
    say("502 what\r\n");
    assert_string_equal(heard(), "HELO mx.test\r\n");
    say("250 SIZE 7\r\n");
    assert_string_equal(heard(), "QUIT\r\n");
    hang_up();
    settle();
    expect_trouble(HEALTH_FINE, "");
    assert_int_equal(probe.offers.keywords, 0);
}

static void octet_by_octet_is_fine_in_time(void **state)
{
    static const char *const lines[] = {"220 one.test\r\n", "250-one.test\r\n250 DSN\r\n"};
    (void)state;
    begin();
    for (size_t i = 0; i < 2; i++) {
        for (const char *c = lines[i]; *c != '\0'; c++)
            say_octets(c, 1);
    }
    assert_string_equal(heard(), "EHLO mx.test\r\nQUIT\r\n");
    assert_int_equal(probe.offers.keywords, KEYWORD_DSN);
}

/* What is to be known is known then. */
static void quit_need_not_be_answered(void **state)
{
    (void)state;
    begin();
    say("220 one\r\n");
    say("250 one\r\n");
    let_pass(PROBE_GOODBYE_MS - 1);
    assert_false(probe_is_over(&probe));
    let_pass(1);
    expect_trouble(HEALTH_FINE, "");
}

/* -- who is not: what it says, one after the other, and then it hangs up or is silent -- */

struct ill {
    const char *lines[3];
    enum health_trouble trouble;
    const char *why, *why_silent; /* NULL: the same */
};

static const struct ill ILL[] = {
    {{NULL}, HEALTH_NO_GREETING, "closed", "timeout"},
    {{"220 half a li"}, HEALTH_NO_GREETING, "closed", "timeout"},
    {{"220-one\r\n"}, HEALTH_NO_GREETING, "closed", "timeout"},
    {{"421 4.3.2 too busy\r\n"}, HEALTH_NO_GREETING, "421 4.3.2 too busy", NULL},
    {{"554-no SMTP here\r\n554 go away\r\n"}, HEALTH_NO_GREETING, "554 no SMTP here", NULL},
    {{"250 one\r\n"}, HEALTH_NO_GREETING, "250 one", NULL},
    {{"SSH-2.0-OpenSSH_9.2\r\n"}, HEALTH_NO_GREETING, "its reply is no reply, or too long", NULL},
    {{"220 one\r\n250 two\r\n"}, HEALTH_NO_EHLO, "it spoke although nothing was asked", NULL},
    {{"220 one\r\n"}, HEALTH_NO_EHLO, "closed", "timeout"},
    {{"220 one\r\n", "250-one\r\n250-SI"}, HEALTH_NO_EHLO, "closed", "timeout"},
    {{"220 one\r\n", "421 leaving\r\n"}, HEALTH_NO_EHLO, "421 leaving", NULL},
    {{"220 one\r\n", "550 5.7.1 not you\r\n"}, HEALTH_NO_EHLO, "550 5.7.1 not you", NULL},
    {{"220 one\r\n", "354 go on\r\n"}, HEALTH_NO_EHLO, "354 go on", NULL},
    {{"220 one\r\n", "500 what\r\n"}, HEALTH_NO_EHLO, "closed", "timeout"},
    {{"220 one\r\n", "500 what\r\n", "500 what\r\n"}, HEALTH_NO_EHLO, "500 what", NULL},
};

static void fall_ill(const struct ill *ill)
{
    begin();
    for (size_t i = 0; i < 3 && ill->lines[i] != NULL; i++)
        say(ill->lines[i]);
}

static void who_hangs_up_is_ill(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ILL) / sizeof(ILL[0]); i++) {
        fall_ill(&ILL[i]);
        heard();
        hang_up();
        settle();
        expect_trouble(ILL[i].trouble, ILL[i].why);
    }
}

static void who_is_silent_is_ill_in_the_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(ILL) / sizeof(ILL[0]); i++) {
        fall_ill(&ILL[i]);
        if (ILL[i].why_silent != NULL) {
            let_pass(TIMEOUT_MS - 1);
            assert_false(probe_is_over(&probe));
            let_pass(1);
            assert_int_equal(probe.took_ms, TIMEOUT_MS);
        }
        expect_trouble(ILL[i].trouble, ILL[i].why_silent != NULL ? ILL[i].why_silent : ILL[i].why);
        hang_up();
    }
}

static void who_trickles_gains_nothing(void **state)
{
    (void)state;
    begin();
    for (int64_t passed = 0; passed < TIMEOUT_MS; passed += 1000) {
        assert_false(probe_is_over(&probe));
        say("2");
        let_pass(1000);
    }
    expect_trouble(HEALTH_NO_GREETING, "timeout");
}

static void a_babbler_is_heard_no_longer_than_a_line(void **state)
{
    static char babble[BABBLE_BYTES];
    (void)state;
    memset(babble, '2', sizeof(babble));
    begin();
    say_octets(babble, sizeof(babble));
    expect_trouble(HEALTH_NO_GREETING, "long");
    assert_true(probe.stream.received_bytes <= REPLY_LINE_MAX);
}

static void endless_lines_end(void **state)
{
    (void)state;
    begin();
    say("220 one\r\n");
    for (int i = 0; i < REPLY_LINES_MAX + 1 && !probe_is_over(&probe); i++)
        say("250-and more\r\n");
    expect_trouble(HEALTH_NO_EHLO, "its reply is no reply, or too long");
}

static void lines_past_a_long_one_are_not_listened_to(void **state)
{
    static char line[REPLY_LINE_MAX + 64];
    (void)state;
    memset(line, 'x', sizeof(line));
    memcpy(line + sizeof(line) - 12, "\r\n220 good\r\n", 12);
    begin();
    for (size_t i = 0; i < sizeof(line); i += 64)
        say_octets(line + i, 64);
    expect_trouble(HEALTH_NO_GREETING, "long");
}

/* -- who is not there -- */

static void nobody_listens(void **state)
{
    static const struct endpoint nowhere = {.kind = ENDPOINT_UNIX, .path = "/nonexistent/inside"};
    struct endpoint there = server.address;
    (void)state;
    server.address = nowhere;
    probe_begin(&probe, &target, &waits, TIMEOUT_MS);
    expect_trouble(HEALTH_NO_CONNECTION, "No such file or directory");
    server.address = there;
}

static void a_refused_connection_over_tcp(void **state)
{
    struct endpoint there = server.address, local;
    struct sockaddr_storage bound;
    socklen_t size = sizeof(bound);
    const char *why;
    (void)state;
    assert_true(endpoint_parse(slice_of("127.0.0.1:1"), &local, &why));
    local.port = 0;
    int fd = net_listen(&local, 1);
    assert_true(fd >= 0 && getsockname(fd, (struct sockaddr *)&bound, &size) == 0);
    endpoint_from_socket(&bound, size, &server.address);
    close(fd); /* nobody listens at this port now */
    probe_begin(&probe, &target, &waits, TIMEOUT_MS);
    settle();
    expect_trouble(HEALTH_NO_CONNECTION, "Connection refused");
    server.address = there;
}

static void it_can_be_stopped_at_any_time(void **state)
{
    (void)state;
    probe_stop(&probe);
    begin();
    say("220 one\r\n");
    probe_stop(&probe);
    assert_true(probe_is_over(&probe));
    assert_int_equal(probe_poll(&probe).fd, -1);
    hang_up();
    begin(); /* and begun anew */
    say("554 no\r\n");
    expect_trouble(HEALTH_NO_GREETING, "554 no");
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_server_is_asked_and_left),
        TEST(an_old_server_is_well_with_helo),
        TEST(octet_by_octet_is_fine_in_time),
        TEST(quit_need_not_be_answered),
        TEST(who_hangs_up_is_ill),
        TEST(who_is_silent_is_ill_in_the_end),
        TEST(who_trickles_gains_nothing),
        TEST(a_babbler_is_heard_no_longer_than_a_line),
        TEST(endless_lines_end),
        TEST(lines_past_a_long_one_are_not_listened_to),
        TEST(nobody_listens),
        TEST(a_refused_connection_over_tcp),
        TEST(it_can_be_stopped_at_any_time),
    };
    must(mkdtemp(directory) != NULL);
    server.address.kind = ENDPOINT_UNIX;
    snprintf(server.address.path, sizeof(server.address.path), "%s/inside", directory);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(server.address.path);
    rmdir(directory);
    return failed;
}
