/* SPDX-License-Identifier: ISC
 *
 * stream: lines under limits and deadlines, both directions ending apart, nothing read away by looking.
 */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/stream.h"

struct pair {
    struct wait wait;
    struct stream s;
    int peer;
    char in[64], out[32];
};

static void set_up(struct pair *p)
{
    int fds[2];
    memset(p, 0, sizeof(*p));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    stream_init(&p->s, &p->wait, p->in, sizeof(p->in), p->out, sizeof(p->out));
    stream_open(&p->s, fds[0]);
    p->peer = fds[1];
}

static void tear_down(struct pair *p)
{
    stream_close(&p->s);
    if (p->peer >= 0)
        close(p->peer);
}

static void say(struct pair *p, const char *text)
{
    assert_int_equal(write(p->peer, text, strlen(text)), (ssize_t)strlen(text));
}

static void expect_line(struct pair *p, const char *text)
{
    struct slice line;
    assert_int_equal(stream_read_line(&p->s, 40, clock_deadline(1000), &line), IO_OK);
    assert_int_equal(line.size, strlen(text));
    assert_memory_equal(line.at, text, line.size);
}

static void lines_come_one_by_one(void **state)
{
    struct pair p;
    struct slice line;
    (void)state;
    set_up(&p);
    say(&p, "EHLO a\r\nMAIL\nhalf");
    expect_line(&p, "EHLO a\r\n");
    expect_line(&p, "MAIL\n");
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(10), &line), IO_LATE);
    say(&p, " a line\r\n"); /* what had come before the deadline is not lost */
    expect_line(&p, "half a line\r\n");
    tear_down(&p);
}

static void a_long_line_is_thrown_away_whole(void **state)
{
    struct pair p;
    struct slice line;
    (void)state;
    set_up(&p);
    for (int i = 0; i < 10; i++)
        say(&p, "0123456789");
    say(&p, "\r\nNOOP\r\n");
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(1000), &line), IO_TOO_LONG);
    expect_line(&p, "NOOP\r\n");
    say(&p, "0123456789012345678901234567890123456\r\n"); /* 39 octets */
    expect_line(&p, "0123456789012345678901234567890123456\r\n");
    say(&p, "012345678901234567890123456789012345678\r\n"); /* 41 */
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(1000), &line), IO_TOO_LONG);
    tear_down(&p);
}

static void how_a_long_line_ended_is_told(void **state)
{
    struct pair p;
    struct slice line;
    (void)state;
    set_up(&p);
    for (int i = 0; i < 64; i++)
        say(&p, "x");
    say(&p, "012345678901234567890123456789012345678901234567890123456789012\r\n"); /* CR is the buffer's last octet */
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(1000), &line), IO_TOO_LONG);
    assert_true(slice_equal(line, slice_of("\r\n")));
    for (int i = 0; i < 10; i++)
        say(&p, "0123456789");
    say(&p, "\nNOOP\r\n");
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(1000), &line), IO_TOO_LONG);
    assert_true(slice_equal(line, slice_of("9\n")));
    expect_line(&p, "NOOP\r\n");
    tear_down(&p);
}

static void a_fill_takes_no_more_than_it_may(void **state)
{
    struct pair p;
    char left[16];
    (void)state;
    set_up(&p);
    say(&p, "PROXY\r\nNOOP\r\nrest");
    assert_int_equal(stream_fill_within(&p.s, 5, clock_deadline(1000)), IO_OK);
    assert_int_equal(stream_fill_within(&p.s, 2, clock_deadline(1000)), IO_OK);
    assert_true(slice_equal(buffer_unread(&p.s.in), slice_of("PROXY\r\n")));
    assert_int_equal(recv(p.s.fd, left, sizeof(left), MSG_PEEK | MSG_DONTWAIT), 10);
    expect_line(&p, "PROXY\r\n");
    expect_line(&p, "NOOP\r\n"); /* the buffer is as large as ever */
    tear_down(&p);
}

static void looking_reads_nothing_away(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p);
    assert_int_equal(stream_input(&p.s), INPUT_NONE);
    say(&p, "QUIT\r\n");
    assert_int_equal(stream_input(&p.s), INPUT_SOME);
    expect_line(&p, "QUIT\r\n");
    assert_int_equal(stream_input(&p.s), INPUT_NONE);
    shutdown(p.peer, SHUT_WR);
    assert_int_equal(stream_input(&p.s), INPUT_END);
    tear_down(&p);
}

static void reading_flushes_writing(void **state)
{
    struct pair p;
    struct slice line;
    char heard[16];
    (void)state;
    set_up(&p);
    assert_true(buffer_put_text(&p.s.out, "220 hi\r\n"));
    assert_int_equal(recv(p.peer, heard, sizeof(heard), MSG_DONTWAIT), -1);
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(5), &line), IO_LATE);
    assert_int_equal(recv(p.peer, heard, sizeof(heard), MSG_DONTWAIT), 8);
    tear_down(&p);
}

static void a_half_closed_peer_still_hears(void **state)
{
    struct pair p;
    struct slice line;
    char heard[16];
    (void)state;
    set_up(&p);
    say(&p, "QUIT\r\n");
    shutdown(p.peer, SHUT_WR);
    expect_line(&p, "QUIT\r\n");
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(1000), &line), IO_END);
    assert_true(buffer_put_text(&p.s.out, "221 bye\r\n"));
    assert_int_equal(stream_flush(&p.s, clock_deadline(1000)), IO_OK);
    assert_int_equal(recv(p.peer, heard, sizeof(heard), MSG_DONTWAIT), 9);
    tear_down(&p);
}

static void a_failed_write_ends_writing_for_good(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p);
    close(p.peer);
    p.peer = -1;
    assert_true(buffer_put_text(&p.s.out, "250 ok\r\n"));
    assert_int_equal(stream_flush(&p.s, clock_deadline(1000)), IO_LOST);
    assert_true(buffer_put_text(&p.s.out, "250 ok\r\n"));
    assert_int_equal(stream_flush(&p.s, clock_deadline(1000)), IO_LOST);
    tear_down(&p);
}

static void pieces_leave_in_order_and_whole(void **state)
{
    struct pair p;
    char heard[64];
    struct iovec pieces[] = {{"DATA", 4}, {NULL, 0}, {" and", 4}, {" the dot\r\n.\r\n", 13}};
    (void)state;
    set_up(&p);
    assert_true(buffer_put_text(&p.s.out, "> "));
    assert_int_equal(stream_write(&p.s, pieces, 4, clock_deadline(1000)), IO_OK);
    assert_int_equal(recv(p.peer, heard, sizeof(heard), MSG_DONTWAIT), 23);
    assert_memory_equal(heard, "> DATA and the dot\r\n.\r\n", 23);
    assert_int_equal(p.s.sent_bytes, 23);
    tear_down(&p);
}

static void a_peer_that_does_not_read_is_late(void **state)
{
    struct pair p;
    static char much[1 << 20];
    struct iovec piece = {much, sizeof(much)};
    (void)state;
    set_up(&p);
    assert_int_equal(stream_write(&p.s, &piece, 1, clock_deadline(20)), IO_LATE);
    assert_int_equal(stream_flush(&p.s, clock_deadline(20)), IO_LATE); /* nothing may follow */
    tear_down(&p);
}

static void a_deadline_holds_for_a_peer_that_never_stops(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p);
    for (int i = 0; i < 100; i++)
        say(&p, "0123456789");
    int64_t deadline = clock_deadline(-1);
    p.s.greedy = true; /* as after a read that filled the buffer */
    assert_int_equal(stream_fill(&p.s, deadline), IO_LATE);
    assert_int_equal(stream_fill(&p.s, clock_deadline(1000)), IO_OK);
    tear_down(&p);
}

static void now_is_a_look_and_no_wait(void **state)
{
    struct pair p;
    struct slice line;
    (void)state;
    set_up(&p);
    assert_int_equal(stream_read_line(&p.s, 40, STREAM_NOW, &line), IO_LATE);
    say(&p, "one\r\ntw");
    assert_int_equal(stream_read_line(&p.s, 40, STREAM_NOW, &line), IO_OK);
    assert_true(slice_equal(line, slice_of("one\r\n")));
    assert_int_equal(stream_read_line(&p.s, 40, STREAM_NOW, &line), IO_LATE);
    say(&p, "o\r\n");
    p.s.greedy = true; /* as after a read that filled the buffer */
    assert_int_equal(stream_read_line(&p.s, 40, STREAM_NOW, &line), IO_OK);
    assert_true(slice_equal(line, slice_of("two\r\n")));
    tear_down(&p);
}

static enum io says_gone(struct wait_guest *guest, short revents)
{
    (void)guest;
    (void)revents;
    return IO_GONE;
}

static void a_guest_ends_the_wait(void **state)
{
    struct pair p;
    struct slice line;
    int other[2];
    (void)state;
    set_up(&p);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    struct wait_guest guest = {.fd = other[0], .events = POLLRDHUP, .woken = says_gone};
    wait_invite(&p.wait, &guest);
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(5), &line), IO_LATE);
    close(other[1]);
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(1000), &line), IO_GONE);
    wait_dismiss(&p.wait, &guest);
    assert_int_equal(stream_read_line(&p.s, 40, clock_deadline(5), &line), IO_LATE);
    close(other[0]);
    tear_down(&p);
}

static enum io says_nothing(struct wait_guest *guest, short revents)
{
    (void)guest;
    (void)revents;
    return IO_OK;
}

static void a_guest_that_is_always_woken_holds_up_no_deadline(void **state)
{
    struct pair p;
    int other[2];
    (void)state;
    set_up(&p);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    assert_int_equal(write(other[1], "x", 1), 1);
    struct wait_guest guest = {.fd = other[0], .events = POLLIN, .woken = says_nothing};
    wait_invite(&p.wait, &guest);
    assert_int_equal(stream_fill(&p.s, clock_deadline(20)), IO_LATE);
    say(&p, "NOOP");
    assert_int_equal(stream_fill(&p.s, clock_deadline(1000)), IO_OK);
    wait_dismiss(&p.wait, &guest);
    close(other[0]);
    close(other[1]);
    tear_down(&p);
}

/* Each read finds something at once, and would never ask a guest. */
static void a_guest_is_heard_beside_a_peer_that_never_pauses(void **state)
{
    struct pair p;
    struct slice line;
    int other[2];
    (void)state;
    set_up(&p);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, other), 0);
    struct wait_guest guest = {.fd = other[0], .woken = says_gone};
    wait_invite(&p.wait, &guest);
    say(&p, "NOOP\r\n");
    expect_line(&p, "NOOP\r\n");
    close(other[1]);
    enum io io = IO_OK;
    for (int64_t end = clock_deadline(2000); io == IO_OK && clock_ms() < end;) {
        say(&p, "NOOP\r\n");
        io = stream_read_line(&p.s, 40, clock_deadline(1000), &line);
    }
    assert_int_equal(io, IO_GONE);
    wait_dismiss(&p.wait, &guest);
    close(other[0]);
    tear_down(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_one_by_one),
        cmocka_unit_test(a_long_line_is_thrown_away_whole),
        cmocka_unit_test(how_a_long_line_ended_is_told),
        cmocka_unit_test(a_fill_takes_no_more_than_it_may),
        cmocka_unit_test(looking_reads_nothing_away),
        cmocka_unit_test(reading_flushes_writing),
        cmocka_unit_test(a_half_closed_peer_still_hears),
        cmocka_unit_test(a_failed_write_ends_writing_for_good),
        cmocka_unit_test(pieces_leave_in_order_and_whole),
        cmocka_unit_test(a_peer_that_does_not_read_is_late),
        cmocka_unit_test(a_deadline_holds_for_a_peer_that_never_stops),
        cmocka_unit_test(now_is_a_look_and_no_wait),
        cmocka_unit_test(a_guest_ends_the_wait),
        cmocka_unit_test(a_guest_that_is_always_woken_holds_up_no_deadline),
        cmocka_unit_test(a_guest_is_heard_beside_a_peer_that_never_pauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
