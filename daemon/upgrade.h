/* SPDX-License-Identifier: ISC
 *
 * upgrade - another program in the place of this one, in the same process: the master executes the file that lies where
 * its own program lay, and leaves it all it has (estate.h).
 *
 * Before that a child tries: this program must find the configuration good, since it may have to come back (wayback.h),
 * and then the new one, executed there, must understand configuration and legacy, both within UPGRADE_TRIAL_MS. What
 * fails there costs nothing but the child. Whoever connects meanwhile is served by the workers that there are, who do
 * not notice any of it; the new program then lets workers of its own take their place, as a reload does.
 */
#ifndef POSTERN_DAEMON_UPGRADE_H
#define POSTERN_DAEMON_UPGRADE_H

#include <sys/stat.h>

#include "daemon/legacy.h"
#include "daemon/plan.h"
#include "daemon/program.h"

enum { UPGRADE_WHY_MAX = 1024, UPGRADE_TRIAL_MS = 10000 };

#define UPGRADE_CHILD_NAME "posternd-trial"

enum upgrade_news { UPGRADE_NOTHING, UPGRADE_TRIED, UPGRADE_REFUSED };

struct upgrade {
    const struct program *program;
    const struct planner *planner;
    bool wished, running;
    pid_t child, dying; /* 0: none. What was killed is waited for before there is another. */
    int said_fd;        /* what the child says */
    struct stat tried;  /* the file that is tried */
    int64_t until_ms;   /* when it is killed */
    enum upgrade_news news;
    char why[UPGRADE_WHY_MAX];
};

void upgrade_open(struct upgrade *upgrade, const struct program *program, const struct planner *planner);
void upgrade_ask(struct upgrade *upgrade);
bool upgrade_is_wished(const struct upgrade *upgrade); /* and not begun */
bool upgrade_is_running(const struct upgrade *upgrade);

/* The child, which is left this legacy to try with. */
void upgrade_begin(struct upgrade *upgrade, const struct legacy *legacy, int64_t now_ms);
/* Kills a child that takes too long. When to look again at the latest. */
int64_t upgrade_look(struct upgrade *upgrade, int64_t now_ms);
bool upgrade_reaped(struct upgrade *upgrade, pid_t pid, int status); /* was it ours? */
enum upgrade_news upgrade_take_news(struct upgrade *upgrade);        /* once; then upgrade_execute, or upgrade_over */
/* Comes back only when it failed: false with why, and all is as before. */
bool upgrade_execute(const struct upgrade *upgrade, const struct legacy *legacy, char *why, size_t why_size);
void upgrade_over(struct upgrade *upgrade);
void upgrade_stop(struct upgrade *upgrade); /* no more of that: the master stops */

#endif
