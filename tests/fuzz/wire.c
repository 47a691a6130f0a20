/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/fuzz/law.h"
#include "tests/fuzz/wire.h"

enum { FIRST_FD = 1 << 20, FIRST_MS = 1000000, WAITS_MAX = 200000 };

/* 2026-01-01 12:00:00 UTC */
static const int64_t FIRST_WALL_US = INT64_C(1767268800) * 1000000;

static struct wire wires[WIRES_MAX];
static int wire_count, waits;
static int64_t now_ms = FIRST_MS;
static void (*pump)(int64_t deadline_ms);

void wire_begin(void (*by)(int64_t deadline_ms))
{
    wire_count = waits = 0;
    now_ms = FIRST_MS;
    pump = by;
}

struct wire *wire_open(const struct wire_owner *owner, void *context)
{
    if (wire_count == WIRES_MAX)
        return NULL;
    struct wire *wire = &wires[wire_count++];
    wire->owner = owner;
    wire->context = context;
    wire->is_open = true;
    wire->begin = wire->end = 0;
    wire->fin = wire->reset = wire->is_shut = wire->resets = false;
    wire->room = SIZE_MAX;
    return wire;
}

int wire_fd(const struct wire *wire)
{
    return FIRST_FD + (int)(wire - wires);
}

int wire_open_count(void)
{
    int count = 0;
    for (int i = 0; i < wire_count; i++)
        count += wires[i].is_open;
    return count;
}

static struct wire *find(int fd)
{
    if (fd < FIRST_FD)
        return NULL;
    law(fd < FIRST_FD + wire_count && wires[fd - FIRST_FD].is_open, "a call on descriptor %d, which is closed", fd);
    return &wires[fd - FIRST_FD];
}

size_t wire_unread(const struct wire *wire)
{
    return wire->end - wire->begin;
}

void wire_send(struct wire *wire, struct slice octets)
{
    if (wire->fin || wire->reset || !wire->is_open)
        return;
    if (wire->begin == wire->end)
        wire->begin = wire->end = 0;
    octets = law_take(&octets, WIRE_BYTES - wire->end);
    if (octets.size > 0)
        memcpy(wire->unread + wire->end, octets.at, octets.size);
    wire->end += octets.size;
}

void wire_end(struct wire *wire)
{
    wire->fin = true;
}

void wire_reset(struct wire *wire)
{
    wire->reset = true;
    wire->begin = wire->end = 0;
}

/* -- the calls that the session makes; the linker brings them here -- */

ssize_t __real_recv(int fd, void *to, size_t size, int flags);
ssize_t __wrap_recv(int fd, void *to, size_t size, int flags);
ssize_t __real_send(int fd, const void *from, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *from, size_t size, int flags);
int __real_close(int fd);
int __wrap_close(int fd);
int __real_shutdown(int fd, int how);
int __wrap_shutdown(int fd, int how);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t size);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

static ssize_t fails(int error)
{
    errno = error;
    return -1;
}

ssize_t __wrap_recv(int fd, void *to, size_t size, int flags)
{
    struct wire *wire = find(fd);
    if (wire == NULL)
        return __real_recv(fd, to, size, flags);
    if (wire->reset || (wire_unread(wire) == 0 && wire->fin)) {
        wire->owner->saw_end(wire);
        return wire->reset ? fails(ECONNRESET) : 0;
    }
    struct slice octets = slice_make(wire->unread + wire->begin, wire_unread(wire));
    octets = law_take(&octets, size);
    if (octets.size == 0)
        return fails(EAGAIN);
    memcpy(to, octets.at, octets.size);
    if ((flags & MSG_PEEK) != 0)
        return (ssize_t)octets.size;
    wire->owner->takes(wire, octets);
    wire->begin += octets.size;
    return (ssize_t)octets.size;
}

ssize_t __wrap_send(int fd, const void *from, size_t size, int flags)
{
    struct wire *wire = find(fd);
    if (wire == NULL)
        return __real_send(fd, from, size, flags);
    law((flags & MSG_NOSIGNAL) != 0 && !wire->is_shut, "a write that could raise SIGPIPE");
    if (wire->reset)
        return fails(EPIPE);
    if (size > 0 && wire->room == 0)
        return fails(EAGAIN);
    struct slice piece = slice_make(from, size);
    piece = law_take(&piece, wire->room);
    if (wire->room != SIZE_MAX)
        wire->room -= piece.size;
    if (piece.size > 0)
        wire->owner->wrote(wire, piece);
    return (ssize_t)piece.size;
}

int __wrap_close(int fd)
{
    struct wire *wire = find(fd);
    if (wire == NULL)
        return __real_close(fd);
    wire->is_open = false;
    wire->owner->closed(wire);
    return 0;
}

int __wrap_shutdown(int fd, int how)
{
    struct wire *wire = find(fd);
    if (wire == NULL)
        return __real_shutdown(fd, how);
    wire->is_shut = true;
    return 0;
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    struct wire *wire = find(fd);
    if (wire == NULL)
        return __real_setsockopt(fd, level, name, value, size);
    if (level == SOL_SOCKET && name == SO_LINGER) {
        const struct linger *linger = value;
        wire->resets = linger->l_onoff != 0 && linger->l_linger == 0;
    }
    return 0;
}

/* -- the clock -- */

int64_t clock_ms(void)
{
    return now_ms;
}

int64_t clock_wall_us(void)
{
    return FIRST_WALL_US + (now_ms - FIRST_MS) * 1000;
}

time_t clock_wall(void)
{
    return (time_t)(clock_wall_us() / 1000000);
}

int64_t clock_deadline(int64_t wait_ms)
{
    return wait_ms > CLOCK_NEVER - now_ms ? CLOCK_NEVER : now_ms + wait_ms;
}

void wire_move_time(int64_t to_ms)
{
    if (to_ms > now_ms)
        now_ms = to_ms;
}

int64_t wire_now(void)
{
    return now_ms;
}

bool wire_time_has_passed(void)
{
    return now_ms > FIRST_MS;
}

static short ready(const struct wire *wire, short wanted)
{
    unsigned events = 0;
    if (wire_unread(wire) > 0 || wire->fin || wire->reset)
        events |= POLLIN;
    if (wire->fin || wire->reset)
        events |= POLLRDHUP;
    if (wire->room > 0 || wire->reset)
        events |= POLLOUT;
    events &= (unsigned)wanted;
    if (wire->reset)
        events |= POLLERR;
    if (wire->reset || (wire->fin && wire->is_shut))
        events |= POLLHUP;
    return (short)events;
}

static int look(struct pollfd *fds, nfds_t count)
{
    int found = 0;
    for (nfds_t i = 0; i < count; i++) {
        fds[i].revents = fds[i].fd < 0 ? 0 : ready(find(fds[i].fd), fds[i].events);
        found += fds[i].revents != 0;
    }
    return found;
}

/* Who waits asks for one descriptor first, and for its guests behind it (common/wait). */
int clock_poll(struct pollfd *fds, nfds_t count, int64_t deadline_ms)
{
    for (;;) {
        int found = look(fds, count);
        law(++waits < WAITS_MAX, "the session waits without end");
        if (found == 0 && now_ms >= deadline_ms && fds[0].fd >= 0)
            find(fds[0].fd)->owner->in_vain(find(fds[0].fd));
        if (found != 0 || now_ms >= deadline_ms)
            return found;
        law(pump != NULL, "a wait where there is nothing to wait for");
        pump(deadline_ms);
    }
}

/* Nobody else is there who could need the room. */
int clock_queue(int fd)
{
    (void)fd;
    return (int)fails(ENOSYS);
}

int clock_poll_queued(int place, struct pollfd *fds, nfds_t count, bool *woken_out, int64_t deadline_ms)
{
    (void)place;
    *woken_out = false;
    return clock_poll(fds, count, deadline_ms);
}

bool clock_let_doze(int fd)
{
    return find(fd) != NULL;
}

ssize_t clock_recv(int fd, void *at, size_t size)
{
    const struct wire *wire = find(fd);
    int64_t until_ms = now_ms + CLOCK_DOZE_MS;
    while (ready(wire, POLLIN) == 0) {
        law(++waits < WAITS_MAX, "the session waits without end");
        if (now_ms >= until_ms || pump == NULL)
            return fails(EAGAIN);
        pump(until_ms);
    }
    return recv(fd, at, size, 0);
}

/* Nothing connects here: inside's end is handed over (net_connect is wrapped). */
int clock_connect(int fd, const struct sockaddr *to, socklen_t size)
{
    (void)fd;
    (void)to;
    (void)size;
    return (int)fails(ECONNREFUSED);
}

/* There is no store here. */
bool clock_await_change(const _Atomic uint32_t *word, uint32_t seen, int64_t deadline_ms)
{
    (void)word;
    (void)seen;
    (void)deadline_ms;
    return false;
}

void clock_tell_change(_Atomic uint32_t *word)
{
    (void)word;
}
