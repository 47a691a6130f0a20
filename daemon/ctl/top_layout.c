/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "daemon/ctl/top_layout.h"

enum { LIST_LEAST = 3, LIST_ENOUGH = 8 };

/* -- lines */

static int take(int *left, int wanted, int keep)
{
    int room = *left - keep;
    int taken = room < wanted ? (room > 0 ? room : 0) : wanted;
    *left -= taken;
    return taken;
}

/* What must be seen comes first: a few rows of the list, and that something is wrong. Listeners beyond the first stand
 * back behind a list of some length. */
struct top_heights top_layout_heights(int lines, const struct top_wanted *wanted)
{
    struct top_heights heights = {0};
    int left = lines, listeners = wanted->listeners < TOP_LISTENERS_SHOWN ? wanted->listeners : TOP_LISTENERS_SHOWN;
    heights.foot = take(&left, 1, 0);
    heights.alarm = take(&left, wanted->alarm ? 1 : 0, 1);
    heights.title = take(&left, 1, 1);
    heights.head = take(&left, 1, LIST_LEAST);
    heights.tabs = take(&left, 1, LIST_LEAST);
    heights.rates = take(&left, wanted->rates, LIST_LEAST);
    heights.listeners = take(&left, listeners > 0 ? 1 : 0, LIST_LEAST);
    heights.spark = take(&left, 1, LIST_LEAST);
    heights.listeners += take(&left, listeners - heights.listeners, LIST_ENOUGH);
    heights.list = left;
    return heights;
}

/* -- columns */

static int larger(int a, int b)
{
    return a > b ? a : b;
}

static bool measure(const struct top_column *of, const struct top_rows *rows, struct top_shown *out)
{
    const struct column *column = &of->column;
    char cell[COLUMN_CELL_MAX];
    bool there = rows->count == 0; /* an empty list has all its titles */
    *out = (struct top_shown){.column = column, .width = (int)strlen(column->title), .drop = of->drop};
    for (int i = 0; i < rows->count; i++) {
        column_print(cell, rows->at[i], column);
        there = there || cell[0] != '\0';
        out->width = larger(out->width, (int)strlen(cell));
        out->right = out->right || column_is_numeric(rows->at[i], column);
    }
    return there;
}

static int together(const struct top_shown *shown, int count)
{
    int width = 0;
    for (int i = 0; i < count; i++)
        width += shown[i].width + (i > 0 ? TOP_GAP : 0);
    return width;
}

/* Where those that stay are still too wide, what is beyond the edge is cut off. */
static int drop_one(struct top_shown *shown, int count)
{
    int worst = 0;
    for (int i = 1; i < count; i++)
        if (shown[i].drop > shown[worst].drop)
            worst = i;
    if (shown[worst].drop == 0)
        return count;
    memmove(&shown[worst], &shown[worst + 1], (size_t)(count - worst - 1) * sizeof(*shown));
    return count - 1;
}

int top_layout_columns(const struct top_pane *pane, const struct top_rows *rows, int width,
                       struct top_shown shown_out[TOP_COLUMNS_MAX])
{
    int count = 0;
    for (int i = 0; i < top_pane_columns(pane); i++)
        count += measure(&pane->columns[i], rows, &shown_out[count]);
    for (int before = count + 1; count < before && count > 0 && together(shown_out, count) > width;) {
        before = count;
        count = drop_one(shown_out, count);
    }
    return count;
}

/* -- bars */

static int share(int64_t part, int64_t most, int width)
{
    int columns = (int)((double)part / (double)most * width + 0.5);
    return part > 0 && columns == 0 ? 1 : columns;
}

static int fill(char *out, int at, int width, char sign, int count)
{
    for (; count > 0 && at < width; count--)
        out[at++] = sign;
    return at;
}

void top_layout_bar(const struct top_crew *crew, int width, char *out)
{
    int64_t held = crew->held > 0 ? crew->held : 0, busy = crew->busy > held ? crew->busy - held : 0;
    int64_t starting = crew->starting > 0 ? crew->starting : 0, idle = crew->idle > 0 ? crew->idle : 0;
    int64_t all = held + busy + starting + idle, most = crew->most > all ? crew->most : all;
    int at = 0;
    if (most > 0) {
        at = fill(out, at, width, 'H', share(held, most, width));
        at = fill(out, at, width, '#', share(busy, most, width));
        at = fill(out, at, width, '+', share(starting, most, width));
        at = fill(out, at, width, '.', share(idle, most, width));
    }
    at = fill(out, at, width, ' ', width);
    out[at] = '\0';
}
