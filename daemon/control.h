/* SPDX-License-Identifier: ISC
 *
 * control - the control socket: takes posternctl's connections, one request each, and answers or has it answered.
 *
 * The master never waits for who asks: descriptors are non-blocking, a request has CONTROL_REQUEST_MS to arrive,
 * answers of the master are short, listings are printed by a child that has dropped all privileges and is killed after
 * CONTROL_CHILD_MS, or CONTROL_LASTING_MS. At most CONTROL_CONNECTIONS_MAX at a time; more wait in the socket's queue.
 */
#ifndef POSTERN_DAEMON_CONTROL_H
#define POSTERN_DAEMON_CONTROL_H

#include <poll.h>

#include "daemon/bypass.h"
#include "daemon/house.h"
#include "daemon/legacy.h"
#include "daemon/listing.h"
#include "daemon/plan.h"

enum {
    CONTROL_CONNECTIONS_MAX = 16,
    CONTROL_FDS = CONTROL_CONNECTIONS_MAX + 1, /* that control_poll_fds may fill */
    CONTROL_REQUEST_MS = 10000
};

/* What posternctl is shown, and what its children see of the master: read only. */
struct control_view {
    struct house *house;
    const struct plan *plan;
    const struct generation *const *generations; /* the present one first, then those that drain */
    int generation_count;
    const char *state;  /* "serving", "reloading", "draining" .. */
    int64_t started_ms; /* clock_ms() */
    time_t started_wall;
    int64_t reloaded_ms;      /* the last good one; 0: none */
    int reloads;              /* good ones */
    const char *last_refusal; /* of the last reload that was refused; NULL: the last one was good */
    pid_t housekeeper;        /* 0: none */
    int housekeeper_restarts;
    pid_t storekeeper; /* 0: none */
    int storekeeper_restarts;
    uint64_t log_dropped; /* lines, by the master */
    const struct planner *planner;
    struct listing *listing;
    struct bypass *bypass;
};

/* What it asks of the master. */
struct control_host {
    void *context;
    void (*view)(void *context, struct control_view *out); /* valid until the master goes on */
    bool (*reload)(void *context);                         /* its end is told by control_reload_over; false: stopping */
    bool (*upgrade)(void *context);                        /* .. by control_upgrade_over */
    void (*stop)(void *context);                           /* the last thing of a step; does not close the control */
};

struct control; /* opaque */

/* Path, and who may use it: `group` NULL: mode 0600; else 0660 of that group. A directory that is missing is made, one
 * level. NULL with why. Before privileges are reduced. */
struct control *control_open(const char *path, const char *group, const struct control_host *host, char *why,
                             size_t why_size);
/* With all who have asked and wait, to the program that takes the place of this one (upgrade.h). Nothing is closed. */
void control_write(const struct control *control, struct legacy *to);
/* False: no memory. NULL where there was none; what else is wrong legacy_is_good says. */
bool control_read(struct control **control, struct legacy *from, const struct control_host *host);
/* A stop has begun: the socket moves aside to CONTROL_DRAINING, so that a new master can take the place, and whoever
 * asks is answered there until the end. NULL is fine. */
void control_yield(struct control *control);
void control_close(struct control **control); /* NULL is fine; also removes the socket */

/* NULL is fine in all of these: then there is no control socket. */
int control_poll_fds(const struct control *control, struct pollfd fds[CONTROL_FDS]); /* how many were filled */
int64_t control_next_ms(const struct control *control);                              /* look again at the latest then */
void control_step(struct control *control, int64_t now_ms); /* all that can be done without waiting */
/* Answers all who wait for it; a good one not those who came with control_read. */
void control_reload_over(struct control *control, bool good, const char *why);
/* An upgrade was refused, or has failed: answers all who wait for one. */
void control_upgrade_refused(struct control *control, const char *why);
/* .. was good: answers all who came with control_read and wait, for a reload as well. Those who asked since then wait
 * for one more. `before` is the version of the program that was there before. */
void control_upgrade_over(struct control *control, const char *before);
bool control_reaped(struct control *control, pid_t pid, int status); /* was it a child of ours? */

#endif
