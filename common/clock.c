/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <limits.h>
#include <sys/socket.h>

#include "common/clock.h"

enum { MS_PER_S = 1000, NS_PER_MS = 1000000, US_PER_S = 1000000, US_PER_MS = 1000, NS_PER_US = 1000 };

int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * MS_PER_S + now.tv_nsec / NS_PER_MS;
}

time_t clock_wall(void)
{
    return (time_t)(clock_wall_us() / US_PER_S);
}

int64_t clock_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * US_PER_S + now.tv_nsec / NS_PER_US;
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
