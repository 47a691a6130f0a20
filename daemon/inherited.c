/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/slice.h"

#include "daemon/inherited.h"
#include "daemon/listen.h"

enum { FIRST_FD = 3 };

/* A socket that was handed over. */
struct inherited {
    int fd; /* -1: closed, nobody asked for it */
    struct endpoint at;
    bool asked_for;
};

static struct inherited sockets[INHERITED_MAX];
static int socket_count;

/* -- the environment */

/* A number that is missing or no number is 0: then nothing was handed over to us. */
static uint64_t take_number(const char *variable)
{
    const char *text = getenv(variable);
    uint64_t number;
    bool is_number = text != NULL && slice_to_number(slice_of(text), &number);
    unsetenv(variable);
    return is_number ? number : 0;
}

/* How many were handed over to this process. A starter between the manager and us may have left the variables. */
static uint64_t take_count(void)
{
    uint64_t pid = take_number("LISTEN_PID");
    uint64_t count = take_number("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return pid == (uint64_t)getpid() ? count : 0;
}

/* -- one socket */

static bool __attribute__((format(printf, 3, 4))) refuse(char *why, size_t why_size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, why_size, format, arguments);
    va_end(arguments);
    return false;
}

static bool option_is(int fd, int level, int name, int wanted)
{
    int value = 0;
    socklen_t size = sizeof(value);
    return getsockopt(fd, level, name, &value, &size) == 0 && value == wanted;
}

static bool find_place(int fd, struct endpoint *at_out)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    if (getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return false;
    endpoint_from_socket(&address, size, at_out);
    return at_out->kind == ENDPOINT_IP || (at_out->kind == ENDPOINT_UNIX && at_out->path[0] == '/');
}

/* [::] that takes IPv4 as well. Refused: in postern.conf [::]:25 is IPv6 alone; 0.0.0.0:25 beside it could not be
 * bound, and without it IPv4 clients would come in where the configuration says that none do. A bound socket cannot be
 * changed any more. */
static bool is_dual_stack(int fd, const struct endpoint *at)
{
    static const struct ipaddr any = {.family = 6};
    return at->kind == ENDPOINT_IP && ipaddr_equal(&at->address, &any) && !option_is(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

/* As net_listen makes them. Workers share one listener: who was woken for a connection that is gone must not hang. */
static bool prepare(int fd, const struct endpoint *at)
{
    int on = 1;
    int flags = fcntl(fd, F_GETFL);
    if (at->kind == ENDPOINT_IP)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static struct inherited *find(const struct endpoint *at)
{
    for (int i = 0; i < socket_count; i++)
        if (sockets[i].fd >= 0 && endpoint_equal(&sockets[i].at, at))
            return &sockets[i];
    return NULL;
}

static bool look_at(struct inherited *socket, char *why, size_t why_size)
{
    char text[ENDPOINT_TEXT_MAX];
    if (fcntl(socket->fd, F_SETFD, FD_CLOEXEC) != 0)
        return refuse(why, why_size, "descriptor %d, handed over by LISTEN_FDS: %s", socket->fd, strerror(errno));
    if (!option_is(socket->fd, SOL_SOCKET, SO_TYPE, SOCK_STREAM) ||
        !option_is(socket->fd, SOL_SOCKET, SO_ACCEPTCONN, 1) || !find_place(socket->fd, &socket->at))
        return refuse(why, why_size,
                      "descriptor %d, handed over by LISTEN_FDS, is no listening stream socket of IPv4, IPv6 or a path",
                      socket->fd);
    endpoint_print(&socket->at, text);
    if (is_dual_stack(socket->fd, &socket->at))
        return refuse(why, why_size, "the socket handed over at %s takes IPv4, too: BindIPv6Only=ipv6-only", text);
    if (find(&socket->at) != NULL)
        return refuse(why, why_size, "two sockets were handed over at %s", text);
    if (!prepare(socket->fd, &socket->at))
        return refuse(why, why_size, "the socket handed over at %s: %s", text, strerror(errno));
    return true;
}

/* -- all of them */

static bool add(int fd, char *why, size_t why_size)
{
    struct inherited taken = {.fd = fd};
    if (!look_at(&taken, why, why_size))
        return false;
    sockets[socket_count++] = taken;
    return true;
}

bool inherited_take(char *why, size_t why_size)
{
    uint64_t count = take_count();
    socket_count = 0;
    if (count > INHERITED_MAX)
        return refuse(why, why_size, "%llu sockets were handed over, at most %d are possible",
                      (unsigned long long)count, INHERITED_MAX);
    for (int i = 0; i < (int)count; i++)
        if (!add(FIRST_FD + i, why, why_size))
            return false;
    return true;
}

void inherited_write(struct legacy *to)
{
    for (int i = 0; i < socket_count; i++) {
        if (sockets[i].fd < 0)
            continue;
        legacy_begin(to, "inherited");
        legacy_put_fd(to, "fd", sockets[i].fd);
        legacy_end(to);
    }
}

bool inherited_read(struct legacy *from, char *why, size_t why_size)
{
    struct legacy_record r = {0};
    socket_count = 0;
    while (socket_count < INHERITED_MAX && legacy_next(from, "inherited", &r)) {
        int fd = legacy_fd(&r, "fd");
        if (fd >= 0 && !option_is(fd, SOL_SOCKET, SO_ACCEPTCONN, 1))
            listen(fd, LISTEN_BACKLOG); /* a worker can shut it down, but shall not keep us from beginning */
        if (fd >= 0 && !add(fd, why, why_size))
            return false;
    }
    return true;
}

int inherited_find(const struct endpoint *at)
{
    struct inherited *found = find(at);
    if (found == NULL)
        return -1;
    found->asked_for = true;
    return found->fd;
}

int inherited_count(void)
{
    int open = 0;
    for (int i = 0; i < socket_count; i++)
        open += sockets[i].fd >= 0;
    return open;
}

int inherited_close_unused(void)
{
    int closed = 0;
    for (int i = 0; i < socket_count; i++) {
        if (sockets[i].fd < 0 || sockets[i].asked_for)
            continue;
        close(sockets[i].fd);
        sockets[i].fd = -1;
        closed++;
    }
    return closed;
}
