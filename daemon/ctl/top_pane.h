/* SPDX-License-Identifier: ISC
 *
 * top_pane - what the panes of the live view are: for each the request, how its records are shown and sorted, and what
 * of a record can be ended, blocked or allowed. One const table.
 */
#ifndef POSTERN_CTL_TOP_PANE_H
#define POSTERN_CTL_TOP_PANE_H

#include "daemon/ctl/column.h"

enum { TOP_COLUMNS_MAX = 12, TOP_SORTS_MAX = 6 };

struct top_column {
    struct column column;
    int drop; /* where there is no room the highest goes first; 0 stays */
};

struct top_sort {
    const char *key; /* NULL: as posternd says it */
    const char *title;
};

enum top_pane_name { TOP_SESSIONS, TOP_CLIENTS, TOP_SERVERS, TOP_LIMITS, TOP_HITS, TOP_PANES };

struct top_pane {
    const char *title, *request, *kind, *empty;
    const char *key;     /* the field that knows a record again at the next look */
    const char *session; /* the field that can be killed, or NULL */
    const char *client;  /* .. and the one that can be blocked and allowed */
    struct top_sort sorts[TOP_SORTS_MAX];
    struct top_column columns[TOP_COLUMNS_MAX];
};

extern const struct top_pane top_panes[TOP_PANES];

int top_pane_sorts(const struct top_pane *pane);
int top_pane_columns(const struct top_pane *pane);

#endif
