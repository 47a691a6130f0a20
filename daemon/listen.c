/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/worker_setup.h"

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

static bool open_one(struct listen_set *set, const struct endpoint *at, char *why, size_t why_size)
{
    int fd = listen_patiently(at);
    if (fd < 0) {
        char address[ENDPOINT_TEXT_MAX];
        int error = errno;
        endpoint_print(at, address);
        snprintf(why, why_size, "cannot listen on %s: %s", address, strerror(error));
        return false;
    }
    set->fds[set->count++] = fd;
    return true;
}

bool listen_open(struct listen_set *set, const struct listen_options *options, char *why, size_t why_size)
{
    size_t count = options->addresses.count;
    *set = (struct listen_set){.fds = calloc(count > 0 ? count : 1, sizeof(int))};
    if (set->fds == NULL) {
        snprintf(why, why_size, "cannot listen: %s", strerror(errno));
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (!open_one(set, &options->addresses.items[i], why, why_size)) {
            listen_close(set);
            return false;
        }
    }
    return true;
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof(listening);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening != 0;
}

int listen_restore(const struct listen_set *set)
{
    int closed = 0;
    for (int i = 0; i < set->count; i++) {
        if (is_listening(set->fds[i]))
            continue;
        listen(set->fds[i], LISTEN_BACKLOG);
        closed++;
    }
    return closed;
}

void listen_shutdown(const struct listen_set *set)
{
    for (int i = 0; i < set->count; i++)
        shutdown(set->fds[i], SHUT_RDWR);
}

void listen_close(struct listen_set *set)
{
    for (int i = 0; i < set->count; i++)
        close(set->fds[i]);
    free(set->fds);
    *set = (struct listen_set){0};
}
