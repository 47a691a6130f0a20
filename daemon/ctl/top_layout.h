/* SPDX-License-Identifier: ISC
 *
 * top_layout - how the live view fits a terminal of any size: lines, columns, bars. Pure.
 */
#ifndef POSTERN_CTL_TOP_LAYOUT_H
#define POSTERN_CTL_TOP_LAYOUT_H

#include "daemon/ctl/top_rows.h"

enum { TOP_LISTENERS_SHOWN = 6, TOP_GAP = 1 };

/* How many lines each part has; 0: there is no room for it. */
struct top_heights {
    int head, alarm, listeners, rates, spark, tabs, title, list, foot;
};
struct top_wanted {
    bool alarm;
    int listeners, rates;
};
struct top_heights top_layout_heights(int lines, const struct top_wanted *wanted);

/* The columns of a pane that fit. The last of them has all that is left. */
struct top_shown {
    const struct column *column;
    int width, drop;
    bool right;
};
int top_layout_columns(const struct top_pane *pane, const struct top_rows *rows, int width,
                       struct top_shown shown_out[TOP_COLUMNS_MAX]);

/* Workers as signs: H held, # busy otherwise, + starting, . idle, blank: not there, up to `most`. Whoever is there at
 * all has a sign, where the width has room for one each. */
struct top_crew {
    int64_t held, busy, starting, idle, most; /* busy: held ones, too */
};
void top_layout_bar(const struct top_crew *crew, int width, char *out); /* width + 1 octets */

#endif
