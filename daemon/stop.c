/* SPDX-License-Identifier: ISC */
#include <signal.h>

#include "common/clock.h"
#include "common/log.h"

#include "daemon/spawn.h"
#include "daemon/stop.h"

enum {
    CUT_GRACE_MS = 1000,
    KILL_GRACE_MS = 5000 /* for a process that not even SIGKILL ends: it hangs in the kernel */
};

const char *stop_stage_name(enum stop_stage stage)
{
    static const char *const names[] = {"serving", "draining", "terminating", "killing", "ended"};
    return names[stage];
}

static void enter(struct stop *stop, const struct house *house, enum stop_stage stage, int64_t until_ms)
{
    struct record r;
    record_begin(&r, "stop");
    record_string(&r, "from", stop_stage_name(stop->stage));
    record_string(&r, "to", stop_stage_name(stage));
    record_number(&r, "workers", (uint64_t)roster_total(&house->roster));
    record_send(&r, LEVEL_NOTICE);
    stop->stage = stage;
    stop->until_ms = until_ms;
}

void stop_begin(struct stop *stop, const struct house *house, int64_t drain_ms)
{
    enter(stop, house, STOP_DRAINING, clock_deadline(drain_ms));
}

void stop_harder(struct stop *stop, struct house *house)
{
    switch (stop->stage) {
    case STOP_NONE:
        break;
    case STOP_DRAINING:
        roster_signal_all(&house->roster, WORKER_CUT_SIGNAL);
        enter(stop, house, STOP_TERMINATING, clock_deadline(CUT_GRACE_MS));
        break;
    case STOP_TERMINATING:
        roster_signal_all(&house->roster, SIGKILL);
        enter(stop, house, STOP_KILLING, clock_deadline(KILL_GRACE_MS));
        break;
    case STOP_KILLING:
    case STOP_ENDED:
        enter(stop, house, STOP_ENDED, CLOCK_NEVER);
        break;
    }
}

void stop_look(struct stop *stop, struct house *house, int left, int64_t now_ms)
{
    if (stop->stage == STOP_NONE || stop->stage == STOP_ENDED)
        return;
    if (left == 0)
        enter(stop, house, STOP_ENDED, CLOCK_NEVER);
    else if (now_ms >= stop->until_ms)
        stop_harder(stop, house);
}
