/* SPDX-License-Identifier: ISC
 *
 * wheel - alarms by the thousand: set, moved and taken back in no time, and rung a few milliseconds late at most.
 *
 * An alarm is part of what it belongs to; one that is all zero is not set.
 */
#ifndef BENCH_WHEEL_H
#define BENCH_WHEEL_H

#include <stdint.h>

enum { WHEEL_SLOTS = 4096, WHEEL_SLOT_MS = 5 };

struct alarm {
    struct alarm *next, **previous; /* previous NULL: not set */
    int64_t at_ms;
};

struct wheel {
    struct alarm *slots[WHEEL_SLOTS];
    int64_t turned; /* the last slot that was looked at, counted on for ever */
};

void wheel_begin(struct wheel *w, int64_t now_ms);
void wheel_set(struct wheel *w, struct alarm *a, int64_t at_ms); /* the last word counts */
void wheel_unset(struct alarm *a);
/* Rings what is due; ring() may set and unset whatever it likes. */
void wheel_turn(struct wheel *w, int64_t now_ms, void (*ring)(struct alarm *a));

#endif
