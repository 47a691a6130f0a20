/* SPDX-License-Identifier: ISC
 *
 * planning - from a configuration to the master's plan: what each listener's workers are given, TLS contexts, inside
 * servers, files to watch.
 *
 * The planner that the master asks (plan.h). Knows both sides, as settings.h does.
 */
#ifndef POSTERN_DAEMON_PLANNING_H
#define POSTERN_DAEMON_PLANNING_H

#include "daemon/places.h"
#include "daemon/plan.h"

struct settings;

struct planning {
    const char *path;
    const struct block *root;
    const struct text_list *overrides;
    bool log_to_stderr;       /* whatever the file says */
    struct places places;     /* of inside servers, over all plans that live */
    struct settings *running; /* what the process began with; NULL: not yet */
};

struct planner planning_planner(struct planning *planning);

/* From now on what the process cannot change while it runs must be as in this plan. */
void planning_settle(struct planning *planning, const struct plan *plan);
void planning_clear(struct planning *planning);

#endif
