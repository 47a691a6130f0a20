/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "tests/lib/fake_clock.h"

enum { FIRST_MS = 1000000 };

/* 2026-01-01 12:00:00 UTC, when the fake clock starts */
static const time_t FIRST_WALL = 1767268800;

static int64_t now_ms = FIRST_MS;
static fake_clock_owner *owner_function;

void fake_clock_own(fake_clock_owner *owner)
{
    owner_function = owner;
}

void fake_clock_move_to(int64_t to_ms)
{
    if (to_ms > now_ms)
        now_ms = to_ms;
}

int64_t clock_ms(void)
{
    return now_ms;
}

int64_t clock_wall_us(void)
{
    return (int64_t)FIRST_WALL * 1000000 + (now_ms - FIRST_MS) * 1000;
}

time_t clock_wall(void)
{
    return (time_t)(clock_wall_us() / 1000000);
}

int64_t clock_deadline(int64_t wait_ms)
{
    return wait_ms > CLOCK_NEVER - now_ms ? CLOCK_NEVER : now_ms + wait_ms;
}

static int poll_now(struct pollfd *fds, nfds_t count)
{
    for (;;) {
        int ready = poll(fds, count, 0);
        if (ready >= 0 || errno != EINTR)
            return ready;
    }
}

static void ask_owner(int64_t deadline_ms)
{
    if (owner_function)
        owner_function(deadline_ms);
    else if (deadline_ms == CLOCK_NEVER)
        abort(); /* a wait for ever in a test without an owner */
    else
        fake_clock_move_to(deadline_ms);
}

int clock_poll(struct pollfd *fds, nfds_t count, int64_t deadline_ms)
{
    for (;;) {
        int ready = poll_now(fds, count);
        if (ready != 0 || now_ms >= deadline_ms)
            return ready;
        ask_owner(deadline_ms);
    }
}

/* There is one process here: it is always the one that has waited longest. */
int clock_queue(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

int clock_poll_queued(int place, struct pollfd *fds, nfds_t count, bool *woken_out, int64_t deadline_ms)
{
    for (;;) {
        struct pollfd queue = {.fd = place, .events = POLLIN};
        *woken_out = poll_now(&queue, 1) > 0;
        int ready = poll_now(fds, count);
        if (ready != 0 || *woken_out || now_ms >= deadline_ms)
            return ready;
        ask_owner(deadline_ms);
    }
}

/* Nobody waits but in clock_poll, where the owner is asked. */
bool clock_let_doze(int fd)
{
    (void)fd;
    return false;
}

int clock_connect(int fd, const struct sockaddr *to, socklen_t size)
{
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return connect(fd, to, size);
}

ssize_t clock_recv(int fd, void *at, size_t size)
{
    return recv(fd, at, size, MSG_DONTWAIT);
}

bool clock_await_change(const _Atomic uint32_t *word, uint32_t seen, int64_t deadline_ms)
{
    while (*word == seen && now_ms < deadline_ms)
        ask_owner(deadline_ms);
    return *word != seen;
}

/* Whoever waits looks again by itself. */
void clock_tell_change(_Atomic uint32_t *word)
{
    (void)word;
}
