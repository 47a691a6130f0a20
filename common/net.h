/* SPDX-License-Identifier: ISC
 *
 * net - where sockets come from: endpoints, connecting under a deadline, listening.
 *
 * Endpoints are numbers or socket paths, never names: nothing here looks anything up. Descriptors are close-on-exec;
 * TCP ones have TCP_NODELAY (a proxy without it loses most of its rate to 40 ms stalls). Those of net_accept and
 * net_connect block, so that a read may wait by itself (clock_recv): whoever must not wait says so in each call
 * (MSG_DONTWAIT). All others are non-blocking.
 */
#ifndef POSTERN_COMMON_NET_H
#define POSTERN_COMMON_NET_H

#include <sys/socket.h>

#include "common/ipaddr.h"
#include "common/wait.h"

enum { ENDPOINT_TEXT_MAX = 128, ENDPOINT_PATH_MAX = 108 };

struct endpoint {
    enum { ENDPOINT_NONE, ENDPOINT_IP, ENDPOINT_UNIX } kind;
    struct ipaddr address;
    uint16_t port;
    char path[ENDPOINT_PATH_MAX]; /* ENDPOINT_UNIX; NUL-terminated */
};

/* "192.0.2.1:25", "[2001:db8::1]:25", "unix:/run/inside.sock". On false *why_out says what is allowed. */
bool endpoint_parse(struct slice text, struct endpoint *out, const char **why_out);
void endpoint_print(const struct endpoint *e, char text[ENDPOINT_TEXT_MAX]);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
void endpoint_from_socket(const struct sockaddr_storage *from, socklen_t size, struct endpoint *out);

/* A connected descriptor in *fd_out, or IO_LATE, IO_GONE (outside hung up meanwhile), IO_LOST with errno set. */
enum io net_connect(const struct endpoint *to, struct wait *wait, int64_t deadline_ms, int *fd_out) IO_MUST_USE;

/* For who waits for many at once: a descriptor that is connecting (or connected already), or -1 with errno. When it can
 * be written to, net_connected says how it went: false with errno. A Unix socket whose backlog is full is EAGAIN here.
 */
int net_connect_begin(const struct endpoint *to);
bool net_connected(int fd);

/* A listening descriptor, or -1 with errno. A Unix socket's file is replaced when nobody listens
 * at it any more; else EADDRINUSE. */
int net_listen(const struct endpoint *at, int backlog);

/* accept4 with peer and own endpoint; -1 with errno. */
int net_accept(int listener, struct endpoint *peer_out, struct endpoint *local_out);

/* From now on the peer may send so many octets ahead at most: it is slow then, whatever it does (TCP's window). Of
 * other sockets nothing changes. */
void net_narrow(int fd, int bytes);

/* The two ends of a connected socket. */
bool net_ends(int fd, struct endpoint *own_out, struct endpoint *peer_out);

#endif
