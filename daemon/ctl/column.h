/* SPDX-License-Identifier: ISC
 *
 * column - one field of a record as people read it: times and sizes with their units, yes and no. Nothing that a peer
 * said leaves here but printable ASCII; the rest is a question mark.
 */
#ifndef POSTERN_CTL_COLUMN_H
#define POSTERN_CTL_COLUMN_H

#include "daemon/ctl/answer.h"

enum { COLUMN_CELL_MAX = 1200 /* the reason of a refused reload whole */ };

enum unit { AS_IT_IS, AGE, WHEN, BYTES, YES_NO, LATENCY, MICROSECONDS };

struct column {
    const char *key, *title;
    enum unit unit;
};

/* Empty where the record has no such field. */
void column_print(char cell[COLUMN_CELL_MAX], const struct answer_record *record, const struct column *column);
void column_print_age(char cell[COLUMN_CELL_MAX], int64_t ms);
void column_print_bytes(char cell[COLUMN_CELL_MAX], int64_t bytes);
void column_print_text(char cell[COLUMN_CELL_MAX], const char *text, size_t size);
/* Such columns stand to the right. */
bool column_is_numeric(const struct answer_record *record, const struct column *column);

#endif
