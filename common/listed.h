/* SPDX-License-Identifier: ISC
 *
 * listed - networks that an administrator blocked or allowed through posternctl: a region of the scoreboard, written by
 * the master alone, read-only for everybody else.
 *
 * Of several that hold an address the longest prefix counts. Times are of the wall clock, in seconds since 1970, since
 * the list outlives the process (daemon/listed_file). Readers use a sequence lock with bounded retries; the master is
 * trusted, so that what is read needs no further look.
 */
#ifndef POSTERN_COMMON_LISTED_H
#define POSTERN_COMMON_LISTED_H

#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "common/ipaddr.h"

enum { LISTED_MAX = 2048, LISTED_REASON_MAX = 96 };

enum listed_as { LISTED_NOT, LISTED_BLOCKED, LISTED_ALLOWED };

struct listed_entry {
    struct network network;
    uint32_t as;     /* enum listed_as; LISTED_NOT: free */
    int64_t until_s; /* 0: for ever */
};

struct listed {
    _Atomic uint32_t sequence; /* odd while it changes */
    _Atomic uint32_t end;      /* no entry behind; 0: nobody is listed, which is all that most sessions look at */
    struct listed_entry entries[LISTED_MAX];
    char reasons[LISTED_MAX][LISTED_REASON_MAX]; /* printable, end with NUL */
};

/* The master. One entry for a network: a new one takes the place of the old one. False: no room. */
bool listed_add(struct listed *listed, const struct listed_entry *entry, const char *reason, time_t now);
bool listed_drop(struct listed *listed, const struct network *network); /* was there one? */
int listed_expire(struct listed *listed, time_t now);                   /* how many were over */

/* Everybody; `listed` may be NULL: nobody is. *entry_out and reason_out (which may be NULL) are set when somebody is.
 */
enum listed_as listed_find(const struct listed *listed, const struct ipaddr *client, time_t now,
                           struct listed_entry *entry_out, char reason_out[LISTED_REASON_MAX]);

/* For listings: who is in this place (0.. LISTED_MAX). False: nobody. */
bool listed_read(const struct listed *listed, int place, time_t now, struct listed_entry *entry_out,
                 char reason_out[LISTED_REASON_MAX]);

#endif
