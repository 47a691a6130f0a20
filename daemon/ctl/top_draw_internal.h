/* SPDX-License-Identifier: ISC
 *
 * What the two units that draw share: top_draw the whole and its head, top_draw_list what is below.
 */
#ifndef POSTERN_CTL_TOP_DRAW_INTERNAL_H
#define POSTERN_CTL_TOP_DRAW_INTERNAL_H

#include "daemon/ctl/top_draw.h"
#include "daemon/ctl/top_layout.h"

enum top_pair { TOP_PAIR_NONE, TOP_PAIR_BAD, TOP_PAIR_HELD, TOP_PAIR_GOOD };

chtype top_draw_pair(enum top_pair pair); /* nothing where there are no colours */
/* A whole line, cut at the edge, blank behind the text. */
void top_draw_line(WINDOW *window, int y, chtype attributes, const char *text);
/* The panes' names, the titles, the rows and the foot, from `y` down. */
void top_draw_list(WINDOW *window, int y, const struct top_heights *heights, const struct top_screen *screen);
void top_draw_help(WINDOW *window);

#endif
