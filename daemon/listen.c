/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/worker_setup.h"

#include "daemon/inherited.h"
#include "daemon/listen.h"

enum { TAKEN_PATIENCE_MS = 1000, TAKEN_PAUSE_MS = 20 };

const struct option listen_option_rows[] = {
    {.name = "address",
     .type = OPTION_ENDPOINTS,
     .offset = offsetof(struct listen_options, addresses),
     .meaning = "Where connections are taken: 0.0.0.0:25, [::]:25 (IPv6 only), unix:/path; one or a list.",
     .required = true},
    {0},
};

bool listen_check_options(struct config *config, const void *block, const struct listen_options *options)
{
    if (options->addresses.count <= WORKER_LISTENERS_MAX)
        return true;
    return config_refuse(config, block, "address", "%zu addresses; one listener takes at most %d",
                         options->addresses.count, WORKER_LISTENERS_MAX);
}

/* Workers of a master that was killed hold its sockets for some more milliseconds. */
static int listen_patiently(const struct endpoint *at)
{
    int64_t deadline_ms = clock_deadline(TAKEN_PATIENCE_MS);
    int fd;
    while ((fd = net_listen(at, LISTEN_BACKLOG)) < 0 && errno == EADDRINUSE && clock_ms() < deadline_ms)
        clock_poll(NULL, 0, clock_deadline(TAKEN_PAUSE_MS));
    return fd;
}

/* SO_ACCEPTCONN does not tell of a path's. */
static bool is_shut(int fd)
{
    struct pollfd hangup = {.fd = fd};
    return clock_poll(&hangup, 1, 0) > 0 && (hangup.revents & POLLHUP) != 0;
}

/* A socket whose file somebody removed, or which was shut down, cannot be reached any more. */
static bool is_reachable(int fd, const struct endpoint *at)
{
    return at->kind != ENDPOINT_UNIX || (access(at->path, F_OK) == 0 && !is_shut(fd));
}

/* A copy of what listens there already. */
static bool take_over(const struct listen_sets *before, const struct endpoint *at, int *fd_out,
                      struct listen_origin *origin_out)
{
    for (int i = 0; i < before->count; i++) {
        const struct listen_set *set = &before->items[i];
        for (int j = 0; j < set->count; j++) {
            if (!endpoint_equal(&set->origins[j].at, at) || !is_reachable(set->fds[j], at))
                continue;
            *origin_out = set->origins[j];
            *fd_out = fcntl(set->fds[j], F_DUPFD_CLOEXEC, 0);
            return true;
        }
    }
    return false;
}

/* -1 with errno. */
static int open_fd(const struct endpoint *at, const struct listen_sets *before, struct listen_origin *origin_out)
{
    int fd = inherited_find(at);
    *origin_out = (struct listen_origin){.at = *at, .inherited = fd >= 0};
    if (fd >= 0)
        return fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (before == NULL)
        return listen_patiently(at);
    return take_over(before, at, &fd, origin_out) ? fd : net_listen(at, LISTEN_BACKLOG);
}

/* An address of ours that is in the way of another: a wildcard, mostly. NULL: none is. */
static const struct endpoint *find_rival(const struct listen_sets *before, const struct endpoint *at)
{
    for (int i = 0; before != NULL && i < before->count; i++) {
        const struct listen_set *set = &before->items[i];
        for (int j = 0; j < set->count; j++) {
            const struct endpoint *own = &set->origins[j].at;
            if (own->kind == ENDPOINT_IP && at->kind == ENDPOINT_IP && own->port == at->port &&
                own->address.family == at->address.family)
                return own;
        }
    }
    return NULL;
}

static void explain(int error, const struct endpoint *at, const struct listen_sets *before, char *why, size_t why_size)
{
    char address[ENDPOINT_TEXT_MAX], other[ENDPOINT_TEXT_MAX];
    const struct endpoint *rival = error == EADDRINUSE ? find_rival(before, at) : NULL;
    endpoint_print(at, address);
    if (rival == NULL) {
        snprintf(why, why_size, "cannot listen on %s: %s", address, strerror(error));
        return;
    }
    endpoint_print(rival, other);
    snprintf(why, why_size, "cannot listen on %s while this gate still listens on %s: restart posternd", address,
             other);
}

static bool open_one(struct listen_set *set, const struct endpoint *at, const struct listen_sets *before, char *why,
                     size_t why_size)
{
    int fd = open_fd(at, before, &set->origins[set->count]);
    if (fd < 0) {
        explain(errno, at, before, why, why_size);
        return false;
    }
    set->fds[set->count++] = fd;
    return true;
}

bool listen_open(struct listen_set *set, const struct listen_options *options, const struct listen_sets *before,
                 char *why, size_t why_size)
{
    size_t count = options->addresses.count, room = count > 0 ? count : 1;
    *set = (struct listen_set){calloc(room, sizeof(*set->fds)), calloc(room, sizeof(*set->origins)), 0};
    bool open = set->fds != NULL && set->origins != NULL;
    if (!open)
        snprintf(why, why_size, "cannot listen: %s", strerror(errno));
    for (size_t i = 0; open && i < count; i++)
        open = open_one(set, &options->addresses.items[i], before, why, why_size);
    if (!open)
        listen_close(set);
    return open;
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof(listening);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

/* A worker can change these for all who hold a copy: they would wait in accept for ever, and few could queue. How many
 * may where the service manager made the socket is its own business. */
static void put_right(int fd, const struct listen_origin *origin)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK) == 0)
        fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    if (!origin->inherited)
        listen(fd, LISTEN_BACKLOG);
}

struct listen_loss listen_restore(const struct listen_set *set)
{
    struct listen_loss loss = {0};
    for (int i = 0; i < set->count; i++) {
        const struct listen_origin *origin = &set->origins[i];
        bool lost = origin->at.kind == ENDPOINT_UNIX && is_shut(set->fds[i]);
        loss.lost += lost;
        loss.lost_of_manager += lost && origin->inherited;
        if (lost)
            continue;
        if (!is_listening(set->fds[i])) {
            listen(set->fds[i], LISTEN_BACKLOG);
            loss.reopened++;
        }
        put_right(set->fds[i], origin);
    }
    return loss;
}

/* Copies of one socket are the same file. What cannot be told apart is taken for the same: it would be shut down
 * otherwise, and with it a port that goes on being served. */
static bool is_same(int a, int b)
{
    struct stat one, other;
    return fstat(a, &one) != 0 || fstat(b, &other) != 0 || (one.st_dev == other.st_dev && one.st_ino == other.st_ino);
}

static bool is_taken_over(int fd, const struct listen_sets *after)
{
    for (int i = 0; after != NULL && i < after->count; i++)
        for (int j = 0; j < after->items[i].count; j++)
            if (is_same(fd, after->items[i].fds[j]))
                return true;
    return false;
}

void listen_shutdown(const struct listen_set *set, const struct listen_sets *after)
{
    for (int i = 0; i < set->count; i++)
        if (!set->origins[i].inherited && !is_taken_over(set->fds[i], after))
            shutdown(set->fds[i], SHUT_RDWR);
}

void listen_close(struct listen_set *set)
{
    for (int i = 0; i < set->count; i++)
        close(set->fds[i]);
    free(set->fds);
    free(set->origins);
    *set = (struct listen_set){0};
}
