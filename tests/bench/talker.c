/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/talker.h"

enum { READ_BYTES = 4096 };

int64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The port is chosen at connect(), where it need be free for this one peer only. */
static bool be_connecting(int fd, const struct room *room, uint32_t own_address)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(own_address)};
    int on = 1;
    return setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on) == 0 &&
           bind(fd, (const struct sockaddr *)&own, sizeof own) == 0 &&
           (connect(fd, (const struct sockaddr *)&room->address, sizeof room->address) == 0 || errno == EINPROGRESS);
}

bool talker_begin(struct talker *t, const struct kind *kind, struct room *room, uint32_t own_address)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = t};
    t->kind = kind;
    t->room = room;
    t->connected = false;
    t->column = 0;
    t->out_size = 0;
    t->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd >= 0 && be_connecting(t->fd, room, own_address) &&
        epoll_ctl(room->epoll, EPOLL_CTL_ADD, t->fd, &event) == 0) {
        room->open++;
        return true;
    }
    if (t->fd >= 0)
        close(t->fd);
    t->fd = -1;
    room->unconnected++;
    return false;
}

void talker_end(struct talker *t)
{
    wheel_unset(&t->alarm);
    if (t->fd < 0)
        return;
    close(t->fd);
    t->fd = -1;
    t->room->open--;
}

void talker_ring_at(struct talker *t, int64_t us)
{
    wheel_set(&t->room->wheel, &t->alarm, us / 1000);
}

/* What cannot be written any more is noticed where it is read. */
static void write_on(struct talker *t)
{
    while (t->out_size > 0) {
        ssize_t sent = send(t->fd, t->out, t->out_size, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        t->out += sent;
        t->out_size -= (size_t)sent;
    }
}

void talker_say(struct talker *t, const char *octets, size_t size)
{
    t->out = octets;
    t->out_size = size;
    write_on(t);
}

static bool is_last_line(const struct talker *t)
{
    return t->column < 4 || t->code[3] != '-';
}

static int code_of(const struct talker *t)
{
    int code = 0;
    for (size_t i = 0; i < 3; i++) {
        if (i >= t->column || t->code[i] < '0' || t->code[i] > '9')
            return 0;
        code = 10 * code + (t->code[i] - '0');
    }
    return code;
}

static void hear(struct talker *t, const char *octets, size_t size)
{
    const char *end = octets + size;
    while (octets < end && t->fd >= 0) {
        const char *newline = memchr(octets, '\n', (size_t)(end - octets));
        const char *line_end = newline != NULL ? newline : end;
        for (; octets < line_end && t->column < sizeof t->code; octets++)
            t->code[t->column++] = *octets;
        octets = line_end;
        if (newline == NULL)
            return;
        octets++;
        bool last = is_last_line(t);
        int code = code_of(t);
        t->column = 0;
        if (last)
            t->kind->heard(t, code);
    }
}

/* Of what is left no event would tell: less than was asked for is all there is, but for an end behind it. */
static void read_on(struct talker *t, bool ends)
{
    char octets[READ_BYTES];
    while (t->fd >= 0) {
        ssize_t got = recv(t->fd, octets, sizeof octets, 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            t->kind->lost(t);
            return;
        }
        hear(t, octets, (size_t)got);
        if ((size_t)got < sizeof octets && !ends)
            return;
    }
}

void talker_go_on(struct talker *t, uint32_t events)
{
    if (!t->connected && (events & (EPOLLERR | EPOLLHUP))) {
        t->kind->lost(t);
        return;
    }
    if (!t->connected && (events & EPOLLOUT)) {
        t->connected = true;
        t->kind->connected(t);
    }
    if (t->fd >= 0 && t->out_size > 0 && (events & EPOLLOUT))
        write_on(t);
    if (t->fd >= 0 && (events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)))
        read_on(t, (events & ~(uint32_t)(EPOLLIN | EPOLLOUT)) != 0);
}
