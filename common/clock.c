/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"

enum { MS_PER_S = 1000, NS_PER_MS = 1000000, US_PER_S = 1000000, US_PER_MS = 1000, NS_PER_US = 1000 };

int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

static int64_t us_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / NS_PER_US;
}

int64_t clock_us(void)
{
    return us_of(CLOCK_MONOTONIC);
}

time_t clock_wall(void)
{
    return (time_t)(clock_wall_us() / US_PER_S);
}

int64_t clock_wall_us(void)
{
    return us_of(CLOCK_REALTIME);
}

int64_t clock_deadline(int64_t wait_ms)
{
    return clock_ms() + wait_ms;
}

static int poll_timeout(int64_t deadline_ms)
{
    if (deadline_ms == CLOCK_NEVER)
        return -1;
    int64_t left = deadline_ms - clock_ms();
    if (left <= 0)
        return 0;
    return left > INT_MAX ? INT_MAX : (int)left;
}

int clock_poll(struct pollfd *fds, nfds_t count, int64_t deadline_ms)
{
    for (;;) {
        int timeout = poll_timeout(deadline_ms);
        int ready = poll(fds, count, timeout);
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return ready;
        if (ready == 0 && timeout != INT_MAX)
            return 0;
    }
}

enum { QUEUE_EVENTS = 8 };

int clock_queue(int fd)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = fd};
    int place = epoll_create1(EPOLL_CLOEXEC);
    if (place < 0 || epoll_ctl(place, EPOLL_CTL_ADD, fd, &event) == 0)
        return place;
    int error = errno;
    close(place);
    errno = error;
    return -1;
}

/* Where two want to hear of the same descriptor, poll has the last word on who heard what. False with errno. */
static bool lay_out(int place, const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++) {
        struct epoll_event event = {.data.fd = -1};
        for (nfds_t k = 0; k < count; k++)
            event.events |= fds[k].fd == fds[i].fd ? (unsigned short)fds[k].events : 0u;
        if (fds[i].fd >= 0 && epoll_ctl(place, EPOLL_CTL_ADD, fds[i].fd, &event) != 0 && errno != EEXIST)
            return false;
    }
    return true;
}

static void clear_away(int place, const struct pollfd *fds, nfds_t count)
{
    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].fd >= 0)
            epoll_ctl(place, EPOLL_CTL_DEL, fds[i].fd, NULL);
    }
}

static int wait_queued(int place, bool *woken_out, int64_t deadline_ms)
{
    for (;;) {
        struct epoll_event events[QUEUE_EVENTS];
        int timeout = poll_timeout(deadline_ms);
        int ready = epoll_wait(place, events, QUEUE_EVENTS, timeout);
        for (int i = 0; i < ready; i++)
            *woken_out |= events[i].data.fd >= 0;
        if (ready > 0 || (ready < 0 && errno != EINTR))
            return ready;
        if (ready == 0 && timeout != INT_MAX)
            return 0;
    }
}

/* Not poll on the epoll: it would wake everybody. Who waits in epoll_wait alone counts as one that can be woken. */
int clock_poll_queued(int place, struct pollfd *fds, nfds_t count, bool *woken_out, int64_t deadline_ms)
{
    *woken_out = false;
    int ready = lay_out(place, fds, count) ? wait_queued(place, woken_out, deadline_ms) : -1;
    if (ready >= 0)
        ready = clock_poll(fds, count, 0);
    int error = errno;
    clear_away(place, fds, count);
    errno = error;
    return ready;
}

static bool limit_wait(int fd, int option)
{
    static const struct timeval doze = {.tv_usec = CLOCK_DOZE_MS * US_PER_MS};
    return setsockopt(fd, SOL_SOCKET, option, &doze, sizeof(doze)) == 0;
}

bool clock_let_doze(int fd)
{
    return limit_wait(fd, SO_RCVTIMEO);
}

int clock_connect(int fd, const struct sockaddr *to, socklen_t size)
{
    return limit_wait(fd, SO_SNDTIMEO) ? connect(fd, to, size) : -1;
}

ssize_t clock_recv(int fd, void *at, size_t size)
{
    return recv(fd, at, size, 0);
}

/* By an absolute time, as all deadlines here are: FUTEX_WAIT_BITSET takes one of CLOCK_MONOTONIC. */
bool clock_await_change(const _Atomic uint32_t *word, uint32_t seen, int64_t deadline_ms)
{
    struct timespec until = {.tv_sec = deadline_ms / MS_PER_S, .tv_nsec = deadline_ms % MS_PER_S * NS_PER_MS};
    const struct timespec *limit = deadline_ms == CLOCK_NEVER ? NULL : &until;
    if (deadline_ms < 0)
        return false;
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, seen, limit, NULL, FUTEX_BITSET_MATCH_ANY);
    return result == 0 || errno != ETIMEDOUT;
}

void clock_tell_change(_Atomic uint32_t *word)
{
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}
