/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/talk/end.h"

static void octets_add(struct octets *o, struct slice more)
{
    if (o->capacity - o->size < more.size) {
        o->capacity = (o->size + more.size) * 2;
        o->at = realloc(o->at, o->capacity);
        if (!o->at)
            abort();
    }
    if (more.size)
        memcpy(o->at + o->size, more.at, more.size);
    o->size += more.size;
}

static void octets_drop(struct octets *o, size_t count)
{
    memmove(o->at, o->at + count, o->size - count);
    o->size -= count;
}

void end_open(struct end *end, int fd, const char *hears_mark, const char *says_mark)
{
    *end = (struct end){.fd = fd, .hears_mark = hears_mark, .says_mark = says_mark};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void end_clear(struct end *end)
{
    end_close(end);
    free(end->heard.at);
    free(end->unsaid.at);
    *end = (struct end){.fd = -1};
}

void end_say(struct end *end, struct slice octets)
{
    octets_add(&end->unsaid, octets);
}

static bool say(struct end *end, struct report *report)
{
    size_t piece = end->cut && end->cut < end->unsaid.size ? end->cut : end->unsaid.size;
    ssize_t size = send(end->fd, end->unsaid.at, piece, MSG_NOSIGNAL);
    if (size > 0) {
        report_octets(report, end->says_mark, slice_make(end->unsaid.at, (size_t)size));
        octets_drop(&end->unsaid, (size_t)size);
        return true;
    }
    if (errno == EAGAIN)
        return false;
    report_event(report, end->says_mark, "(said to a closed connection)");
    end->unsaid.size = 0;
    return false;
}

static bool hear(struct end *end, struct report *report)
{
    char octets[65536];
    ssize_t size = recv(end->fd, octets, sizeof octets, 0);
    if (size > 0) {
        struct slice heard = slice_make(octets, (size_t)size);
        octets_add(&end->heard, heard);
        report_octets(report, end->hears_mark, heard);
        return true;
    }
    if (size < 0 && errno == EAGAIN)
        return false;
    end->ended = true;
    report_event(report, end->hears_mark, "(the session closed the connection)");
    if (end->follows)
        end_close(end);
    return true;
}

void end_say_all(struct end *end, struct report *report)
{
    while (end->unsaid.size > 0 && say(end, report))
        continue;
}

bool end_move(struct end *end, struct report *report)
{
    bool moved = false;
    if (end->fd < 0)
        return false;
    if (end->unsaid.size > 0)
        moved = say(end, report);
    while (!end->deaf && !end->ended && hear(end, report))
        moved = true;
    return moved;
}

struct slice end_unheard(const struct end *end)
{
    return slice_make(end->heard.at ? end->heard.at + end->taken : "", end->heard.size - end->taken);
}

void end_take(struct end *end, size_t size)
{
    end->taken += size;
}

void end_close(struct end *end)
{
    if (end->fd >= 0)
        close(end->fd);
    end->fd = -1;
}

void end_half_close(struct end *end)
{
    shutdown(end->fd, SHUT_WR);
    end->half_closed = true;
}

void end_reset(struct end *end, int session_fd)
{
    ssize_t size = send(session_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)size; /* a session that is gone already needs no reset */
    end_close(end);
}
