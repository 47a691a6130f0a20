/* SPDX-License-Identifier: ISC
 *
 * estate - what the master owns, as the records of its legacy (legacy.h): written by the program that goes, read by the
 * one that takes its place. What each unit writes is read right beside it.
 *
 * The scoreboard goes along where both programs agree on its layout and on its size; else a new one is made, and what
 * the workers that go on write into the old one is seen by nobody any more: what they had done so far is counted.
 */
#ifndef POSTERN_DAEMON_ESTATE_H
#define POSTERN_DAEMON_ESTATE_H

#include "daemon/bypass.h"
#include "daemon/household.h"
#include "daemon/legacy.h"
#include "daemon/listing.h"
#include "daemon/pidfile.h"
#include "daemon/reload.h"
#include "daemon/succession.h"

/* The master's own parts. */
struct estate {
    struct house *house;
    struct succession *succession;
    struct household *household, *storekeeper;
    struct reload *reload;
    struct pidfile *pidfile;
    struct listing *listing;
    struct bypass *bypass;
    int64_t *started_ms, *reloaded_ms;
    time_t *started_wall;
    int *reloads;
    bool is_new_board; /* after estate_read: the scoreboard did not go along */
};

void estate_write(const struct estate *estate, struct legacy *to);

/* After estate_read, in the program that has taken the place: what workers see. One on trial writes nothing to the
 * scoreboard, which is its parent's. */
void estate_take_effect(const struct estate *estate);

/* Into parts that are not opened yet; of the house, identity and worker are there. `plan` is the one that this program
 * will go by. False with why; nothing is given back then, since the program before needs it all. */
bool estate_read(struct estate *estate, struct legacy *from, const struct plan *plan, char *why, size_t why_size);

#endif
