/* SPDX-License-Identifier: ISC
 *
 * stream under TLS: what holds in the clear (stream_test.c) holds here, too; and records, tickets, key updates and
 * goodbyes are nobody's business above. The peer is another process.
 */
#include <sched.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/tls_peer.h"

/* -- reading and writing -- */

static int echo_twice(int fd, int signal_fd)
{
    char heard[64];
    enum tls_step step;
    struct tls *tls = peer_begin(fd);
    (void)signal_fd;
    if (tls == NULL || !peer_says(tls, fd, "EHLO a\r\nMA", 10) || !peer_says(tls, fd, "IL\r\n", 4))
        return 1;
    if (peer_hears(tls, fd, heard, sizeof(heard), &step) != 8 || memcmp(heard, "250 ok\r\n", 8) != 0)
        return 2;
    return peer_says(tls, fd, "QUIT\r\n", 6) ? peer_drains(tls, fd) : 3;
}

static void lines_and_replies_go_through(void **state)
{
    struct pair p;
    struct slice line;
    (void)state;
    set_up(&p, echo_twice);
    secure(&p);
    assert_true(tls_is_established(p.s.tls));
    expect_line(&p, "EHLO a\r\n");
    expect_line(&p, "MAIL\r\n");
    assert_true(buffer_put_text(&p.s.out, "250 ok\r\n"));
    expect_line(&p, "QUIT\r\n"); /* reading flushed writing */
    assert_int_equal(stream_read_line(&p.s, 1000, clock_deadline(5), &line), IO_LATE);
    assert_int_equal(p.s.received_bytes, 20); /* what was said, not what TLS made of it */
    assert_int_equal(p.s.sent_bytes, 8);
    tear_down(&p);
}

static int many_small_records(int fd, int signal_fd)
{
    struct tls *tls = peer_begin(fd);
    if (tls == NULL)
        return 1;
    for (int i = 0; i < 50; i++) {
        if (!peer_says(tls, fd, "a line\r\n", 8))
            return 2;
    }
    return write(signal_fd, "x", 1) == 1 ? peer_drains(tls, fd) : 3;
}

static void records_that_are_there_come_together(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p, many_small_records);
    secure(&p);
    await_signal(&p);
    assert_int_equal(stream_input(&p.s), INPUT_SOME);
    assert_int_equal(stream_fill(&p.s, clock_deadline(SOON_MS)), IO_OK);
    assert_int_equal(buffer_unread(&p.s.in).size, 400);
    tear_down(&p);
}

static int one_large_record(int fd, int signal_fd)
{
    struct tls *tls = peer_begin(fd);
    bool good = tls != NULL && peer_says(tls, fd, all.big, TLS_RECORD_BYTES);
    return good && write(signal_fd, "x", 1) == 1 ? peer_drains(tls, fd) : 1;
}

/* The rest of a record lies in OpenSSL, where poll(2) does not see it. */
static void what_lies_in_openssl_is_not_waited_for(void **state)
{
    struct pair p;
    size_t got = 0;
    (void)state;
    set_up(&p, one_large_record);
    p.s.in.capacity = 1000;
    secure(&p);
    await_signal(&p);
    while (got < TLS_RECORD_BYTES) {
        assert_int_equal(stream_input(&p.s), INPUT_SOME);
        assert_int_equal(stream_fill(&p.s, clock_deadline(SOON_MS)), IO_OK);
        struct slice part = buffer_unread(&p.s.in);
        assert_memory_equal(part.at, all.big + got, part.size);
        got += part.size;
        buffer_consume(&p.s.in, part.size);
    }
    assert_int_equal(got, TLS_RECORD_BYTES);
    assert_int_equal(stream_input(&p.s), INPUT_NONE);
    tear_down(&p);
}

/* -- writing -- */

/* The sizes of records, sent back in the clear, over the pipe. */
static int tell_records(int fd, int signal_fd)
{
    static char octets[TLS_RECORD_BYTES];
    enum tls_step step = TLS_DONE;
    size_t size;
    struct tls *tls = peer_begin(fd);
    while (tls != NULL && (size = peer_hears(tls, fd, octets, sizeof(octets), &step)) > 0) {
        if (write(signal_fd, &size, sizeof(size)) != (ssize_t)sizeof(size))
            return 1;
    }
    return step == TLS_END ? 0 : 2;
}

static size_t next_record(struct pair *p)
{
    size_t size;
    struct pollfd ready = {.fd = p->signal_fd, .events = POLLIN};
    assert_int_equal(clock_poll(&ready, 1, clock_deadline(SOON_MS)), 1);
    assert_int_equal(read(p->signal_fd, &size, sizeof(size)), sizeof(size));
    return size;
}

static void pieces_leave_in_few_records(void **state)
{
    struct pair p;
    struct iovec pieces[16];
    (void)state;
    set_up(&p, tell_records);
    secure(&p);
    for (int i = 0; i < 16; i++)
        pieces[i] = (struct iovec){all.big, 10};
    pieces[3].iov_len = 0;
    assert_true(buffer_put_text(&p.s.out, "Received: x\r\n"));
    assert_int_equal(stream_write(&p.s, pieces, 16, clock_deadline(SOON_MS)), IO_OK);
    assert_int_equal(next_record(&p), 163);
    pieces[0] = (struct iovec){all.big, 40000};
    pieces[1] = (struct iovec){(void *)(uintptr_t) ".\r\n", 3};
    assert_int_equal(stream_write(&p.s, pieces, 2, clock_deadline(SOON_MS)), IO_OK);
    assert_int_equal(next_record(&p), TLS_RECORD_BYTES);
    assert_int_equal(next_record(&p), TLS_RECORD_BYTES);
    assert_int_equal(next_record(&p), 40003 - 2 * TLS_RECORD_BYTES); /* the dot with the last data */
    assert_int_equal(p.s.sent_bytes, 163 + 40003);
    tear_down(&p);
}

static int read_slowly(int fd, int signal_fd)
{
    static char octets[5000];
    size_t got = 0, part;
    enum tls_step step;
    struct tls *tls = peer_begin(fd);
    (void)signal_fd;
    while (tls != NULL && (part = peer_hears(tls, fd, octets, 1 + got % sizeof(octets), &step)) > 0) {
        for (size_t i = 0; i < part; i++) {
            if (octets[i] != all.big[(got + i) % BIG_BYTES])
                return 1;
        }
        got += part;
        sched_yield();
    }
    return tls != NULL && got == 2 * (size_t)BIG_BYTES && step == TLS_END ? 0 : 2;
}

static void much_goes_to_a_slow_reader_whole(void **state)
{
    struct pair p;
    int small = 4096;
    (void)state;
    set_up(&p, read_slowly);
    setsockopt(p.s.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    secure(&p);
    for (int round = 0; round < 2; round++) {
        struct iovec pieces[] = {{all.big, 1}, {all.big + 1, 70000}, {all.big + 70001, BIG_BYTES - 70001}};
        assert_int_equal(stream_write(&p.s, pieces, 3, clock_deadline(6 * SOON_MS)), IO_OK);
    }
    tear_down(&p);
}

static int shake_hands_only(int fd, int signal_fd)
{
    char octet;
    struct tls *tls = peer_begin(fd);
    while (recv(fd, &octet, 1, MSG_PEEK | MSG_WAITALL) > 0 && tls != NULL && write(signal_fd, "x", 1) == 1)
        pause();
    return tls != NULL ? 0 : 1;
}

static void a_peer_that_does_not_read_is_late(void **state)
{
    struct pair p;
    struct iovec piece = {all.big, BIG_BYTES};
    (void)state;
    set_up(&p, shake_hands_only);
    secure(&p);
    assert_int_equal(stream_write(&p.s, &piece, 1, clock_deadline(50)), IO_LATE);
    assert_int_equal(stream_write(&p.s, &piece, 1, clock_deadline(SOON_MS)), IO_LATE); /* for good */
    assert_int_equal(stream_input(&p.s), INPUT_NONE);                                  /* the other direction goes on */
    stream_close(&p.s);
    kill(p.peer, SIGKILL);
    assert_int_equal(waitpid(p.peer, NULL, 0), p.peer);
    close(p.signal_fd);
}

/* -- what TLS says among itself -- */

static struct ticket_keys keys;

/* Here the peer is the server, and sends a ticket behind the handshake; then, asked for it, a line. */
static int ticket_then_line(int fd, int signal_fd)
{
    char heard[8];
    enum tls_step step;
    tls_server_use_tickets(all.server, &keys);
    struct tls *tls = tls_server_begin(all.server);
    tls_attach(tls, fd);
    do {
        step = tls_handshake(tls);
    } while (peer_waits(fd, step));
    if (step != TLS_DONE || write(signal_fd, "x", 1) != 1)
        return 1;
    if (peer_hears(tls, fd, heard, sizeof(heard), &step) == 0 || !peer_says(tls, fd, "220 hi\r\n", 8))
        return 2;
    return write(signal_fd, "x", 1) == 1 ? peer_drains(tls, fd) : 3;
}

static void a_ticket_is_no_input(void **state)
{
    struct pair p;
    struct iovec go = {(void *)(uintptr_t) "go", 2};
    (void)state;
    assert_true(ticket_keys_rotate(&keys));
    set_up(&p, ticket_then_line);
    assert_int_equal(stream_secure(&p.s, tls_client_begin(all.client, NULL), clock_deadline(SOON_MS)), IO_OK);
    await_signal(&p);
    struct pollfd ready = {.fd = p.s.fd, .events = POLLIN};
    assert_int_equal(clock_poll(&ready, 1, clock_deadline(SOON_MS)), 1);
    assert_int_equal(stream_input(&p.s), INPUT_NONE);
    assert_int_equal(clock_poll(&ready, 1, clock_deadline(0)), 0); /* nobody is woken by it again */
    assert_int_equal(stream_write(&p.s, &go, 1, clock_deadline(SOON_MS)), IO_OK);
    await_signal(&p);
    assert_int_equal(stream_input(&p.s), INPUT_SOME);
    expect_line(&p, "220 hi\r\n");
    tear_down(&p);
}

static int update_keys_for_ever(int fd, int signal_fd)
{
    struct tls *tls = peer_begin(fd);
    (void)signal_fd;
    while (tls != NULL) {
        SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
        int returned = SSL_do_handshake(tls->ssl);
        int said = SSL_get_error(tls->ssl, returned);
        if (returned != 1 && !(said == SSL_ERROR_WANT_WRITE && peer_waits(fd, TLS_WANTS_WRITE)))
            return 0;
    }
    return 1;
}

static void key_updates_hold_nobody_beyond_his_deadline(void **state)
{
    struct pair p;
    struct slice line;
    (void)state;
    set_up(&p, update_keys_for_ever);
    secure(&p);
    assert_int_equal(stream_read_line(&p.s, 1000, clock_deadline(100), &line), IO_LATE);
    assert_int_equal(stream_input(&p.s), INPUT_NONE);
    tear_down(&p);
}

static int update_keys_and_listen(int fd, int signal_fd)
{
    struct tls *tls = peer_begin(fd);
    for (int i = 0; i < 100; i++) {
        SSL_key_update(tls->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
        if (SSL_do_handshake(tls->ssl) != 1)
            return 1;
    }
    return write(signal_fd, "x", 1) == 1 ? peer_drains(tls, fd) : 2;
}

/* Who has others to look after comes back to this one in its turn. */
static void key_updates_are_not_gone_through_at_once(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p, update_keys_and_listen);
    secure(&p);
    await_signal(&p);
    struct pollfd ready = {.fd = p.s.fd, .events = POLLIN};
    assert_int_equal(stream_fill(&p.s, STREAM_NOW), IO_LATE);
    assert_int_equal(clock_poll(&ready, 1, clock_deadline(0)), 1);
    for (int turns = 0; turns < 100 && clock_poll(&ready, 1, clock_deadline(0)) == 1; turns++)
        assert_int_equal(stream_fill(&p.s, STREAM_NOW), IO_LATE);
    assert_int_equal(clock_poll(&ready, 1, clock_deadline(0)), 0);
    tear_down(&p);
}

/* -- ends -- */

static int say_goodbye_and_listen(int fd, int signal_fd)
{
    char heard[32];
    enum tls_step step;
    struct tls *tls = peer_begin(fd);
    if (tls == NULL || !peer_says(tls, fd, "QUIT\r\n", 6))
        return 1;
    tls_say_goodbye(tls);
    shutdown(fd, SHUT_WR);
    if (write(signal_fd, "x", 1) != 1)
        return 2;
    return peer_hears(tls, fd, heard, sizeof(heard), &step) == 9 ? 0 : 3;
}

static void a_half_closed_peer_still_hears(void **state)
{
    struct pair p;
    struct slice line;
    (void)state;
    set_up(&p, say_goodbye_and_listen);
    secure(&p);
    await_signal(&p);
    expect_line(&p, "QUIT\r\n");
    assert_int_equal(stream_input(&p.s), INPUT_END);
    assert_int_equal(stream_read_line(&p.s, 1000, clock_deadline(SOON_MS), &line), IO_END);
    assert_true(buffer_put_text(&p.s.out, "221 bye\r\n"));
    assert_int_equal(stream_flush(&p.s, clock_deadline(SOON_MS)), IO_OK);
    tear_down(&p);
}

static int say_goodbye_and_wait(int fd, int signal_fd)
{
    struct tls *tls = peer_begin(fd);
    if (tls == NULL || !peer_says(tls, fd, "QUIT\r\n", 6))
        return 1;
    tls_say_goodbye(tls);
    return write(signal_fd, "x", 1) == 1 ? peer_drains(tls, fd) : 2;
}

/* It was read together with the data, so the socket has nothing to tell any more: no FIN follows. */
static void an_end_right_behind_the_data_is_told_at_once(void **state)
{
    struct pair p;
    struct slice line;
    (void)state;
    set_up(&p, say_goodbye_and_wait);
    secure(&p);
    await_signal(&p);
    expect_line(&p, "QUIT\r\n");
    assert_int_equal(stream_read_line(&p.s, 1000, clock_deadline(SOON_MS), &line), IO_END);
    tear_down(&p);
}

static int wants_a_goodbye(int fd, int signal_fd)
{
    char heard[32];
    enum tls_step step;
    struct tls *tls = peer_begin(fd);
    (void)signal_fd;
    if (tls == NULL)
        return 1;
    SSL_clear_options(tls->ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
    peer_hears(tls, fd, heard, sizeof(heard), &step);
    return step == TLS_END ? 0 : 2;
}

static int wants_none(int fd, int signal_fd)
{
    return wants_a_goodbye(fd, signal_fd) == 2 ? 0 : 1;
}

static void a_close_says_goodbye_and_an_abort_does_not(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p, wants_a_goodbye);
    secure(&p);
    tear_down(&p);
    set_up(&p, wants_none);
    secure(&p);
    stream_abort(&p.s);
    tear_down(&p);
}

static int talks_on_and_wants_the_reply(int fd, int signal_fd)
{
    char heard[32];
    enum tls_step step;
    struct tls *tls = peer_begin(fd);
    if (tls == NULL || !peer_says(tls, fd, all.big, 100000) || write(signal_fd, "x", 1) != 1)
        return 1;
    if (peer_hears(tls, fd, heard, sizeof(heard), &step) != 9)
        return 2;
    peer_hears(tls, fd, heard, sizeof(heard), &step);
    return step == TLS_END ? 0 : 3;
}

static void a_gentle_close_reads_away_what_comes(void **state)
{
    struct pair p;
    (void)state;
    set_up(&p, talks_on_and_wants_the_reply);
    secure(&p);
    await_signal(&p);
    assert_true(buffer_put_text(&p.s.out, "421 full\n"));
    assert_int_equal(stream_flush(&p.s, clock_deadline(SOON_MS)), IO_OK);
    stream_close_gently(&p.s, SOON_MS);
    assert_int_equal(p.s.fd, -1);
    assert_null(p.s.tls);
    tear_down(&p);
}

static int quit_at_once(int fd, int signal_fd)
{
    struct tls *tls = peer_begin(fd);
    (void)signal_fd;
    return tls != NULL && peer_says(tls, fd, "QUIT\r\n", 6) ? peer_drains(tls, fd) : 1;
}

static void nothing_is_left_for_the_next_session(void **state)
{
    struct pair p;
    (void)state;
    int before = dup(0);
    close(before);
    for (int i = 0; i < 20; i++) {
        set_up(&p, quit_at_once);
        secure(&p);
        expect_line(&p, "QUIT\r\n");
        tear_down(&p);
        assert_null(p.s.tls);
    }
    int after = dup(0);
    close(after);
    assert_int_equal(after, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_and_replies_go_through),
        cmocka_unit_test(records_that_are_there_come_together),
        cmocka_unit_test(what_lies_in_openssl_is_not_waited_for),
        cmocka_unit_test(pieces_leave_in_few_records),
        cmocka_unit_test(much_goes_to_a_slow_reader_whole),
        cmocka_unit_test(a_peer_that_does_not_read_is_late),
        cmocka_unit_test(a_ticket_is_no_input),
        cmocka_unit_test(key_updates_hold_nobody_beyond_his_deadline),
        cmocka_unit_test(key_updates_are_not_gone_through_at_once),
        cmocka_unit_test(a_half_closed_peer_still_hears),
        cmocka_unit_test(an_end_right_behind_the_data_is_told_at_once),
        cmocka_unit_test(a_close_says_goodbye_and_an_abort_does_not),
        cmocka_unit_test(a_gentle_close_reads_away_what_comes),
        cmocka_unit_test(nothing_is_left_for_the_next_session),
    };
    return cmocka_run_group_tests(tests, make_all, clear_all);
}
