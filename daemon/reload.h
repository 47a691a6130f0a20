/* SPDX-License-Identifier: ISC
 *
 * reload - from the wish for another configuration to the plan that it comes down to.
 *
 * A child reads and checks everything first, while the master goes on serving: what takes for ever, crashes or eats
 * memory there costs nothing but the child. Only what it found good does the master read itself. Wishes that come
 * meanwhile become one, after it. A renewal (the same configuration, its certificates read anew) is what files that
 * changed ask for, by way of the housekeeper, who may not be trusted: it begins only when one of them has changed
 * indeed, and RELOAD_RENEW_PAUSE_MS bounds what that costs. One that was refused is tried again when they change once
 * more (the key follows its certificate), or after RELOAD_RETRY_MS: what was wrong may not have been theirs. A listener
 * that a worker has shut down for good asks for one, too.
 */
#ifndef POSTERN_DAEMON_RELOAD_H
#define POSTERN_DAEMON_RELOAD_H

#include <sys/types.h>

#include "daemon/plan.h"

enum { RELOAD_WHY_MAX = 1024, RELOAD_CHECK_MS = 30000, RELOAD_RENEW_PAUSE_MS = 10000, RELOAD_RETRY_MS = 600000 };

#define RELOAD_CHILD_NAME "posternd-check"

enum reload_by { RELOAD_BY_SIGNAL, RELOAD_BY_CONTROL, RELOAD_BY_FILE, RELOAD_BY_LISTENER };

/* Several who wish the same are one wish. */
struct reload_wish {
    bool any;
    bool renewal;    /* nobody wants more than that */
    bool by_control; /* somebody waits for its end at the control socket */
    enum reload_by by;
};

enum reload_news { RELOAD_NOTHING, RELOAD_GOOD, RELOAD_BAD };

struct reload {
    const struct planner *planner;
    struct reload_wish next, running;
    pid_t child, dying; /* 0: none. What was killed is waited for before there is another. */
    int why_fd;
    int64_t until_ms; /* when the child is killed */
    int64_t renew_after_ms;
    uint64_t mark;    /* of the watched files, when the last renewal began (watch_mark) */
    int64_t retry_ms; /* it was refused: when it is tried again though they are the same; else CLOCK_NEVER */
    bool waits;       /* it was said that it does */
    enum reload_news news;
    char why[RELOAD_WHY_MAX]; /* of the last one; empty: it was good */
};

void reload_open(struct reload *reload, const struct planner *planner);
void reload_ask(struct reload *reload, enum reload_by by);
bool reload_is_running(const struct reload *reload);

/* Begins what is wished for when there is room for another generation, and kills a child that takes too long. When to
 * look again at the latest. */
int64_t reload_look(struct reload *reload, const struct plan *present, bool room, int64_t now_ms);
bool reload_reaped(struct reload *reload, pid_t pid, int status); /* was it ours? */
/* What the child found, once; then the master goes on (reload_plan) or not, and says how it ended (reload_over). */
enum reload_news reload_take_news(struct reload *reload);
struct plan *reload_plan(const struct reload *reload, const struct plan *present, char *why, size_t why_size);
/* `why` NULL: it was good, and `generation` serves now. True when nobody at the control socket waits for a later one.
 */
bool reload_over(struct reload *reload, uint32_t generation, const char *why);

/* No more of that: the master stops. */
void reload_stop(struct reload *reload);

#endif
