/* SPDX-License-Identifier: ISC
 *
 * purge - keeps the shelf clean, a slice at a time, round after round: records that are over go always; where room is
 * short others go as well, the oldest first.
 *
 * Under pressure a share of all records is to go that brings it back to PURGE_AIM_PERCENT: first those attempts of the
 * greylist that never came back in time, oldest by when they were seen first; above PURGE_WORST_PERCENT, and where
 * these are too few, what has passed, allowances, reputations and traps, by when they were seen last. What is old is
 * told from the ages that this round and the one before have seen, so nothing is evicted before the first slice was
 * looked at.
 *
 * For the writing thread: a slice reads in one transaction, deletes in one (shelf_write), looks at no more than
 * PURGE_LOOKS_MAX records and deletes no more than PURGE_DELETES_MAX. Its memory is fixed. What fails is looked at
 * again by the next slice. A commit may bring more than one slice takes away: after SHELF_FULL one is not enough.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_PURGE_H
#define POSTERN_WORKERS_STOREKEEPER_PURGE_H

#include "workers/storekeeper/shelf.h"

enum {
    PURGE_LOOKS_MAX = 20000,
    PURGE_DELETES_MAX = 1000,
    PURGE_AIM_PERCENT = 70,
    PURGE_PRESSURE_PERCENT = 75, /* above it */
    PURGE_WORST_PERCENT = 90
};

struct purge; /* opaque */

struct purge *purge_new(void); /* NULL: no memory */
void purge_free(struct purge **purge);

struct purge_done {
    size_t looked;
    size_t over, evicted; /* deleted */
    uint32_t youngest_s;  /* age of the youngest attempt among those evicted; UINT32_MAX: none is */
    bool is_round_over;   /* the end was reached; the next slice begins anew */
};
/* *done_out is set whatever the result; SHELF_DONE, or what shelf_walk and shelf_write say. */
enum shelf_result purge_slice(struct purge *purge, struct shelf *shelf, time_t now, unsigned pressure_percent,
                              struct purge_done *done_out, const char **why_out);

/* How full the shelf is, for purge_slice. Not its pages alone: pages from which every other record was deleted are in
 * use, and take as many again before new ones are needed; so it is what records take in pages two thirds full, as they
 * become. Where hardly a page is left it is the pages. */
unsigned purge_pressure(const struct purge *purge, const struct shelf_size *size);

#endif
