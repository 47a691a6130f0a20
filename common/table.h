/* SPDX-License-Identifier: ISC
 *
 * table - a hash table of fixed size in shared memory, which every worker may write: one 64-bit word an entry.
 *
 * An entry is a tag of 24 bits, which with its line stands for the hash of its key, and a value of 40 bits, whose
 * meaning is the owner's (rate.h, reputation.h). Eight entries make a line, which is a cache line: whoever looks for a
 * key looks at one. An entry changes by one compare-and-swap, so there is no lock that a dying worker could hold, no
 * half-written entry, and nothing to repair. When a line is full the entry of the lowest rank goes; if it still meant
 * something that is counted as an eviction. Two keys are taken for one where line and tag are the same: in a full line
 * one new key in two million, and nobody can choose which, since the hash is keyed (siphash.h).
 *
 * All of it is rumour (L7): a worker can write anything there. The owner of the values says what cannot be true
 * (damage); nothing in a word is ever taken for a place or a length. The number of lines is the process's own.
 */
#ifndef POSTERN_COMMON_TABLE_H
#define POSTERN_COMMON_TABLE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TABLE_WAYS = 8, TABLE_VALUE_BITS = 40 };
#define TABLE_ENTRIES_MAX (UINT64_C(1) << 28)
#define TABLE_VALUE_MASK  ((UINT64_C(1) << TABLE_VALUE_BITS) - 1)

struct table {
    _Atomic uint64_t *words;
    uint64_t line_count; /* a power of two */
};

/* What happened to this process's changes; all of it only grows. */
struct table_counts {
    uint64_t evictions; /* an entry that still meant something had to go */
    uint64_t damaged;   /* a value that cannot be true was taken for none */
    uint64_t given_up;  /* a change was not made, since others were faster all the time */
};

/* For so many entries (1.. TABLE_ENTRIES_MAX), rounded up to a power of two. */
size_t table_bytes(uint64_t entries);
struct table table_at(void *memory, size_t bytes); /* at the begin of a page, so many; all zero is an empty one */

/* The owner's two questions. `rank`: how much a value still means; 0: nothing, and its place is free. `change`: from
 * the value that is there (0: there is none) to the one that shall be; 0 frees the place. It may be asked again, when
 * somebody else was faster: what it leaves in the context counts from the last time. */
struct table_kind {
    uint64_t (*rank)(uint64_t value, const void *context);
    uint64_t (*change)(uint64_t value, void *context);
};

/* One change of the entry with this hash, which is made where it is missing. Bounded: after a few lost races the change
 * is given up, and false said: nothing was written then. */
bool table_update(const struct table *table, uint64_t hash, const struct table_kind *kind, void *context,
                  struct table_counts *counts);
uint64_t table_find(const struct table *table, uint64_t hash); /* the value; 0: none */
bool table_forget(const struct table *table, uint64_t hash);   /* was there one? */
uint64_t table_used(const struct table *table); /* entries that are not 0; walks all that was ever used */
/* Frees what means nothing any more, and says how many still do; walks all that was ever used. To be called once a day
 * or so, lest an old value comes to mean something again when its time has gone round. */
uint64_t table_tidy(const struct table *table, const struct table_kind *kind, const void *context);

#endif
