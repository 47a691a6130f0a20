/* SPDX-License-Identifier: ISC
 *
 * table - an answer for people: tables with aligned columns, times and sizes with their units. What a listing shows of
 * each kind of record, and in which order, is one const table. Nothing that a peer said reaches the terminal but
 * printable ASCII.
 */
#ifndef POSTERN_CTL_TABLE_H
#define POSTERN_CTL_TABLE_H

#include <stdio.h>

#include "daemon/ctl/column.h"

void table_print(FILE *to, enum control_verb verb, const struct answer *answer);

/* -- the same of an answer that comes in pieces: columns are as wide as their widest value in the first. Zero is
 * valid. */
enum { TABLE_COLUMNS_MAX = 20, TABLE_KIND_MAX = 32 };
struct table_shown {
    const struct column *column;
    int width;
    bool right;
};
struct table_pieces {
    char kind[TABLE_KIND_MAX]; /* of the last record; "": there was none */
    struct table_shown shown[TABLE_COLUMNS_MAX];
    int columns;
};
void table_print_piece(FILE *to, struct table_pieces *pieces, const struct answer *answer);
/* Behind the last one: what an answer without records says. */
void table_print_end(FILE *to, enum control_verb verb, const struct table_pieces *pieces, const struct answer *answer);

#endif
