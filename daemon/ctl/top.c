/* SPDX-License-Identifier: ISC */
#include <curses.h>
#include <string.h>

#include "common/clock.h"

#include "daemon/ctl/ask.h"
#include "daemon/ctl/top.h"
#include "daemon/ctl/top_draw.h"
#include "daemon/ctl/top_terminal.h"

enum { LOOK_WAIT_MS = 3000, ORDER_WAIT_MS = 10000, MS_PER_S = 1000, S_PER_MINUTE = 60, HISTORY_AFTER_S = 2 };

struct top {
    const char *socket;
    int seconds;
    struct top_terminal terminal;
    struct top_model model;
    struct top_view view;
    char error[COLUMN_CELL_MAX]; /* why posternd is not reached, or does not say it; empty: all is well */
    int64_t history_minute;      /* in which it was asked for */
};

/* -- looking */

static int64_t minute_now(int64_t after_s)
{
    return ((int64_t)clock_wall() - after_s) / S_PER_MINUTE;
}

static bool look(struct top *top, const char *request, struct answer *out)
{
    char why[ASK_WHY_MAX];
    if (ask_some(top->socket, request, LOOK_WAIT_MS, TOP_LISTED_MAX, out, why)) {
        top->error[0] = '\0';
        return true;
    }
    answer_clear(out);
    snprintf(top->error, sizeof(top->error), "NOT REACHED: %s", why);
    top_model_lost(&top->model);
    return false;
}

static void say_refused(struct top *top, const struct answer *answer)
{
    const char *why = answer_text(&answer->error, "why");
    if (answer->end == ANSWER_ERROR)
        column_print_text(top->error, why, strlen(why));
}

static bool look_at_pane(struct top *top)
{
    struct answer answer;
    if (!look(top, top_panes[top->view.pane].request, &answer))
        return false;
    say_refused(top, &answer);
    top_model_take_listing(&top->model, &answer, top->view.pane);
    return true;
}

/* Once a minute, when posternd has had the time to write the last one down. */
static bool look_at_history(struct top *top)
{
    struct answer answer;
    char why[ASK_WHY_MAX];
    int64_t minute = minute_now(HISTORY_AFTER_S);
    if (top->model.history != TOP_HISTORY_NOT_ASKED && top->history_minute == minute)
        return true;
    if (!ask(top->socket, "history", LOOK_WAIT_MS, &answer, why)) {
        answer_clear(&answer);
        return false;
    }
    top_model_take_history(&top->model, &answer);
    top->history_minute = minute;
    return true;
}

static bool look_around(struct top *top)
{
    struct answer answer;
    if (!look(top, "status", &answer))
        return false;
    if (answer.end == ANSWER_ERROR) { /* no child for it, say: what was known last stays */
        say_refused(top, &answer);
        top_model_lost(&top->model);
        answer_clear(&answer);
        return false;
    }
    top_model_take_status(&top->model, &answer, clock_ms(), minute_now(0));
    return look_at_pane(top) && look_at_history(top);
}

/* -- orders */

static void say_done(struct top *top, const struct answer *answer)
{
    char plain[COLUMN_CELL_MAX];
    const struct answer_record *error = &answer->error;
    const struct answer_record *file = top_model_record(answer, "file");
    const char *kept = file != NULL ? answer_text(file, "not_kept") : "";
    const char *why = answer->end == ANSWER_ERROR ? answer_text(error, "why") : kept;
    column_print_text(plain, why, strlen(why));
    snprintf(top->view.note, sizeof(top->view.note), "%.100s: %s%.140s", top->view.order,
             answer->end == ANSWER_ERROR ? ""
             : kept[0] != '\0'           ? "done, NOT KEPT: "
                                         : "done",
             plain);
}

static void give_order(struct top *top)
{
    struct answer answer;
    char why[ASK_WHY_MAX];
    if (ask(top->socket, top->view.order, ORDER_WAIT_MS, &answer, why))
        say_done(top, &answer);
    else
        snprintf(top->view.note, sizeof(top->view.note), "%.100s: %.150s", top->view.order, why);
    answer_clear(&answer);
    top->view.order[0] = '\0';
}

/* -- the loop */

static void draw(struct top *top)
{
    struct top_screen screen = {.model = &top->model,
                                .view = &top->view,
                                .error = top->error,
                                .minute = minute_now(0),
                                .utf8 = top->terminal.utf8};
    top_draw(stdscr, &screen);
    refresh();
}

/* True: look again at once. */
static bool take_keys(struct top *top)
{
    int pane = top->view.pane;
    bool paused = top->view.paused, ordered = false;
    for (int key; (key = top_terminal_key()) != TOP_KEY_NONE && !top->view.quit;) {
        top_view_key(&top->view, key);
        top_view_arrange(&top->view, &top->model, top->view.page);
        if (top->view.order[0] == '\0')
            continue;
        give_order(top);
        ordered = true;
    }
    if (pane != top->view.pane && !top->view.quit)
        look_at_pane(top);
    return ordered || (paused && !top->view.paused);
}

static void watch(struct top *top)
{
    int64_t next_ms = clock_deadline((int64_t)top->seconds * MS_PER_S);
    while (!top->view.quit && !top->terminal.gone) {
        draw(top);
        top_terminal_wait(&top->terminal, next_ms);
        bool now = take_keys(top);
        if (clock_ms() < next_ms && !now)
            continue;
        next_ms = clock_deadline((int64_t)top->seconds * MS_PER_S);
        if (!top->view.paused || now)
            look_around(top);
    }
}

static enum top_end complain(enum top_end end, const char *why)
{
    fprintf(stderr, "posternctl: %s\n", why);
    return end;
}

enum top_end top_run(const char *socket, int seconds)
{
    struct top top = {.socket = socket, .seconds = seconds};
    struct answer answer;
    char why[ASK_WHY_MAX];
    if (!top_terminal_is_one(why))
        return complain(TOP_NO_TERMINAL, why);
    if (!ask(socket, "status", LOOK_WAIT_MS, &answer, why)) {
        answer_clear(&answer);
        return complain(TOP_UNREACHED, why);
    }
    answer_clear(&answer); /* somebody is there */
    if (!top_terminal_open(&top.terminal, why)) {
        top_model_clear(&top.model);
        return complain(TOP_NO_TERMINAL, why);
    }
    top_draw_colours();
    look_around(&top);
    watch(&top);
    top_terminal_close(&top.terminal);
    top_model_clear(&top.model);
    top_view_clear(&top.view);
    return TOP_QUIT;
}
