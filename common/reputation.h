/* SPDX-License-Identifier: ISC
 *
 * reputation - what is remembered of a network: how much good and how much bad came of it, fading with time.
 *
 * Both are points, halved each day. The value of a table's entry: 12 bits of time in hours (wall clock, so that it can
 * outlive the process), 14 bits each of good and bad in sixteenths. A time in the future is damage.
 *
 * The time is that for which the points stand there. It moves on by whole days only, at which they are halved exactly;
 * what is learnt within the day is written down as the larger number that will have faded to it. So nothing is rounded
 * again and again, and nothing remains for ever: a half of one sixteenth is nothing.
 * What is good enough and what is bad is said here as well, since everybody has to say the same: a client whose
 * reputation is good is never delayed, and none is ever refused for a bad one alone.
 */
#ifndef POSTERN_COMMON_REPUTATION_H
#define POSTERN_COMMON_REPUTATION_H

#include <time.h>

#include "common/table.h"

enum { REPUTATION_ONE = 16, REPUTATION_MAX = (1 << 14) - 1 }; /* a point, in sixteenths; the most of either kind */

struct reputation {
    uint32_t good, bad; /* sixteenths of points */
};

enum standing { STANDING_UNKNOWN, STANDING_GOOD, STANDING_BAD, STANDINGS };

/* Good: two points of good at least, and three times as many as bad. Bad: four points of bad at least, and more than of
 * good. */
enum standing reputation_standing(const struct reputation *reputation);
const char *standing_name(enum standing standing); /* "unknown", "good", "bad" */

/* Pure: a table's value at a time, and with more added to it. Value 0: neither good nor bad. */
struct reputation reputation_read(uint64_t value, time_t now, bool *damaged_out);
uint64_t reputation_add(uint64_t value, const struct reputation *more, time_t now, bool *damaged_out);

struct reputation reputation_find(const struct table *table, uint64_t hash, time_t now);
/* Adds, up to REPUTATION_MAX of each (as it is written down; seen at the end of the entry's day it is half of that). */
void reputation_learn(const struct table *table, uint64_t hash, const struct reputation *more, time_t now,
                      struct table_counts *counts);

/* A value that was kept elsewhere: of either kind the larger counts. A time in the future is damage: left out. */
void reputation_restore(const struct table *table, uint64_t hash, uint64_t value, time_t now,
                        struct table_counts *counts);

/* table_tidy: how many networks something is remembered of. */
uint64_t reputation_tidy(const struct table *table, time_t now);

#endif
