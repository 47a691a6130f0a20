/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/ctl/top_view.h"

#define TIME_DEFAULT "1h"
#define TIME_EVER    "ever"

static void note(struct top_view *view, const char *text)
{
    snprintf(view->note, sizeof(view->note), "%s", text);
}

/* -- the selected row */

static const struct answer_record *selected(const struct top_view *view)
{
    return view->selected < view->rows.count ? view->rows.at[view->selected] : NULL;
}

static int clamp(int value, int least, int most)
{
    return value > most ? (most < least ? least : most) : value < least ? least : value;
}

static void scroll_to_selected(struct top_view *view)
{
    int page = view->page > 0 ? view->page : 1;
    view->selected = clamp(view->selected, 0, view->rows.count - 1);
    view->first = clamp(view->first, view->selected - page + 1, view->selected);
    view->first = clamp(view->first, 0, clamp(view->rows.count - page, 0, view->rows.count));
}

static void remember_selected(struct top_view *view)
{
    const struct answer_record *record = selected(view);
    const char *key = record != NULL ? answer_text(record, top_panes[view->pane].key) : "";
    snprintf(view->selected_key, sizeof(view->selected_key), "%s", key);
}

static void select_row(struct top_view *view, int row)
{
    view->selected = row;
    scroll_to_selected(view);
    remember_selected(view);
}

void top_view_arrange(struct top_view *view, const struct top_model *model, int page)
{
    static const struct answer nothing;
    const struct top_pane *pane = &top_panes[view->pane];
    top_rows_arrange(&view->rows, model->pane == view->pane ? &model->listing : &nothing, pane,
                     &pane->sorts[view->sort[view->pane]], view->reversed[view->pane], view->filter);
    view->page = page;
    int found = view->selected_key[0] != '\0' ? top_rows_find(&view->rows, pane, view->selected_key) : -1;
    if (found >= 0)
        view->selected = found;
    scroll_to_selected(view);
    if (view->rows.count > 0)
        remember_selected(view);
}

/* -- what is asked before something is done */

/* It becomes words of a request: one word, and nothing that is not of an id, an address or a network. */
static bool take_target(struct top_view *view, const char *key)
{
    const struct answer_record *record = selected(view);
    const char *text = record != NULL && key != NULL ? answer_text(record, key) : "";
    size_t size = strlen(text);
    if (size == 0 || size >= sizeof(view->target) || text[0] == '-')
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && strchr(".:/-", text[i]) == NULL)
            return false;
    snprintf(view->target, sizeof(view->target), "%s", text);
    return true;
}

static void ask_kill(struct top_view *view)
{
    if (take_target(view, top_panes[view->pane].session))
        view->prompt = TOP_PROMPT_KILL;
    else
        note(view, view->pane == TOP_SESSIONS ? "no session is selected" : "sessions are ended in their own pane (1)");
}

static void ask_time(struct top_view *view, const char *verb)
{
    if (!take_target(view, top_panes[view->pane].client) || strpbrk(view->target, ".:") == NULL) {
        note(view, "no address is selected");
        return;
    }
    snprintf(view->verb, sizeof(view->verb), "%s", verb);
    snprintf(view->text, sizeof(view->text), "%s", TIME_DEFAULT);
    view->prompt = TOP_PROMPT_TIME;
}

static void ask_filter(struct top_view *view)
{
    snprintf(view->text, sizeof(view->text), "%s", view->filter);
    view->prompt = TOP_PROMPT_FILTER;
}

bool top_view_question(const struct top_view *view, char out[TOP_NOTE_MAX])
{
    bool ever = strcmp(view->text, TIME_EVER) == 0;
    switch (view->prompt) {
    case TOP_PROMPT_KILL:
        snprintf(out, TOP_NOTE_MAX, "end session %s? (y/n)", view->target);
        return true;
    case TOP_PROMPT_TIME:
        snprintf(out, TOP_NOTE_MAX, "%s %s for how long (30m 2h 1d " TIME_EVER ", Esc: no)? %s", view->verb,
                 view->target, view->text);
        return true;
    case TOP_PROMPT_LIST:
        snprintf(out, TOP_NOTE_MAX, "%s %s %s%s? (y/n)", view->verb, view->target, ever ? "" : "for ", view->text);
        return true;
    case TOP_PROMPT_FILTER:
        snprintf(out, TOP_NOTE_MAX, "show rows with: %s", view->text);
        return true;
    case TOP_NO_PROMPT:
        break;
    }
    return false;
}

/* -- and answered */

static void time_typed(struct top_view *view)
{
    int64_t ms;
    bool good =
        strcmp(view->text, TIME_EVER) == 0 || control_parse_duration(slice_of(view->text), CONTROL_LISTED_MAX_MS, &ms);
    if (good)
        view->prompt = TOP_PROMPT_LIST;
    else
        note(view, "a time is 30m, 2h or 1d, or " TIME_EVER);
}

static void filter_typed(struct top_view *view)
{
    snprintf(view->filter, sizeof(view->filter), "%s", view->text);
    view->prompt = TOP_NO_PROMPT;
}

static void type(struct top_view *view, int key)
{
    size_t size = strlen(view->text);
    if (key == TOP_KEY_BACKSPACE && size > 0)
        view->text[size - 1] = '\0';
    else if (key >= ' ' && key <= '~' && size + 1 < sizeof(view->text))
        snprintf(view->text + size, 2, "%c", key);
    else if (key == TOP_KEY_ENTER && view->prompt == TOP_PROMPT_TIME)
        time_typed(view);
    else if (key == TOP_KEY_ENTER)
        filter_typed(view);
}

static void confirm(struct top_view *view, int key)
{
    if (key != 'y' && key != 'Y')
        note(view, "nothing was done");
    else if (view->prompt == TOP_PROMPT_KILL)
        snprintf(view->order, sizeof(view->order), "kill %s", view->target);
    else if (strcmp(view->text, TIME_EVER) == 0)
        snprintf(view->order, sizeof(view->order), "%s %s", view->verb, view->target);
    else
        snprintf(view->order, sizeof(view->order), "%s %s for %s", view->verb, view->target, view->text);
    view->prompt = TOP_NO_PROMPT;
}

static void answer_prompt(struct top_view *view, int key)
{
    if (key == TOP_KEY_ESCAPE) {
        view->prompt = TOP_NO_PROMPT;
        note(view, "nothing was done");
    } else if (view->prompt == TOP_PROMPT_TIME || view->prompt == TOP_PROMPT_FILTER) {
        type(view, key);
    } else {
        confirm(view, key);
    }
}

/* -- what is shown */

static void show_pane(struct top_view *view, int pane)
{
    view->pane = (pane + TOP_PANES) % TOP_PANES;
    view->selected = view->first = 0;
    view->rows.count = 0; /* they are of another answer */
    view->selected_key[0] = '\0';
}

static void sort_by_next(struct top_view *view)
{
    int *sort = &view->sort[view->pane];
    *sort = (*sort + 1) % top_pane_sorts(&top_panes[view->pane]);
}

static void move(struct top_view *view, int key)
{
    int page = view->page > 1 ? view->page - 1 : 1;
    switch (key) {
    case TOP_KEY_UP:
    case TOP_KEY_DOWN:
        select_row(view, view->selected + (key == TOP_KEY_UP ? -1 : 1));
        break;
    case TOP_KEY_PAGE_UP:
    case TOP_KEY_PAGE_DOWN:
        select_row(view, view->selected + (key == TOP_KEY_PAGE_UP ? -page : page));
        break;
    case TOP_KEY_HOME:
        select_row(view, 0);
        break;
    case TOP_KEY_END:
        select_row(view, view->rows.count - 1);
        break;
    default:
        break;
    }
}

static void show(struct top_view *view, int key)
{
    switch (key) {
    case TOP_KEY_TAB:
        show_pane(view, view->pane + 1);
        break;
    case TOP_KEY_BACK_TAB:
        show_pane(view, view->pane - 1);
        break;
    case 's':
        sort_by_next(view);
        break;
    case 'r':
        view->reversed[view->pane] = !view->reversed[view->pane];
        break;
    case 'g':
        view->series = (view->series + 1) % TOP_SERIES;
        break;
    case 'p':
        view->paused = !view->paused;
        break;
    default:
        if (key >= '1' && key < '1' + TOP_PANES)
            show_pane(view, key - '1');
        else
            move(view, key);
    }
}

static void do_key(struct top_view *view, int key)
{
    switch (key) {
    case 'q':
        view->quit = true;
        break;
    case 'h':
    case '?':
        view->help = true;
        break;
    case 'k':
        ask_kill(view);
        break;
    case 'b':
        ask_time(view, "block");
        break;
    case 'a':
        ask_time(view, "allow");
        break;
    case '/':
        ask_filter(view);
        break;
    default:
        show(view, key);
    }
}

void top_view_key(struct top_view *view, int key)
{
    view->note[0] = '\0';
    if (view->help)
        view->help = false;
    else if (view->prompt != TOP_NO_PROMPT)
        answer_prompt(view, key);
    else
        do_key(view, key);
}

void top_view_clear(struct top_view *view)
{
    top_rows_clear(&view->rows);
}
