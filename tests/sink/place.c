/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/sink/place.h"

enum { BACKLOG = 4096 };

static const char UNIX_PREFIX[] = "unix:";

union place {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr_un local;
};

static bool parse_unix(const char *path, union place *out, socklen_t *size_out)
{
    if (*path != '/' || strlen(path) >= sizeof out->local.sun_path)
        return false;
    out->local.sun_family = AF_UNIX;
    memcpy(out->local.sun_path, path, strlen(path) + 1);
    *size_out = sizeof out->local;
    return true;
}

static bool parse_port(const char *text, in_port_t *out)
{
    char *end;
    long number = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || number > 65535)
        return false;
    *out = htons((uint16_t)number);
    return true;
}

static bool parse_ip(const char *text, union place *out, socklen_t *size_out)
{
    char host[INET6_ADDRSTRLEN + 2];
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return false;
    size_t size = (size_t)(colon - text);
    memcpy(host, text, size);
    host[size] = '\0';
    if (size > 2 && host[0] == '[' && host[size - 1] == ']') {
        host[size - 1] = '\0';
        out->v6.sin6_family = AF_INET6;
        *size_out = sizeof out->v6;
        return inet_pton(AF_INET6, host + 1, &out->v6.sin6_addr) == 1 && parse_port(colon + 1, &out->v6.sin6_port);
    }
    out->v4.sin_family = AF_INET;
    *size_out = sizeof out->v4;
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1 && parse_port(colon + 1, &out->v4.sin_port);
}

static bool parse(const char *address, union place *out, socklen_t *size_out)
{
    size_t prefix = sizeof UNIX_PREFIX - 1;
    memset(out, 0, sizeof *out);
    return strncmp(address, UNIX_PREFIX, prefix) == 0 ? parse_unix(address + prefix, out, size_out)
                                                      : parse_ip(address, out, size_out);
}

/* Accepted sockets inherit TCP_NODELAY: a reply never waits for an acknowledgement. */
static bool listen_at(int fd, const union place *place, socklen_t size)
{
    int yes = 1;
    if (place->any.sa_family == AF_UNIX)
        unlink(place->local.sun_path);
    else if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) < 0 ||
             setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) < 0)
        return false;
    return bind(fd, &place->any, size) == 0 && listen(fd, BACKLOG) == 0;
}

int place_listen(const char *address)
{
    union place place;
    socklen_t size;
    if (!parse(address, &place, &size)) {
        fprintf(stderr, "sink: %s: not 127.0.0.1:PORT, [::1]:PORT or unix:/path\n", address);
        return -1;
    }
    int fd = socket(place.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && listen_at(fd, &place, size))
        return fd;
    fprintf(stderr, "sink: %s: %s\n", address, strerror(errno));
    if (fd >= 0)
        close(fd);
    return -1;
}

void place_print(int listener, const char *address, char text[PLACE_TEXT_MAX])
{
    union place place;
    socklen_t size = sizeof place;
    char host[INET6_ADDRSTRLEN];
    memset(&place, 0, sizeof place);
    getsockname(listener, &place.any, &size);
    if (place.any.sa_family == AF_INET)
        snprintf(text, PLACE_TEXT_MAX, "%s:%d", inet_ntop(AF_INET, &place.v4.sin_addr, host, sizeof host),
                 ntohs(place.v4.sin_port));
    else if (place.any.sa_family == AF_INET6)
        snprintf(text, PLACE_TEXT_MAX, "[%s]:%d", inet_ntop(AF_INET6, &place.v6.sin6_addr, host, sizeof host),
                 ntohs(place.v6.sin6_port));
    else
        snprintf(text, PLACE_TEXT_MAX, "%s", address);
}
