/* SPDX-License-Identifier: ISC
 *
 * listen - the sockets of one listener, bound by the master and handed to its workers; nobody accepts here.
 *
 * A reload takes over what is bound already, whatever listener it belonged to: a copy of the same open socket, so that
 * no connection that waits in its backlog is lost. Not a path that cannot be reached any more.
 */
#ifndef POSTERN_DAEMON_LISTEN_H
#define POSTERN_DAEMON_LISTEN_H

#include "common/config.h"

enum { LISTEN_BACKLOG = 4096 };

struct listen_options {
    struct endpoint_list addresses;
};

extern const struct option listen_option_rows[]; /* fills struct listen_options */

struct listen_origin {
    struct endpoint at;
    bool inherited; /* the service manager's: stays open, and is never shut down */
};

struct listen_set {
    int *fds;
    struct listen_origin *origins; /* of each of them */
    int count;
};

struct listen_sets {
    const struct listen_set *items;
    int count;
};

/* The cross check, for the check of a block that has these options in it. */
bool listen_check_options(struct config *config, const void *block, const struct listen_options *options);

/* All addresses or none. `before` are those of the present configuration, and nothing waits then; NULL at the start:
 * an address that is taken is tried for a second. On false `why` says which one failed and of what; `set` is then
 * empty. */
bool listen_open(struct listen_set *set, const struct listen_options *options, const struct listen_sets *before,
                 char *why, size_t why_size);

/* Sockets that somebody with a copy has shut down. Linux allows TCP's to listen again; a path needs another socket, and
 * so workers who have that one: those that have the old one are woken by it without end. */
struct listen_loss {
    int reopened, lost;
    int lost_of_manager; /* of the lost: the service manager's, which nobody else can bind anew */
};

/* Opens again what can be opened; flag and length of the queue are as they were, too. */
struct listen_loss listen_restore(const struct listen_set *set);

/* No more connections, also where a worker still holds a copy: a new master can bind. Those that were waiting in the
 * backlog are reset. Not what the service manager gave, and not what one of `after` (may be NULL) has taken over. */
void listen_shutdown(const struct listen_set *set, const struct listen_sets *after);

void listen_close(struct listen_set *set);

#endif
