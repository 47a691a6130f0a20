/* SPDX-License-Identifier: ISC
 *
 * listing - the master's list of whom an administrator blocked or allowed: in the scoreboard, where workers look, and
 * in a file, so that it outlives the process.
 *
 * What cannot be written to the file holds all the same, until the process ends; why it is not kept is said to who
 * asked and in the log, and it is tried again every LISTING_RETRY_MS.
 */
#ifndef POSTERN_DAEMON_LISTING_H
#define POSTERN_DAEMON_LISTING_H

#include "daemon/listed_file.h"
#include "daemon/listed_line.h"

enum { LISTING_WHY_MAX = 512, LISTING_RETRY_MS = 60000 };

struct listing {
    struct listed *listed; /* NULL: not opened */
    struct listed_file file;
    bool changed;                 /* since it was written, or is to be written all the same */
    char unkept[LISTING_WHY_MAX]; /* why the file does not say what the list does; empty: it does, or nobody asked */
    char saved[LISTING_WHY_MAX];  /* what the last write found in the file and kept beside it; empty: nothing */
    int64_t retry_ms;
};

/* What the file says. `path` NULL: there is none. Before privileges are reduced, since its directory may have to be
 * made. Complaints go to the log, and to stderr as well where `loud`: none of them keeps posternd from starting. */
void listing_open(struct listing *listing, struct listed *listed, const char *path, bool loud);

/* False: there is no room. */
bool listing_put(struct listing *listing, const struct listed_line *line);
bool listing_drop(struct listing *listing, const struct network *network); /* was it there? */

/* Forgets whose time is over, and writes what could not be written. When to look again at the latest. */
int64_t listing_look(struct listing *listing, int64_t now_ms);
/* A stop has begun: the file is the next master's. */
void listing_yield(struct listing *listing);

#endif
