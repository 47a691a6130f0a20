/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "daemon/ctl/sparkline.h"
#include "daemon/ctl/top_draw.h"
#include "daemon/ctl/top_draw_internal.h"
#include "daemon/ctl/top_layout.h"

enum { LINE_MAX_OCTETS = 2 * COLUMN_CELL_MAX, RATE_WIDTH = 18, NAME_WIDTH = 12, BAR_LEAST = 10, BAR_MOST = 200 };

static const struct column VERSION = {"version", "", AS_IT_IS}, HOSTNAME = {"hostname", "", AS_IT_IS},
                           STATE = {"state", "", AS_IT_IS}, UPTIME = {"uptime_ms", "", AGE},
                           GENERATION = {"generation", "", AS_IT_IS}, NAME = {"name", "", AS_IT_IS},
                           SINCE = {"since_ms", "", AGE};

/* -- lines */

void top_draw_colours(void)
{
    if (!has_colors() || start_color() == ERR)
        return;
    short ground = use_default_colors() == OK ? -1 : COLOR_BLACK;
    init_pair(TOP_PAIR_BAD, COLOR_RED, ground);
    init_pair(TOP_PAIR_HELD, COLOR_YELLOW, ground);
    init_pair(TOP_PAIR_GOOD, COLOR_GREEN, ground);
}

chtype top_draw_pair(enum top_pair pair)
{
    return has_colors() ? (chtype)COLOR_PAIR(pair) : 0;
}

void top_draw_line(WINDOW *window, int y, chtype attributes, const char *text)
{
    wattrset(window, (int)attributes);
    mvwprintw(window, y, 0, "%-*.*s", getmaxx(window), getmaxx(window), text);
    wattrset(window, A_NORMAL);
}

static void say(struct buffer *line, const char *before, const struct answer_record *record,
                const struct column *column)
{
    char cell[COLUMN_CELL_MAX];
    column_print(cell, record, column);
    if (cell[0] != '\0')
        buffer_print(line, "%s%s", before, cell);
}

/* -- the head */

static void draw_head(WINDOW *window, int y, const struct top_model *model)
{
    char memory[LINE_MAX_OCTETS] = "";
    struct buffer line;
    const struct answer_record *master = top_model_record(&model->status, "posternd");
    buffer_init(&line, memory, sizeof(memory));
    if (master != NULL) {
        say(&line, "posternd ", master, &VERSION);
        say(&line, " ", master, &HOSTNAME);
        say(&line, "  ", master, &STATE);
        say(&line, "  up ", master, &UPTIME);
        say(&line, "  generation ", master, &GENERATION);
    }
    for (int i = 0; i < model->status.count; i++) {
        const struct answer_record *record = &model->status.records[i];
        if (strcmp(record->kind, "draining") != 0)
            continue;
        say(&line, ", draining ", record, &GENERATION);
        buffer_print(&line, " (%" PRId64 " busy)", top_model_number(record, "busy"));
    }
    if (master != NULL && answer_text(master, "reload_refused")[0] != '\0')
        buffer_print(&line, "%s", "  last reload REFUSED");
    memory[line.end < sizeof(memory) ? line.end : sizeof(memory) - 1] = '\0';
    top_draw_line(window, y, A_BOLD, memory);
}

static bool is_bypassed(const struct top_model *model)
{
    return top_model_number(top_model_record(&model->status, "bypass"), "on") != 0;
}

static void draw_alarm(WINDOW *window, int y, const struct top_model *model)
{
    char since[COLUMN_CELL_MAX] = "", line[LINE_MAX_OCTETS];
    const struct answer_record *bypass = top_model_record(&model->status, "bypass");
    if (bypass != NULL)
        column_print(since, bypass, &SINCE);
    snprintf(line, sizeof(line), "CHECKS BYPASSED%s%s: they refuse and delay nobody (posternctl bypass off)",
             since[0] != '\0' ? " for " : "", since);
    top_draw_line(window, y, A_BOLD | A_REVERSE | top_draw_pair(TOP_PAIR_BAD), line);
}

/* -- listeners */

static int count_listeners(const struct top_model *model)
{
    int count = 0;
    for (int i = 0; i < model->status.count; i++)
        count += strcmp(model->status.records[i].kind, "listener") == 0;
    return count;
}

static chtype attribute_of(char sign)
{
    return sign == 'H'   ? A_BOLD | top_draw_pair(TOP_PAIR_HELD)
           : sign == '#' ? A_BOLD | top_draw_pair(TOP_PAIR_GOOD)
                         : A_NORMAL;
}

static void draw_bar(WINDOW *window, const struct top_crew *crew, int width)
{
    char bar[BAR_MOST + 1];
    top_layout_bar(crew, width < BAR_MOST ? width : BAR_MOST, bar);
    waddch(window, '[');
    for (const char *sign = bar; *sign != '\0'; sign++)
        waddch(window, (chtype)(unsigned char)*sign | attribute_of(*sign));
    waddch(window, ']');
}

static void draw_listener(WINDOW *window, int y, const struct answer_record *record)
{
    struct top_crew crew = {.held = top_model_number(record, "held"),
                            .busy = top_model_number(record, "busy"),
                            .starting = top_model_number(record, "starting"),
                            .idle = top_model_number(record, "idle"),
                            .most = top_model_number(record, "max")};
    char name[COLUMN_CELL_MAX], words[LINE_MAX_OCTETS];
    column_print(name, record, &NAME);
    snprintf(words, sizeof(words), " %" PRId64 " busy, %" PRId64 " held, %" PRId64 " idle, max %" PRId64, crew.busy,
             crew.held, crew.idle, crew.most);
    int room = getmaxx(window) - NAME_WIDTH - 3;
    if (room < BAR_LEAST + (int)strlen(words))
        snprintf(words, sizeof(words), " %" PRId64 "/%" PRId64, crew.busy, crew.most);
    top_draw_line(window, y, A_NORMAL, "");
    mvwprintw(window, y, 0, "%-*.*s ", NAME_WIDTH, NAME_WIDTH, name);
    if (room > (int)strlen(words))
        draw_bar(window, &crew, room - (int)strlen(words));
    waddnstr(window, words, getmaxx(window) - getcurx(window));
}

static void draw_listeners(WINDOW *window, int y, int count, const struct top_model *model)
{
    char line[TOP_NOTE_MAX];
    int all = count_listeners(model), drawn = 0;
    for (int i = 0; i < model->status.count && drawn < count; i++) {
        if (strcmp(model->status.records[i].kind, "listener") != 0)
            continue;
        drawn++;
        if (drawn < count || all == count) {
            draw_listener(window, y + drawn - 1, &model->status.records[i]);
        } else if (count == 1) {
            draw_listener(window, y, &model->status.records[i]);
        } else {
            snprintf(line, sizeof(line), "and %d more listeners: posternctl status", all - drawn + 1);
            top_draw_line(window, y + drawn - 1, A_NORMAL, line);
        }
    }
}

/* -- rates and the last hour */

static int rates_in_line(const WINDOW *window)
{
    int fit = getmaxx(window) / RATE_WIDTH;
    return fit > 0 ? fit : 1;
}

static void print_rate(char cell[COLUMN_CELL_MAX], const struct top_model *model, int rate)
{
    double value = model->per_s[rate];
    if (!model->rates_known)
        snprintf(cell, COLUMN_CELL_MAX, "-");
    else if (top_rate_rows[rate].bytes)
        column_print_bytes(cell, (int64_t)value);
    else
        snprintf(cell, COLUMN_CELL_MAX, value < 100 ? "%.1f" : "%.0f", value);
}

static void draw_rates(WINDOW *window, int y, int lines, const struct top_model *model)
{
    char cell[COLUMN_CELL_MAX];
    int in_line = rates_in_line(window);
    for (int i = 0; i < lines; i++)
        top_draw_line(window, y + i, A_NORMAL, "");
    for (int i = 0; i < TOP_RATES && i / in_line < lines; i++) {
        print_rate(cell, model, i);
        wmove(window, y + i / in_line, i % in_line * RATE_WIDTH);
        wprintw(window, "%s ", top_rate_rows[i].title);
        wattron(window, A_BOLD);
        wprintw(window, "%s", cell);
        wattroff(window, A_BOLD);
        waddstr(window, model->rates_known ? "/s" : "");
    }
}

static void draw_spark(WINDOW *window, int y, const struct top_screen *screen)
{
    int64_t values[TOP_MINUTES];
    int levels[TOP_MINUTES];
    char words[TOP_NOTE_MAX];
    const struct top_model *model = screen->model;
    const char *title = top_series_titles[screen->view->series];
    top_model_series(model, screen->view->series, screen->minute, TOP_MINUTES, values);
    int64_t most = sparkline_scale(values, TOP_MINUTES, levels);
    snprintf(words, sizeof(words), " %" PRId64 "%s", most,
             model->history == TOP_HISTORY_NONE ? " (no history: since top began)" : "");
    int room = getmaxx(window) - (int)strlen(title) - 1 - (int)strlen(words);
    top_draw_line(window, y, A_NORMAL, title);
    wmove(window, y, (int)strlen(title) + 1 < getmaxx(window) ? (int)strlen(title) + 1 : 0);
    for (int i = room < TOP_MINUTES ? TOP_MINUTES - room : 0; i < TOP_MINUTES; i++)
        waddstr(window, sparkline_sign(levels[i], screen->utf8));
    waddnstr(window, words, room > 0 ? -1 : 0);
}

/* -- the whole */

static void draw_parts(WINDOW *window, const struct top_screen *screen, const struct top_heights *heights)
{
    int y = 0;
    const struct top_model *model = screen->model;
    if (heights->head > 0)
        draw_head(window, y, model);
    y += heights->head;
    if (heights->alarm > 0)
        draw_alarm(window, y, model);
    y += heights->alarm;
    draw_listeners(window, y, heights->listeners, model);
    y += heights->listeners;
    draw_rates(window, y, heights->rates, model);
    y += heights->rates;
    if (heights->spark > 0)
        draw_spark(window, y, screen);
    y += heights->spark;
    top_draw_list(window, y, heights, screen);
}

void top_draw(WINDOW *window, const struct top_screen *screen)
{
    struct top_wanted wanted = {
        .alarm = is_bypassed(screen->model),
        .listeners = count_listeners(screen->model),
        .rates = (TOP_RATES + rates_in_line(window) - 1) / rates_in_line(window),
    };
    struct top_heights heights = top_layout_heights(getmaxy(window), &wanted);
    werase(window);
    top_view_arrange(screen->view, screen->model, heights.list);
    if (screen->view->help)
        top_draw_help(window);
    else
        draw_parts(window, screen, &heights);
    wmove(window, getmaxy(window) - 1, 0);
}
