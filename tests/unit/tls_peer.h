/* SPDX-License-Identifier: ISC
 *
 * tls_peer - a stream and, in another process, its peer, which speaks TLS by steps of its own. A peer's function ends
 * with the peer's exit status, 0 is good; tear_down looks at it. Cmocka's headers come before this one.
 */
#ifndef POSTERN_TESTS_UNIT_TLS_PEER_H
#define POSTERN_TESTS_UNIT_TLS_PEER_H

#include <poll.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/stream.h"

#include "tests/unit/tls_rig.h"

enum { IN_BYTES = 65536, OUT_BYTES = 4096, BIG_BYTES = 1 << 20, SOON_MS = 10000 };

static struct {
    char directory[PATH_MAX];
    struct made mx;
    char *mx_file;
    struct tls_server *server;
    struct tls_client *client;
    char *big;
} all;

static inline int make_all(void **state)
{
    (void)state;
    rig_make_directory(all.directory);
    all.mx = certificate_make((struct wish){.names = "DNS:mx.example.org"});
    all.mx_file = certificate_write(&all.mx, all.directory, "mx.pem", true);
    all.server = server_of((const char *[]){all.mx_file}, 1);
    all.client = client_of(TLS_VERIFY_NONE, NULL);
    all.big = malloc(BIG_BYTES);
    for (size_t i = 0; i < BIG_BYTES; i++)
        all.big[i] = (char)(i * 31 + i / 251);
    return 0;
}

static inline int clear_all(void **state)
{
    (void)state;
    certificate_clear(&all.mx);
    tls_server_free(&all.server);
    tls_client_free(&all.client);
    free(all.mx_file);
    free(all.big);
    rig_remove_directory(all.directory);
    return 0;
}

typedef int peer_function(int fd, int signal_fd);

struct pair {
    struct wait wait;
    struct stream s;
    pid_t peer;
    int signal_fd; /* readable when the peer has written to its signal_fd */
    char in[IN_BYTES], out[OUT_BYTES];
};

static inline void set_up(struct pair *p, peer_function *peer)
{
    int fds[2], pipes[2];
    memset(p, 0, offsetof(struct pair, in));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(pipe(pipes), 0);
    p->peer = fork();
    assert_true(p->peer >= 0);
    if (p->peer == 0) {
        close(fds[0]);
        close(pipes[0]);
        _exit(peer(fds[1], pipes[1]));
    }
    close(fds[1]);
    close(pipes[1]);
    p->signal_fd = pipes[0];
    stream_init(&p->s, &p->wait, p->in, sizeof(p->in), p->out, sizeof(p->out));
    stream_open(&p->s, fds[0]);
}

static inline void await_signal(struct pair *p)
{
    char octet;
    struct pollfd ready = {.fd = p->signal_fd, .events = POLLIN};
    assert_int_equal(clock_poll(&ready, 1, clock_deadline(SOON_MS)), 1);
    assert_int_equal(read(p->signal_fd, &octet, 1), 1);
}

static inline void tear_down(struct pair *p)
{
    int status;
    stream_close(&p->s);
    assert_int_equal(waitpid(p->peer, &status, 0), p->peer);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(p->signal_fd);
}

static inline void secure(struct pair *p)
{
    enum io io = stream_secure(&p->s, tls_server_begin(all.server), clock_deadline(SOON_MS));
    if (io != IO_OK)
        fail_msg("%s: %s", io_name(io), stream_tls_why(&p->s));
}

/* Until the step is one that ends. */
static inline bool peer_waits(int fd, enum tls_step step)
{
    struct pollfd ready = {.fd = fd, .events = step == TLS_WANTS_WRITE ? POLLOUT : POLLIN};
    return step_is_open(step) && clock_poll(&ready, 1, clock_deadline(SOON_MS)) == 1;
}

/* NULL: it failed. */
static inline struct tls *peer_begin(int fd)
{
    enum tls_step step;
    struct tls *tls = tls_client_begin(all.client, "mx.example.org");
    if (tls == NULL)
        return NULL;
    tls_attach(tls, fd);
    do {
        step = tls_handshake(tls);
    } while (peer_waits(fd, step));
    return step == TLS_DONE ? tls : NULL;
}

static inline bool peer_says(struct tls *tls, int fd, const char *from, size_t size)
{
    size_t put;
    while (size > 0) {
        struct iovec piece = {(void *)(uintptr_t)from, size};
        enum tls_step step = tls_write(tls, &piece, 1, &put);
        if (step != TLS_DONE && !peer_waits(fd, step))
            return false;
        from += put;
        size -= put;
    }
    return true;
}

/* One record at most; 0: the end or worse, which *step_out says. */
static inline size_t peer_hears(struct tls *tls, int fd, char *to, size_t room, enum tls_step *step_out)
{
    size_t got;
    do {
        *step_out = tls_read(tls, to, room, &got);
    } while (peer_waits(fd, *step_out));
    return got;
}

static inline int peer_drains(struct tls *tls, int fd)
{
    char octets[1024];
    enum tls_step step;
    while (peer_hears(tls, fd, octets, sizeof(octets), &step) > 0)
        continue;
    return step == TLS_END ? 0 : 9;
}

static inline void expect_line(struct pair *p, const char *text)
{
    struct slice line;
    assert_int_equal(stream_read_line(&p->s, 1000, clock_deadline(SOON_MS), &line), IO_OK);
    assert_int_equal(line.size, strlen(text));
    assert_memory_equal(line.at, text, line.size);
}

#endif
