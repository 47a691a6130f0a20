/* SPDX-License-Identifier: ISC
 *
 * silence - whether sessions hear from the name servers at all: a few words on the scoreboard, among the list_counts.
 *
 * Written by workers, so it is rumour (L7), for people to read. That SILENCE_SESSIONS in a row heard nothing is news
 * once, to whoever of them was the last, and so is the end of that; not more often than each SILENCE_QUIET_MS.
 */
#ifndef POSTERN_COMMON_SILENCE_H
#define POSTERN_COMMON_SILENCE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SILENCE_SESSIONS = 5, SILENCE_QUIET_MS = 60000 };

struct silence {
    _Atomic uint32_t sessions; /* in a row, all workers' together */
    _Atomic uint32_t is_told;
    _Atomic int64_t told_ms; /* clock_ms() */
};

enum silence_news { SILENCE_NO_NEWS, SILENCE_BEGAN, SILENCE_ENDED };

/* A session has asked; it heard an answer, or none at all. */
enum silence_news silence_note(struct silence *silence, bool has_heard, int64_t now_ms);
bool silence_is_told(const struct silence *silence);

#endif
