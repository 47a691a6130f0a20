/* SPDX-License-Identifier: ISC
 *
 * reputation - what is remembered of a network: how much good and how much bad came of it, fading with time.
 *
 * Both are points, halved each day. The value of a table's entry: 12 bits of time in hours (wall clock, so that it can
 * outlive the process), 14 bits each of good and bad in sixteenths. A time in the future is damage.
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

/* Pure: a table's value at a time, and back. Value 0: neither good nor bad. */
struct reputation reputation_read(uint64_t value, time_t now, bool *damaged_out);
uint64_t reputation_write(const struct reputation *reputation, time_t now);

struct reputation reputation_find(const struct table *table, uint64_t hash, time_t now);
/* Adds, up to REPUTATION_MAX of each. */
void reputation_learn(const struct table *table, uint64_t hash, const struct reputation *more, time_t now,
                      struct table_counts *counts);

#endif
