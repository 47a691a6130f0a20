/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "daemon/ctl/top_draw_internal.h"

enum { LINE_MAX_OCTETS = 2 * COLUMN_CELL_MAX };

static const char *const HELP[] = {
    "q            quit",
    "Tab, 1 .. 5  the panes: sessions, clients, servers, limits, hits (who hit one)",
    "arrows       select a row; page up and down, home, end",
    "s, r         sort by the next column; the other way round",
    "/            only rows with these words; empty: all",
    "k            end the selected session",
    "b, a         block, allow the selected client for a time",
    "g            the line of the last hour: messages, sessions, busy, held",
    "p            pause, and go on",
    "",
    "Workers: H held in the tarpit, # busy, + starting, . idle.",
    "Sums and rates are of sessions that have ended. Any key: back.",
};

void top_draw_help(WINDOW *window)
{
    for (size_t i = 0; i < sizeof(HELP) / sizeof(HELP[0]) && (int)i < getmaxy(window); i++)
        top_draw_line(window, (int)i, A_NORMAL, HELP[i]);
}

/* -- which list it is */

static void draw_tab(WINDOW *window, int pane, bool open)
{
    char text[TOP_NOTE_MAX];
    snprintf(text, sizeof(text), "%d %s", pane + 1, top_panes[pane].title);
    wattrset(window, open ? A_REVERSE : A_NORMAL);
    waddnstr(window, text, getmaxx(window) - getcurx(window));
    wattrset(window, A_NORMAL);
    waddnstr(window, " ", getmaxx(window) - getcurx(window));
}

static void draw_tabs(WINDOW *window, int y, const struct top_screen *screen)
{
    const struct top_view *view = screen->view;
    const struct top_pane *pane = &top_panes[view->pane];
    char words[LINE_MAX_OCTETS];
    top_draw_line(window, y, A_NORMAL, "");
    wmove(window, y, 0);
    for (int i = 0; i < TOP_PANES && getcury(window) == y; i++) /* behind the edge is the next line */
        draw_tab(window, i, i == view->pane);
    if (getcury(window) != y)
        return;
    bool more = screen->model->pane == view->pane && screen->model->listing.cut_short;
    snprintf(words, sizeof(words), " %d%s by %s%s%s%s", view->rows.count, more ? "+" : "",
             pane->sorts[view->sort[view->pane]].title, view->reversed[view->pane] ? ", reversed" : "",
             view->filter[0] != '\0' ? " /" : "", view->filter);
    waddnstr(window, words, getmaxx(window) - getcurx(window));
}

/* -- its rows */

static void put_cell(struct buffer *line, const struct top_shown *shown, const char *text, bool last)
{
    if (shown->right)
        buffer_print(line, "%*s", shown->width, text);
    else
        buffer_print(line, "%-*s", last ? 0 : shown->width, text);
    buffer_print(line, "%*s", last ? 0 : TOP_GAP, "");
}

/* A row too long for any terminal ends early; `record` NULL: the titles. */
static void print_row(char out[LINE_MAX_OCTETS], const struct top_shown *shown, int columns,
                      const struct answer_record *record)
{
    char cell[COLUMN_CELL_MAX];
    struct buffer line;
    buffer_init(&line, out, LINE_MAX_OCTETS - 1);
    for (int i = 0; i < columns; i++) {
        if (record != NULL)
            column_print(cell, record, shown[i].column);
        else
            snprintf(cell, sizeof(cell), "%s", shown[i].column->title);
        put_cell(&line, &shown[i], cell, i == columns - 1);
    }
    out[line.end] = '\0';
}

static chtype attributes_of(const struct answer_record *record)
{
    const char *health = answer_text(record, "health");
    if (strcmp(answer_text(record, "standing"), "bad") == 0 || strcmp(health, "down") == 0)
        return A_BOLD | top_draw_pair(TOP_PAIR_BAD);
    if (top_model_number(record, "held") > 0 || top_model_number(record, "distrusted") > 0)
        return A_BOLD | top_draw_pair(TOP_PAIR_HELD);
    return A_NORMAL;
}

static void draw_rows(WINDOW *window, int y, const struct top_heights *heights, const struct top_view *view)
{
    struct top_shown shown[TOP_COLUMNS_MAX];
    char line[LINE_MAX_OCTETS];
    int columns = top_layout_columns(&top_panes[view->pane], &view->rows, getmaxx(window), shown);
    print_row(line, shown, columns, NULL);
    if (heights->title > 0)
        top_draw_line(window, y, A_UNDERLINE, line);
    y += heights->title;
    for (int i = 0; i < heights->list && view->first + i < view->rows.count; i++) {
        const struct answer_record *record = view->rows.at[view->first + i];
        bool selected = view->first + i == view->selected;
        print_row(line, shown, columns, record);
        top_draw_line(window, y + i, attributes_of(record) | (selected ? A_REVERSE : 0), line);
    }
}

static void draw_nothing(WINDOW *window, int y, const struct top_screen *screen)
{
    const struct top_pane *pane = &top_panes[screen->view->pane];
    bool known = screen->model->pane == screen->view->pane && screen->model->listing.end == ANSWER_OK;
    top_draw_line(window, y, A_NORMAL,
                  !known                            ? ""
                  : screen->view->filter[0] != '\0' ? "no such row: / and an empty line shows all"
                                                    : pane->empty);
}

/* -- the foot */

static void draw_foot(WINDOW *window, const struct top_screen *screen)
{
    char text[TOP_NOTE_MAX];
    int y = getmaxy(window) - 1;
    if (top_view_question(screen->view, text))
        top_draw_line(window, y, A_BOLD, text);
    else if (screen->view->note[0] != '\0')
        top_draw_line(window, y, A_BOLD, screen->view->note);
    else if (screen->error[0] != '\0')
        top_draw_line(window, y, A_BOLD | A_REVERSE | top_draw_pair(TOP_PAIR_BAD), screen->error);
    else if (screen->view->paused)
        top_draw_line(window, y, A_REVERSE, "PAUSED: p goes on");
    else
        top_draw_line(window, y, A_NORMAL,
                      "q quit  h help  Tab pane  s sort  r reverse  / find  k kill  b block  p pause");
}

void top_draw_list(WINDOW *window, int y, const struct top_heights *heights, const struct top_screen *screen)
{
    if (heights->tabs > 0)
        draw_tabs(window, y, screen);
    y += heights->tabs;
    draw_rows(window, y, heights, screen->view);
    if (screen->view->rows.count == 0 && heights->list > 0)
        draw_nothing(window, y + heights->title, screen);
    if (heights->foot > 0)
        draw_foot(window, screen);
}
