/* SPDX-License-Identifier: ISC
 *
 * probe: what a look at a server finds, and that it ends, whatever the server does.
 */
#include <netinet/in.h>

#include "tests/unit/probe_rig.h"

enum { BABBLE_BYTES = 70 * 1024 };

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
    assert_int_equal(probe.offers.numbers[NUMBER_SIZE], 1000);
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

/* -- PROXY -- */

static void by_proxy_v2_it_speaks_for_itself(void **state)
{
    char octets[64];
    (void)state;
    backend.pass_client = PASS_CLIENT_PROXY_V2;
    begin();
    assert_int_equal(recv(peer, octets, sizeof(octets), MSG_DONTWAIT), 16);
    assert_memory_equal(octets, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);
    say("220 one\r\n");
    assert_string_equal(heard(), "EHLO mx.test\r\n");
    say("250 one\r\n");
    assert_string_equal(heard(), "QUIT\r\n");
    hang_up();
    settle();
    expect_trouble(HEALTH_FINE, "");
}

static void by_proxy_v1_it_tells_of_this_host(void **state)
{
    (void)state;
    backend.pass_client = PASS_CLIENT_PROXY_V1;
    begin();
    assert_string_equal(heard(), "PROXY TCP4 127.0.0.1 127.0.0.1 0 0\r\n"); /* a Unix socket has no address */
    say("220 one\r\n");
    assert_string_equal(heard(), "EHLO mx.test\r\n");
}

static void by_proxy_v1_over_tcp_it_tells_its_own_ends(void **state)
{
    const struct endpoint unix_address = server.address;
    struct endpoint own, far;
    char expected[PROXY_LINE_MAX + 1];
    const char *why;
    (void)state;
    backend.pass_client = PASS_CLIENT_PROXY_V1;
    close(listener);
    assert_true(endpoint_parse(slice_of("127.0.0.1:1"), &server.address, &why));
    server.address.port = 0;
    listener = net_listen(&server.address, 1);
    assert_true(listener >= 0);
    assert_false(net_ends(listener, &own, &far)); /* nobody is at the other end */
    struct sockaddr_in bound;
    socklen_t size = sizeof(bound);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&bound, &size), 0);
    server.address.port = ntohs(bound.sin_port);
    begin();
    assert_true(net_ends(peer, &own, &far));
    snprintf(expected, sizeof(expected), "PROXY TCP4 127.0.0.1 127.0.0.1 %u %u\r\n", far.port, own.port);
    assert_string_equal(heard(), expected);
    server.address = unix_address;
}

/* The answer to the header, and then the answer to its EHLO. */
static void who_does_not_expect_proxy_is_ill(void **state)
{
    (void)state;
    backend.pass_client = PASS_CLIENT_PROXY_V1;
    begin();
    heard();
    say("220 one\r\n");
    heard();
    say("502 5.5.2 Error: command not recognized\r\n250 one\r\n");
    assert_string_equal(heard(), "");
    expect_trouble(HEALTH_NO_EHLO, "502 5.5.2 Error: command not recognized");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_good_server_is_asked_and_left),
        TEST(an_old_server_is_well_with_helo),
        TEST(octet_by_octet_is_fine_in_time),
        TEST(quit_need_not_be_answered),
        TEST(by_proxy_v2_it_speaks_for_itself),
        TEST(by_proxy_v1_it_tells_of_this_host),
        TEST(by_proxy_v1_over_tcp_it_tells_its_own_ends),
        TEST(who_does_not_expect_proxy_is_ill),
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
    open_rig();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_rig();
    return failed;
}
