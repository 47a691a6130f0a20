/* SPDX-License-Identifier: ISC
 *
 * net: endpoints as they are written, and a connection over each kind.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
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
#include "common/net.h"

static void endpoints_parse_and_print(void **state)
{
    static const struct {
        const char *text, *printed;
    } table[] = {
        {"127.0.0.1:25", "127.0.0.1:25"},
        {"[::1]:2525", "[::1]:2525"},
        {"[2001:DB8::1]:65535", "[2001:db8::1]:65535"},
        {"unix:/run/inside.sock", "unix:/run/inside.sock"},
        {"127.0.0.1", NULL},
        {"127.0.0.1:0", NULL},
        {"127.0.0.1:65536", NULL},
        {"127.0.0.1:25x", NULL},
        {"::1:25", NULL},
        {"[::1]25", NULL},
        {"[::1", NULL},
        {"[127.0.0.1]:25", NULL},
        {"localhost:25", NULL},
        {"unix:relative", NULL},
        {"unix:", NULL},
        {"", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct endpoint e;
        const char *why;
        char text[ENDPOINT_TEXT_MAX];
        bool fine = endpoint_parse(slice_of(table[i].text), &e, &why);
        if (fine != (table[i].printed != NULL))
            fail_msg("%s: %s", table[i].text, fine ? "accepted" : why);
        if (!fine)
            continue;
        endpoint_print(&e, text);
        assert_string_equal(text, table[i].printed);
    }
}

static int window_clamp(int fd)
{
    int bytes = 0;
    socklen_t size = sizeof(bytes);
    return getsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &bytes, &size) == 0 ? bytes : -1;
}

/* The kernel has a least window of its own. What is no TCP is left as it is, and errno with it. */
static void becomes_narrow(int fd, bool is_tcp)
{
    int before = window_clamp(fd);
    errno = 0;
    net_narrow(fd, 1024);
    assert_int_equal(errno, 0);
    if (is_tcp) {
        assert_in_range(window_clamp(fd), 1024, 4096);
        assert_true(before > window_clamp(fd));
    }
}

static void connect_and_accept(const char *at)
{
    struct wait wait = {0};
    struct endpoint e, peer, local;
    const char *why;
    int fd = -1;
    assert_true(endpoint_parse(slice_of(at), &e, &why));
    int listener = net_listen(&e, 8);
    for (int i = 0; listener < 0 && i < 100; i++) { /* any free port will do */
        e.port++;
        listener = net_listen(&e, 8);
    }
    assert_true(listener >= 0);
    assert_int_equal(net_connect(&e, &wait, clock_deadline(2000), &fd), IO_OK);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    assert_int_equal(clock_poll(&ready, 1, clock_deadline(2000)), 1);
    int accepted = net_accept(listener, &peer, &local);
    assert_true(accepted >= 0);
    assert_int_equal(peer.kind, e.kind);
    if (e.kind == ENDPOINT_IP)
        assert_true(endpoint_equal(&local, &e));
    becomes_narrow(accepted, e.kind == ENDPOINT_IP);
    close(accepted);
    close(fd);
    close(listener);
    assert_int_equal(net_connect(&e, &wait, clock_deadline(2000), &fd), IO_LOST);
}

static void every_kind_connects(void **state)
{
    char path[64], text[80];
    (void)state;
    connect_and_accept("127.0.0.1:41025");
    connect_and_accept("[::1]:41025");
    snprintf(path, sizeof(path), "/tmp/postern-net-%d.sock", (int)getpid());
    snprintf(text, sizeof(text), "unix:%s", path);
    connect_and_accept(text);
    unlink(path);
}

static void a_living_unix_listener_is_left_alone(void **state)
{
    struct endpoint e = {.kind = ENDPOINT_UNIX};
    (void)state;
    snprintf(e.path, sizeof(e.path), "/tmp/postern-net-%d.sock", (int)getpid());
    int first = net_listen(&e, 8);
    assert_true(first >= 0);
    assert_int_equal(net_listen(&e, 8), -1);
    assert_int_equal(errno, EADDRINUSE);
    close(first); /* its file stays, as after a kill */
    int second = net_listen(&e, 8);
    assert_true(second >= 0);
    close(second);
    unlink(e.path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(endpoints_parse_and_print),
        cmocka_unit_test(every_kind_connects),
        cmocka_unit_test(a_living_unix_listener_is_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
