/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/net.h"

enum { UNIX_RETRY_MS = 10 };

static const char ENDPOINT_FORMS[] = "write 192.0.2.1:25, [2001:db8::1]:25 or unix:/path (names are not looked up)";

static bool parse_unix(struct slice path, struct endpoint *out, const char **why_out)
{
    if (path.size == 0 || path.at[0] != '/' || path.size >= ENDPOINT_PATH_MAX || slice_has(path, '\0')) {
        *why_out = "a socket's path begins with / and has at most 107 octets";
        return false;
    }
    out->kind = ENDPOINT_UNIX;
    memcpy(out->path, path.at, path.size);
    return true;
}

static bool parse_port(struct slice text, uint16_t *out)
{
    uint64_t port;
    if (!slice_to_number(text, &port) || port == 0 || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

bool endpoint_parse(struct slice text, struct endpoint *out, const char **why_out)
{
    *out = (struct endpoint){0};
    *why_out = ENDPOINT_FORMS;
    if (slice_starts_nocase(text, "unix:")) {
        slice_drop(&text, sizeof("unix:") - 1);
        return parse_unix(text, out, why_out);
    }
    struct slice address;
    bool bracketed = text.size > 0 && text.at[0] == '[';
    if (bracketed) {
        slice_drop(&text, 1);
        if (!slice_has(text, ']'))
            return false;
        address = slice_take_until(&text, ']');
        if (text.size == 0 || text.at[0] != ':')
            return false;
        slice_drop(&text, 1);
    } else {
        if (!slice_has(text, ':'))
            return false;
        address = slice_take_until(&text, ':');
    }
    if (!ipaddr_parse(address, &out->address) || !parse_port(text, &out->port))
        return false;
    if (bracketed != slice_has(address, ':'))
        return false;
    out->kind = ENDPOINT_IP;
    return true;
}

void endpoint_print(const struct endpoint *e, char text[ENDPOINT_TEXT_MAX])
{
    char address[IPADDR_TEXT_MAX];
    switch (e->kind) {
    case ENDPOINT_IP:
        ipaddr_print(&e->address, address);
        snprintf(text, ENDPOINT_TEXT_MAX, e->address.family == 6 ? "[%s]:%u" : "%s:%u", address, e->port);
        break;
    case ENDPOINT_UNIX:
        snprintf(text, ENDPOINT_TEXT_MAX, "unix:%s", e->path);
        break;
    case ENDPOINT_NONE:
        snprintf(text, ENDPOINT_TEXT_MAX, "none");
        break;
    }
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    if (a->kind != b->kind)
        return false;
    if (a->kind == ENDPOINT_UNIX)
        return strcmp(a->path, b->path) == 0;
    return ipaddr_equal(&a->address, &b->address) && a->port == b->port;
}

static socklen_t to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (e->kind == ENDPOINT_UNIX) {
        struct sockaddr_un *un = (struct sockaddr_un *)out;
        un->sun_family = AF_UNIX;
        memcpy(un->sun_path, e->path, sizeof(e->path));
        return sizeof(*un);
    }
    if (e->address.family == 6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons(e->port);
        memcpy(&in6->sin6_addr, e->address.bytes, 16);
        return sizeof(*in6);
    }
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    in->sin_family = AF_INET;
    in->sin_port = htons(e->port);
    memcpy(&in->sin_addr, e->address.bytes, 4);
    return sizeof(*in);
}

static void from_in6(const struct sockaddr_in6 *in6, struct endpoint *out)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    out->kind = ENDPOINT_IP;
    out->port = ntohs(in6->sin6_port);
    if (memcmp(&in6->sin6_addr, mapped, sizeof(mapped)) == 0) {
        out->address.family = 4;
        memcpy(out->address.bytes, (const uint8_t *)&in6->sin6_addr + sizeof(mapped), 4);
        return;
    }
    out->address.family = 6;
    memcpy(out->address.bytes, &in6->sin6_addr, 16);
}

void endpoint_from_socket(const struct sockaddr_storage *from, socklen_t size, struct endpoint *out)
{
    *out = (struct endpoint){0};
    if (from->ss_family == AF_INET6) {
        from_in6((const struct sockaddr_in6 *)from, out);
    } else if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        out->kind = ENDPOINT_IP;
        out->port = ntohs(in->sin_port);
        out->address.family = 4;
        memcpy(out->address.bytes, &in->sin_addr, 4);
    } else if (from->ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (const struct sockaddr_un *)from;
        size_t offset = offsetof(struct sockaddr_un, sun_path);
        out->kind = ENDPOINT_UNIX;
        if (size > offset && un->sun_path[0] == '/')
            memcpy(out->path, un->sun_path, size - offset < ENDPOINT_PATH_MAX ? size - offset : ENDPOINT_PATH_MAX - 1);
    }
}

static int new_socket(const struct endpoint *e, int flags)
{
    int family = e->kind == ENDPOINT_UNIX ? AF_UNIX : e->address.family == 6 ? AF_INET6 : AF_INET;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    if (fd >= 0 && family != AF_UNIX) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

bool net_connected(int fd)
{
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
        return false;
    errno = error;
    return error == 0;
}

static enum io finish_connect(int fd, struct wait *wait, int64_t deadline_ms)
{
    enum io io = wait_for(wait, fd, POLLOUT, deadline_ms);
    if (io != IO_OK)
        return io;
    return net_connected(fd) ? IO_OK : IO_LOST;
}

/* A Unix socket whose backlog is full says EAGAIN, and no descriptor tells when it is not: asked again until then. */
static enum io start_connect(int fd, const struct endpoint *to, struct wait *wait, int64_t deadline_ms)
{
    struct sockaddr_storage address;
    socklen_t size = to_sockaddr(to, &address);
    while (clock_connect(fd, (const struct sockaddr *)&address, size) != 0) {
        if (errno == EINPROGRESS || (errno == EINTR && to->kind != ENDPOINT_UNIX))
            return finish_connect(fd, wait, deadline_ms);
        if (errno != EAGAIN && errno != EINTR)
            return IO_LOST;
        int64_t pause = clock_deadline(UNIX_RETRY_MS);
        enum io io = wait_for(wait, -1, 0, pause < deadline_ms ? pause : deadline_ms);
        if (io != IO_LATE || clock_ms() >= deadline_ms)
            return io;
    }
    return IO_OK;
}

/* Most servers are near: the kernel may wait for a short while, unless that is more than there is. */
enum io net_connect(const struct endpoint *to, struct wait *wait, int64_t deadline_ms, int *fd_out)
{
    bool dozing = wait_may_doze(wait, deadline_ms, clock_ms());
    int fd = new_socket(to, dozing ? 0 : SOCK_NONBLOCK);
    if (fd < 0)
        return IO_LOST;
    enum io io = start_connect(fd, to, wait, deadline_ms);
    if (io == IO_OK) {
        if (!dozing)
            fcntl(fd, F_SETFL, 0); /* its reads may wait (clock_recv) */
        *fd_out = fd;
        return IO_OK;
    }
    int error = errno;
    close(fd);
    errno = error;
    return io;
}

int net_connect_begin(const struct endpoint *to)
{
    struct sockaddr_storage address;
    socklen_t size = to_sockaddr(to, &address);
    int fd = new_socket(to, SOCK_NONBLOCK);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, size) == 0 || errno == EINPROGRESS)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* A socket's file that nobody listens at any more is in the way; one that somebody does is his. */
static bool remove_stale(const struct endpoint *at)
{
    struct stat old;
    struct sockaddr_storage address;
    socklen_t size = to_sockaddr(at, &address);
    if (lstat(at->path, &old) != 0 || !S_ISSOCK(old.st_mode))
        return true; /* bind will tell */
    int probe = new_socket(at, SOCK_NONBLOCK);
    if (probe < 0)
        return false;
    bool stale = connect(probe, (const struct sockaddr *)&address, size) != 0 && errno == ECONNREFUSED;
    close(probe);
    errno = EADDRINUSE;
    return stale && unlink(at->path) == 0;
}

static bool prepare_listener(int fd, const struct endpoint *at)
{
    int on = 1;
    if (at->kind == ENDPOINT_UNIX)
        return remove_stale(at);
    return setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
           (at->address.family != 6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0);
}

/* Whoever may reach port 25 may reach the socket; the directory is the place to say otherwise. By the umask: a change
 * of its mode afterwards would follow a link that somebody put in its place. */
static bool bind_for_all(int fd, const struct endpoint *at)
{
    struct sockaddr_storage address;
    socklen_t size = to_sockaddr(at, &address);
    mode_t before = umask(0777 & ~0666);
    bool bound = bind(fd, (const struct sockaddr *)&address, size) == 0;
    umask(before);
    return bound;
}

int net_listen(const struct endpoint *at, int backlog)
{
    int fd = new_socket(at, SOCK_NONBLOCK);
    if (fd < 0)
        return -1;
    if (prepare_listener(fd, at) && bind_for_all(fd, at) && listen(fd, backlog) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

int net_accept(int listener, struct endpoint *peer_out, struct endpoint *local_out)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    int fd = accept4(listener, (struct sockaddr *)&address, &size, SOCK_CLOEXEC);
    if (fd < 0)
        return -1;
    endpoint_from_socket(&address, size, peer_out);
    size = sizeof(address);
    *local_out = (struct endpoint){0};
    if (getsockname(fd, (struct sockaddr *)&address, &size) == 0)
        endpoint_from_socket(&address, size, local_out);
    return fd;
}

void net_narrow(int fd, int bytes)
{
    int error = errno;
    if (setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &bytes, sizeof(bytes)) != 0)
        errno = error;
}

bool net_ends(int fd, struct endpoint *own_out, struct endpoint *peer_out)
{
    struct sockaddr_storage own, peer;
    socklen_t own_size = sizeof(own), peer_size = sizeof(peer);
    if (getsockname(fd, (struct sockaddr *)&own, &own_size) != 0 ||
        getpeername(fd, (struct sockaddr *)&peer, &peer_size) != 0)
        return false;
    endpoint_from_socket(&own, own_size, own_out);
    endpoint_from_socket(&peer, peer_size, peer_out);
    return true;
}
