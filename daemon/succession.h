/* SPDX-License-Identifier: ISC
 *
 * succession - the present generation, and those before it whose sessions still go on.
 *
 * A generation that is succeeded lets nobody in any more; its idle workers leave, busy ones finish. At retire_timeout
 * they get WORKER_CUT_SIGNAL, and a second later SIGKILL. When its last worker is gone, its plan is dropped.
 */
#ifndef POSTERN_DAEMON_SUCCESSION_H
#define POSTERN_DAEMON_SUCCESSION_H

#include "daemon/plan.h"

enum { SUCCESSION_DRAINING_MAX = 16, SUCCESSION_CUT_GRACE_MS = 1000 };

struct succession {
    const struct planner *planner;
    struct generation *present;                           /* NULL: not begun */
    struct generation *draining[SUCCESSION_DRAINING_MAX]; /* the latest first */
    int draining_count;
    uint32_t last_number;
};

/* The first one; workers are forked later (generation_look). The plan is the succession's from now on, also after
 * false, which comes with why. */
bool succession_begin(struct succession *s, struct house *house, struct plan *plan, char *why, size_t why_size);

bool succession_has_room(const struct succession *s); /* for one more that drains */

/* The next one: it has workers before the present one is dismissed. The plan as above. False with why: nothing has
 * changed. Only where there is room. */
bool succession_change(struct succession *s, struct house *house, struct plan *plan, int64_t now_ms, char *why,
                       size_t why_size);

/* Would the next one open? It is, down to its sockets, and closed again: no worker, and nothing has changed. The plan
 * is gone. */
bool succession_rehearse(struct succession *s, const struct house *house, struct plan *plan, char *why,
                         size_t why_size);

/* succession_change in two steps. The next one is opened and has workers; the present one goes on, and is the present
 * one. NULL: as false. */
struct generation *succession_prepare(struct succession *s, struct house *house, struct plan *plan, int64_t now_ms,
                                      char *why, size_t why_size);
void succession_switch(struct succession *s, struct generation *next, int64_t now_ms);

/* Does nobody of those before wait for a client any more? By what they say themselves: rumour. */
bool succession_is_settled(const struct succession *s, const struct house *house);

struct generation *succession_find(const struct succession *s, uint32_t number); /* NULL: gone */

/* Cuts what is too late and forgets who is gone; when to look again at the latest. */
int64_t succession_look(struct succession *s, struct house *house, int64_t now_ms);

void succession_close(struct succession *s);

#endif
