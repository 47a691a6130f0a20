/* SPDX-License-Identifier: ISC
 *
 * probe_rig - a probe and a scripted server in one process, for tests: nobody waits for anybody, and the time is the
 * test's. The server speaks TLS from secure_peer on.
 */
#ifndef POSTERN_TESTS_UNIT_PROBE_RIG_H
#define POSTERN_TESTS_UNIT_PROBE_RIG_H

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/must.h"
#include "tests/lib/fake_clock.h"
#include "workers/housekeeper/probe.h"

enum { TIMEOUT_MS = 10000, HEARD_BYTES = 4096 };

static char rig_directory[] = "/tmp/probe_test.XXXXXX";
static struct backend backend;
static struct server server = {.name = "one"};
static struct probe_target target = {.backend = &backend, .server = &server, .hostname = "mx.test"};
static struct probe probe;
static struct wait waits;
static int listener = -1, peer = -1; /* the server's */
static struct tls *peer_tls;
static int descriptors;

/* -- the server, and the loop that a housekeeper would be -- */

static inline int count_descriptors(void)
{
    int count = 0;
    DIR *all = opendir("/proc/self/fd");
    assert_non_null(all);
    while (readdir(all) != NULL)
        count++;
    closedir(all);
    return count;
}

static inline int set_up(void **state)
{
    (void)state;
    backend = (struct backend){.name = "inside", .tls = {.mode = TLS_MODE_NONE}};
    memset(&probe, 0, sizeof(probe));
    descriptors = count_descriptors();
    listener = net_listen(&server.address, 8);
    assert_true(listener >= 0);
    return 0;
}

static inline void hang_up(void)
{
    tls_free(&peer_tls);
    if (peer >= 0)
        close(peer);
    peer = -1;
}

static inline int tear_down(void **state)
{
    (void)state;
    hang_up();
    probe_stop(&probe);
    close(listener);
    assert_int_equal(count_descriptors(), descriptors);
    return 0;
}

/* Until it has done all that can be done now. */
static inline void settle(void)
{
    for (int turns = 0; turns < 10000; turns++) {
        struct pollfd fd = probe_poll(&probe);
        if (poll(&fd, 1, 0) <= 0)
            return;
        probe_step(&probe);
    }
    fail_msg("it spins");
}

static inline void let_pass(int64_t ms)
{
    fake_clock_move_to(clock_ms() + ms);
    probe_step(&probe);
}

static inline void begin(void)
{
    struct endpoint nobody, here;
    probe_begin(&probe, &target, &waits, TIMEOUT_MS);
    peer = net_accept(listener, &nobody, &here);
    assert_true(peer >= 0);
    settle();
}

static inline ssize_t put_octets(const char *octets, size_t size)
{
    struct iovec piece = {(void *)(uintptr_t)octets, size};
    size_t put = 0;
    if (peer_tls == NULL)
        return send(peer, octets, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    return tls_write(peer_tls, &piece, 1, &put) == TLS_DONE ? (ssize_t)put : -1;
}

/* What it does not take while nobody reads is lost: such servers only want to be a nuisance. */
static inline void say_octets(const char *octets, size_t size)
{
    while (size > 0) {
        ssize_t put = put_octets(octets, size);
        if (put < 0)
            break;
        octets += put;
        size -= (size_t)put;
        settle();
    }
    settle();
}

static inline void say(const char *line)
{
    say_octets(line, strlen(line));
}

/* All that it said since it was last asked. */
static inline const char *heard(void)
{
    static char text[HEARD_BYTES];
    size_t got = 0;
    if (peer_tls == NULL) {
        ssize_t size = recv(peer, text, sizeof(text) - 1, MSG_DONTWAIT);
        got = size > 0 ? (size_t)size : 0;
    } else if (tls_read(peer_tls, text, sizeof(text) - 1, &got) != TLS_DONE) {
        got = 0;
    }
    text[got] = '\0';
    return text;
}

/* The handshake, with both in turn. False: it failed here, or the probe gave up. */
static inline bool secure_peer(struct tls_server *by)
{
    enum tls_step step = TLS_WANTS_READ;
    peer_tls = tls_server_begin(by);
    assert_non_null(peer_tls);
    tls_attach(peer_tls, peer);
    for (int turns = 0; turns < 100 && step != TLS_DONE && step != TLS_FAILED && step != TLS_END; turns++) {
        step = tls_handshake(peer_tls);
        settle();
    }
    return step == TLS_DONE;
}

static inline void expect_trouble(enum health_trouble trouble, const char *why)
{
    assert_true(probe_is_over(&probe));
    assert_string_equal(health_trouble_name(probe.trouble), health_trouble_name(trouble));
    assert_string_equal(probe.why, why);
}

static inline void open_rig(void)
{
    must(mkdtemp(rig_directory) != NULL);
    server.address.kind = ENDPOINT_UNIX;
    snprintf(server.address.path, sizeof(server.address.path), "%s/inside", rig_directory);
}

static inline void close_rig(void)
{
    unlink(server.address.path);
    rmdir(rig_directory);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
