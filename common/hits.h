/* SPDX-License-Identifier: ISC
 *
 * hits - who hit a limit lately, and how often each limit was hit: a region of the scoreboard that workers write, for
 * people to read.
 *
 * A table keeps hashes alone, so the keys in words are kept here, of those that matter: a row for each (limit, key)
 * that was over its limit, the later one where two fall into the same row. All of it is rumour (L7): what a reader gets
 * was copied once and made printable; the hash is used for nothing but looking into a table.
 */
#ifndef POSTERN_COMMON_HITS_H
#define POSTERN_COMMON_HITS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { HITS_ROWS = 512, HITS_TALLIES = 256, HIT_NAME_MAX = 64, HIT_KEY_MAX = 96 };

struct hit {
    uint64_t hash;            /* of the entry in the rates' table; for `concurrent` 0 */
    int64_t first_s, last_s;  /* wall clock */
    uint64_t times;           /* since first_s */
    char limit[HIT_NAME_MAX]; /* "inbound.rate": policy and limit */
    char key[HIT_KEY_MAX];    /* "192.0.2.7", "user@example.org" */
};

struct hits {
    struct hits_row {
        _Atomic uint32_t sequence; /* odd while a worker writes; stays odd when it died meanwhile, until the next one */
        struct hit hit;
    } rows[HITS_ROWS];
    _Atomic uint64_t tallies[HITS_TALLIES]; /* 24 bits of the limit's hash, 40 bits of count */
};

/* Workers; `hits` may be NULL. True: this key had not hit this limit within the last `quiet_s` seconds, and that is
 * worth a line in the log; of two workers at once both may hear so. */
bool hits_add(struct hits *hits, uint64_t limit_hash, const struct hit *hit, int64_t quiet_s);

/* Readers. False: the row is empty, or could not be read. */
bool hits_read(const struct hits *hits, int row, struct hit *out);
uint64_t hits_tally(const struct hits *hits, uint64_t limit_hash); /* of all keys; 0: never, or displaced */
/* The master: the rows with this key (exactly, without regard to case) are emptied; their hashes, HITS_ROWS at most. */
int hits_forget(struct hits *hits, const char *key, uint64_t hashes_out[HITS_ROWS]);

#endif
