/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/talk/sides.h"

enum { BACKLOG = 8, SESSION_FDS_MAX = 1024 };

static struct sockaddr_un server_address(const struct sides *sides, int server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int size = snprintf(address.sun_path, sizeof address.sun_path, "%s/%d", sides->directory, server);
    if (size < 0 || (size_t)size >= sizeof address.sun_path)
        report_fail(sides->report, "%s is too long a path", sides->directory);
    return address;
}

static int listen_at(const struct sides *sides, int server)
{
    struct sockaddr_un address = server_address(sides, server);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, BACKLOG) < 0)
        report_fail(sides->report, "listen at %s: %s", address.sun_path, strerror(errno));
    return fd;
}

void sides_open(struct sides *sides, const struct script *script, const char *directory, size_t cut,
                struct report *report)
{
    *sides = (struct sides){.directory = directory, .report = report, .server_count = script->server_count};
    snprintf(sides->certificates, sizeof sides->certificates, "%s/certificates", directory);
    sides->outside.fd = -1;
    sides->cut = cut;
    for (int i = 0; i < script->server_count; i++)
        sides->listeners[i] = script->refuses[i] ? -1 : listen_at(sides, i + 1);
}

void sides_close(struct sides *sides)
{
    end_clear(&sides->outside);
    secure_ticket_free(&sides->ticket);
    for (int i = 0; i < sides->inside_count; i++)
        end_clear(&sides->inside[i]);
    for (int i = 0; i < sides->server_count; i++) {
        struct sockaddr_un address = server_address(sides, i + 1);
        unlink(address.sun_path);
        if (sides->listeners[i] >= 0)
            close(sides->listeners[i]);
    }
}

int sides_connect_outside(struct sides *sides)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        report_fail(sides->report, "socketpair: %s", strerror(errno));
    end_clear(&sides->outside);
    end_open(&sides->outside, pair[0], "O<", "O>");
    sides->outside.follows = true;
    sides->outside.cut = sides->cut;
    sides->outside_session_fd = pair[1];
    return pair[1];
}

/* Those that are over and dealt with make room. */
static void forget_finished(struct sides *sides)
{
    int kept = 0;
    for (int i = 0; i < sides->inside_count; i++) {
        struct end *end = &sides->inside[i];
        if ((end->ended || end->fd < 0) && end_unheard(end).size == 0) {
            end_clear(end);
            continue;
        }
        sides->inside[kept] = *end;
        sides->witness[kept++] = sides->witness[i];
    }
    sides->inside_count = kept;
}

bool sides_accept(struct sides *sides, int server)
{
    int fd = accept4(sides->listeners[server - 1], NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    forget_finished(sides);
    if (sides->inside_count == INSIDE_CONNECTIONS_MAX)
        report_fail(sides->report, "too many inside connections at once");
    end_open(&sides->inside[sides->inside_count], fd, "I>", "I<");
    sides->inside[sides->inside_count].server = server;
    sides->inside[sides->inside_count].cut = sides->cut;
    sides->witness[sides->inside_count++] = (struct witness){WITNESS_COMMANDS};
    report_event(sides->report, "I", "connect %d", server);
    return true;
}

int sides_unaccepted(const struct sides *sides)
{
    for (int i = 0; i < sides->server_count; i++) {
        struct pollfd listener = {.fd = sides->listeners[i], .events = POLLIN};
        if (poll(&listener, 1, 0) == 1)
            return i + 1;
    }
    return 0;
}

struct end *sides_inside(struct sides *sides)
{
    return sides->inside_count ? &sides->inside[sides->inside_count - 1] : NULL;
}

void sides_begin_data(struct sides *sides)
{
    if (sides->inside_count)
        witness_begin_data(&sides->witness[sides->inside_count - 1]);
}

bool sides_in_data(const struct sides *sides)
{
    return sides->inside_count && witness_in_data(&sides->witness[sides->inside_count - 1]);
}

int sides_session_fd(const struct sides *sides)
{
    const struct end *end = sides->inside_count ? &sides->inside[sides->inside_count - 1] : NULL;
    if (!end || end->ended)
        return -1;
    struct sockaddr_un wanted = server_address(sides, end->server);
    for (int fd = SESSION_FDS_MAX; fd >= 0; fd--) {
        struct sockaddr_un peer = {0};
        socklen_t size = sizeof peer;
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sun_family == AF_UNIX &&
            strcmp(peer.sun_path, wanted.sun_path) == 0)
            return fd;
    }
    return -1;
}

static bool move_inside(struct sides *sides, int i)
{
    struct end *end = &sides->inside[i];
    size_t before = end->heard.size;
    bool moved = end_move(end, sides->report);
    struct slice news = slice_make(end->heard.at ? end->heard.at + before : "", end->heard.size - before);
    const char *wrong = witness_feed(&sides->witness[i], news);
    if (wrong)
        report_fail(sides->report, "%s", wrong);
    return moved;
}

bool sides_move(struct sides *sides)
{
    bool moved = end_move(&sides->outside, sides->report);
    for (int i = 0; i < sides->inside_count; i++)
        moved = move_inside(sides, i) || moved;
    return moved;
}
