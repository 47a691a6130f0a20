/* SPDX-License-Identifier: ISC
 *
 * watch - tells the master that a watched file has changed, once the change is whole.
 *
 * The descriptor is the master's inotify (daemon/watch.h): it watches directories that this process may not even read.
 * Which file it was does not matter: the master reads all of them anew, or finds that none has changed. A certificate
 * and its key are two files and two events, so nobody is told before it was quiet for a while; and not more often than
 * each WATCH_PAUSE_MS, whoever writes there all the time. The first pause begins with this process: it was made because
 * everything was just read, likely after a change that was told.
 *
 * Events stay in the kernel's queue until their change is told. A housekeeper that dies takes no news along; the next
 * one finds them there.
 */
#ifndef POSTERN_WORKERS_HOUSEKEEPER_WATCH_H
#define POSTERN_WORKERS_HOUSEKEEPER_WATCH_H

#include <poll.h>
#include <stdint.h>

enum { WATCH_QUIET_MS = 1000, WATCH_PATIENCE_MS = 5000, WATCH_PAUSE_MS = 10000 };

struct watch {
    int inotify; /* non-blocking; -1: none */
    int ask;     /* where one octet tells */
    int64_t told_ms;
    int64_t first_ms; /* when the oldest of the events was seen; 0: there are none */
    int64_t look_ms;  /* when to look whether there were more since */
    int queued_bytes; /* seen then */
};

void watch_init(struct watch *watch, int inotify, int ask, int64_t now_ms);
/* What wakes it: nothing while news are waited out. */
struct pollfd watch_poll(const struct watch *watch);
/* When to call watch_step at the latest. */
int64_t watch_next_ms(const struct watch *watch);
void watch_step(struct watch *watch, int64_t now_ms);

#endif
