/* SPDX-License-Identifier: ISC
 *
 * listen - the sockets of one listener, bound by the master and handed to its workers; nobody accepts here.
 */
#ifndef POSTERN_DAEMON_LISTEN_H
#define POSTERN_DAEMON_LISTEN_H

#include "common/config.h"

enum { LISTEN_BACKLOG = 4096 };

struct listen_options {
    struct endpoint_list addresses;
};

extern const struct option listen_option_rows[]; /* fills struct listen_options */

struct listen_set {
    int *fds;
    int count;
};

/* The cross check, for the check of a block that has these options in it. */
bool listen_check_options(struct config *config, const void *block, const struct listen_options *options);

/* All addresses or none; one that is taken is tried for a second. On false `why` says which one failed and of what;
 * `set` is then empty. */
bool listen_open(struct listen_set *set, const struct listen_options *options, char *why, size_t why_size);

/* Opens again what somebody with a copy has shut down, which Linux allows for TCP: how many these were. */
int listen_restore(const struct listen_set *set);

/* No more connections, also where a worker still holds a copy: a new master can bind. Those that were waiting in the
 * backlog are reset. */
void listen_shutdown(const struct listen_set *set);

void listen_close(struct listen_set *set);

#endif
