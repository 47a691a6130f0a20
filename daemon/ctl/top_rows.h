/* SPDX-License-Identifier: ISC
 *
 * top_rows - the records of a pane in the order in which they are shown, those that the filter lets through. Pure.
 *
 * Equal ones stand as posternd said them, so that nothing jumps between two looks. Out of memory ends the process.
 */
#ifndef POSTERN_CTL_TOP_ROWS_H
#define POSTERN_CTL_TOP_ROWS_H

#include "daemon/ctl/top_pane.h"

struct top_rows {
    const struct answer_record **at; /* of the answer, as long as it is there */
    int count, capacity;
};

/* The highest first, or the lowest where `reversed`; texts the other way round. `filter`: in any column, in any case;
 * empty: all. */
void top_rows_arrange(struct top_rows *rows, const struct answer *answer, const struct top_pane *pane,
                      const struct top_sort *sort, bool reversed, const char *filter);
/* Where the record with this key stands now; -1: nowhere. */
int top_rows_find(const struct top_rows *rows, const struct top_pane *pane, const char *key);
void top_rows_clear(struct top_rows *rows);

#endif
