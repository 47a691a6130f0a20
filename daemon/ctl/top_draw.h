/* SPDX-License-Identifier: ISC
 *
 * top_draw - the live view into a window: what is known (top_model), as it is looked at (top_view). Nothing that came
 * over the socket is written but printable ASCII.
 */
#ifndef POSTERN_CTL_TOP_DRAW_H
#define POSTERN_CTL_TOP_DRAW_H

#include <curses.h>

#include "daemon/ctl/top_view.h"

struct top_screen {
    const struct top_model *model;
    struct top_view *view; /* its rows are arranged for this window */
    const char *error;     /* why posternd is not reached; empty: it is */
    int64_t minute;        /* now, since 1970 */
    bool utf8;
};

/* Of the pairs of colours; without colours nothing but bold and reverse. */
void top_draw_colours(void);
void top_draw(WINDOW *window, const struct top_screen *screen);

#endif
