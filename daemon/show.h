/* SPDX-License-Identifier: ISC
 *
 * show - the listings for posternctl, and everything else that takes its time: answered by a child of the master's own,
 * so that the master waits for nobody.
 *
 * The child has the connection, reads the scoreboard (ROLE_READER) and a copy of what the master knows, and has dropped
 * all privileges; the one for `check` keeps the right to read root's files, and sees no scoreboard; the one for
 * `explain` goes on into a worker's sandbox, with code of the workers', and hears name servers; so do those for
 * `greylist`, `reputation` and `store`, which read the memory on disk. It ends by itself within show_most_ms. What
 * slots say is rumour: clamped by slot_read, escaped where it is printed.
 */
#ifndef POSTERN_DAEMON_SHOW_H
#define POSTERN_DAEMON_SHOW_H

#include "common/control.h"

#include "daemon/control.h"

/* Who asked. */
struct show_asker {
    int fd;
    int number;          /* of no other that there is, less than CONTROL_CONNECTIONS_MAX */
    struct slice behind; /* what he said behind his request */
};

/* How long it may take. */
int64_t show_most_ms(const struct control_request *request);
/* The child's pid, or -1 with errno. */
pid_t show_in_child(const struct control_view *view, const struct control_request *request,
                    const struct show_asker *asker);

#endif
