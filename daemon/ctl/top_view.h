/* SPDX-License-Identifier: ISC
 *
 * top_view - what the live view shows at the moment, and what its keys do to that. Pure: a key may leave an order (a
 * request for posternd) behind, which the loop takes.
 *
 * What an order is about is remembered when its key is pressed: the list may have moved until it is confirmed.
 */
#ifndef POSTERN_CTL_TOP_VIEW_H
#define POSTERN_CTL_TOP_VIEW_H

#include "daemon/ctl/top_model.h"
#include "daemon/ctl/top_rows.h"

enum { TOP_TEXT_MAX = 64, TOP_TARGET_MAX = 128, TOP_NOTE_MAX = 320 };

/* Printable ones are themselves. */
enum top_key {
    TOP_KEY_ENTER = '\r',
    TOP_KEY_ESCAPE = 27,
    TOP_KEY_UP = 256,
    TOP_KEY_DOWN,
    TOP_KEY_PAGE_UP,
    TOP_KEY_PAGE_DOWN,
    TOP_KEY_HOME,
    TOP_KEY_END,
    TOP_KEY_TAB,
    TOP_KEY_BACK_TAB,
    TOP_KEY_BACKSPACE,
    TOP_KEY_NONE
};

enum top_prompt { TOP_NO_PROMPT, TOP_PROMPT_KILL, TOP_PROMPT_TIME, TOP_PROMPT_LIST, TOP_PROMPT_FILTER };

struct top_view {
    int pane;
    int sort[TOP_PANES];
    bool reversed[TOP_PANES];
    enum top_series series;
    bool paused, help, quit;
    char filter[TOP_TEXT_MAX];
    struct top_rows rows;
    int selected, first, page; /* rows of the pane: the selected one, the topmost on the screen, how many there are */
    char selected_key[TOP_TARGET_MAX];
    enum top_prompt prompt;
    char verb[8];                 /* that is being prepared: block, allow */
    char target[TOP_TARGET_MAX];  /* .. and of whom */
    char text[TOP_TEXT_MAX];      /* that is being typed */
    char note[TOP_NOTE_MAX];      /* what came of the last key; empty: nothing to say */
    char order[CONTROL_LINE_MAX]; /* the request to be sent now; empty: none */
};

void top_view_key(struct top_view *view, int key);
/* After a new listing, another order or another height: sorts, finds the selected record again, scrolls to it. */
void top_view_arrange(struct top_view *view, const struct top_model *model, int page);
/* What stands in the foot line while something is asked; false: nothing is. */
bool top_view_question(const struct top_view *view, char out[TOP_NOTE_MAX]);
void top_view_clear(struct top_view *view);

#endif
