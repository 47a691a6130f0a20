/* SPDX-License-Identifier: ISC
 *
 * stream_secure: one deadline for the whole of it, guests are heard, and what fails leaves a stream that is dead and
 * has delivered nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/tls_peer.h"

/* -- the handshake -- */

static int trickle(int fd, int signal_fd)
{
    (void)signal_fd;
    for (int i = 0; i < 2000; i++) {
        /* a handshake record of 4,096 octets, one at a time */
        static const char begin[] = {22, 3, 1, 16, 0, 1, 0, 15, 0};
        char octet = i < (int)sizeof(begin) ? begin[i] : 'x';
        if (send(fd, &octet, 1, MSG_NOSIGNAL) != 1)
            return 0;
        poll(NULL, 0, 5);
    }
    return 1;
}

static void expect_dead(struct pair *p, enum io io, enum input input)
{
    struct slice line;
    assert_int_equal(stream_read_line(&p->s, 1000, clock_deadline(SOON_MS), &line), io);
    assert_int_equal(stream_input(&p->s), input);
    assert_int_equal(buffer_unread(&p->s.in).size, 0);
    assert_int_equal(p->s.received_bytes, 0);
    assert_true(buffer_put_text(&p->s.out, "250 ok\r\n"));
    assert_int_equal(stream_flush(&p->s, clock_deadline(SOON_MS)), io);
}

static void one_deadline_holds_for_the_whole_handshake(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p, trickle);
    assert_int_equal(stream_secure(&p.s, tls_server_begin(all.server), clock_deadline(100)), IO_LATE);
    assert_string_equal(stream_tls_why(&p.s), "the handshake was not done in time");
    expect_dead(&p, IO_LATE, INPUT_LOST);
    tear_down(&p);
}

static int inject(int fd, int signal_fd)
{
    (void)signal_fd;
    return write(fd, "N", 1) == 1 && peer_begin(fd) == NULL ? 0 : 1;
}

static void an_octet_before_the_handshake_fails_it(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p, inject);
    assert_int_equal(stream_secure(&p.s, tls_server_begin(all.server), clock_deadline(SOON_MS)), IO_LOST);
    assert_true(stream_tls_why(&p.s)[0] != '\0');
    expect_dead(&p, IO_LOST, INPUT_LOST);
    tear_down(&p);
}

static int speak_in_the_clear(int fd, int signal_fd)
{
    char heard[512];
    (void)signal_fd;
    if (write(fd, "EHLO mail.example.com\r\n", 23) != 23)
        return 1;
    while (read(fd, heard, sizeof(heard)) > 0)
        continue;
    return 0;
}

static void who_knows_no_tls_is_named_so(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p, speak_in_the_clear);
    assert_int_equal(stream_secure(&p.s, tls_server_begin(all.server), clock_deadline(SOON_MS)), IO_LOST);
    assert_string_equal(stream_tls_why(&p.s), "the peer does not speak TLS");
    tear_down(&p);
}

static enum io says_gone(struct wait_guest *guest, short revents)
{
    (void)guest;
    (void)revents;
    return IO_GONE;
}

static int wait_for_the_end(int fd, int signal_fd)
{
    char octet;
    (void)signal_fd;
    return read(fd, &octet, 1) == 0 ? 0 : 1;
}

static void a_guest_ends_the_handshake(void **state)
{
    struct pair p;
    int pipes[2];
    (void)state;
    set_up(&p, wait_for_the_end);
    assert_int_equal(pipe(pipes), 0);
    struct wait_guest guest = {.fd = pipes[0], .events = POLLIN, .woken = says_gone};
    wait_invite(&p.wait, &guest);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    assert_int_equal(stream_secure(&p.s, tls_server_begin(all.server), clock_deadline(SOON_MS)), IO_GONE);
    wait_dismiss(&p.wait, &guest);
    expect_dead(&p, IO_GONE, INPUT_LOST);
    tear_down(&p);
    close(pipes[0]);
    close(pipes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_deadline_holds_for_the_whole_handshake),
        cmocka_unit_test(an_octet_before_the_handshake_fails_it),
        cmocka_unit_test(who_knows_no_tls_is_named_so),
        cmocka_unit_test(a_guest_ends_the_handshake),
    };
    return cmocka_run_group_tests(tests, make_all, clear_all);
}
