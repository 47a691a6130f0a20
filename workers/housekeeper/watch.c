/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdbool.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#include "workers/housekeeper/watch.h"

enum { DRAIN_BYTES = 4096, DRAIN_READS_MAX = 1024 };

void watch_init(struct watch *watch, int inotify, int ask, int64_t now_ms)
{
    *watch = (struct watch){.inotify = inotify, .ask = ask, .told_ms = now_ms};
}

static bool has_news(const struct watch *watch)
{
    return watch->first_ms != 0;
}

struct pollfd watch_poll(const struct watch *watch)
{
    return (struct pollfd){.fd = has_news(watch) ? -1 : watch->inotify, .events = POLLIN};
}

int64_t watch_next_ms(const struct watch *watch)
{
    return has_news(watch) ? watch->look_ms : CLOCK_NEVER;
}

/* Octets of events in the queue. The kernel drops an event that says the same as the one before it; such a writer is
 * told of sooner, and again after the pause. */
static int measure_queue(const struct watch *watch)
{
    int bytes = 0;
    return watch->inotify >= 0 && ioctl(watch->inotify, FIONREAD, &bytes) == 0 ? bytes : 0;
}

/* Bounded, whoever goes on writing there. */
static void forget_events(const struct watch *watch)
{
    _Alignas(struct inotify_event) char events[DRAIN_BYTES];
    for (int i = 0; i < DRAIN_READS_MAX; i++)
        if (read(watch->inotify, events, sizeof(events)) <= 0)
            return;
}

/* The events go first: what changes after the master was asked must be news again. */
static void tell(struct watch *watch, int64_t now_ms)
{
    forget_events(watch);
    watch->told_ms = now_ms;
    watch->first_ms = 0;
    if (write(watch->ask, "", 1) < 0 && errno != EAGAIN)
        log_line(LEVEL_DEBUG, "the master could not be asked");
}

static void look_again_at(struct watch *watch, int64_t now_ms, int bytes)
{
    int64_t allowed = watch->told_ms + WATCH_PAUSE_MS, quiet = now_ms + WATCH_QUIET_MS;
    watch->queued_bytes = bytes;
    watch->look_ms = quiet > allowed ? quiet : allowed;
}

static bool is_whole(const struct watch *watch, int64_t now_ms, int bytes)
{
    return bytes == watch->queued_bytes || now_ms - watch->first_ms >= WATCH_PATIENCE_MS;
}

void watch_step(struct watch *watch, int64_t now_ms)
{
    if (has_news(watch) && now_ms < watch->look_ms)
        return;
    int bytes = measure_queue(watch);
    if (has_news(watch) && bytes > 0 && is_whole(watch, now_ms, bytes)) {
        tell(watch, now_ms);
        return;
    }
    if (bytes == 0) /* or another housekeeper has told of them: the last generation's */
        watch->first_ms = 0;
    else if (!has_news(watch))
        watch->first_ms = now_ms;
    look_again_at(watch, now_ms, bytes);
}
