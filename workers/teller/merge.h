/* SPDX-License-Identifier: ISC
 *
 * merge - two records of one key, one of them from another host: which one is to be remembered? Pure.
 *
 * So that two hosts can fill each other's memory again and again, in any order: nothing that was imported makes older
 * what is there, and what both have stays as it is. Of an attempt, an allowance or a trap the one that was seen later
 * counts; but who has passed anywhere has passed, and an allowance by order stays one. Of a reputation the larger
 * points count, as of the later one.
 */
#ifndef POSTERN_WORKERS_MERGE_H
#define POSTERN_WORKERS_MERGE_H

#include "common/store_record.h"

/* False: what is there stays as it is. */
bool merge_records(enum store_kind kind, const struct store_record *there, const struct store_record *other, time_t now,
                   struct store_record *merged_out);

/* The other host's clock may be ahead: what was seen later than now was seen now. */
void merge_by_now(enum store_kind kind, struct store_record *other, time_t now);

#endif
