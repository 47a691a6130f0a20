/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "daemon/ctl/top_model.h"

enum { MS_PER_S = 1000, S_PER_MINUTE = 60 };

static const int64_t NUMBER_MOST = INT64_C(1) << 53;

const struct top_rate_row top_rate_rows[TOP_RATES] = {
    [TOP_RATE_SESSIONS] = {"sessions", "sessions", false},
    [TOP_RATE_MESSAGES] = {"messages", "messages", false},
    [TOP_RATE_REFUSED] = {"refused_messages", "refused", false},
    [TOP_RATE_LIMITED] = {"limited", "limited", false},
    [TOP_RATE_HELD] = {"held_sessions", "held", false},
    [TOP_RATE_LET_GO] = {"let_go", "let go", false},
    [TOP_RATE_BYTES] = {"bytes_in", "in", true},
};

const char *const top_series_titles[TOP_SERIES] = {"messages/min", "sessions/min", "busy, most", "held, most"};

/* How a minute of `history` calls them. */
static const char *const HISTORY_KEYS[TOP_SERIES] = {"messages", "sessions", "busy_most", "held_most"};

/* -- records */

const struct answer_record *top_model_record(const struct answer *answer, const char *kind)
{
    for (int i = 0; i < answer->count; i++)
        if (strcmp(answer->records[i].kind, kind) == 0)
            return &answer->records[i];
    return NULL;
}

static int64_t bounded(int64_t number)
{
    return number < 0 ? 0 : number < NUMBER_MOST ? number : NUMBER_MOST;
}

int64_t top_model_number(const struct answer_record *record, const char *key)
{
    const struct answer_field *field = record != NULL ? answer_find(record, key) : NULL;
    return field != NULL ? bounded(field->number) : 0;
}

static void replace(struct answer *to, struct answer *answer)
{
    answer_clear(to);
    *to = *answer;
    *answer = (struct answer){0};
}

/* -- the hour */

static struct top_minute *place_of(struct top_minute *minutes, int64_t minute)
{
    struct top_minute *place = &minutes[minute % TOP_MINUTES];
    if (place->minute != minute)
        *place = (struct top_minute){.minute = minute};
    return place;
}

int64_t top_model_workers(const struct top_model *model, const char *so)
{
    int64_t sum = 0;
    for (int i = 0; i < model->status.count; i++) {
        const struct answer_record *record = &model->status.records[i];
        if (strcmp(record->kind, "listener") == 0 || strcmp(record->kind, "draining") == 0)
            sum = bounded(sum + top_model_number(record, so));
    }
    return sum;
}

static void see(struct top_minute *at, const struct top_model *model, const int64_t *more)
{
    int64_t busy = top_model_workers(model, "busy"), held = top_model_workers(model, "held");
    at->values[TOP_MESSAGES_SERIES] = bounded(at->values[TOP_MESSAGES_SERIES] + more[TOP_RATE_MESSAGES]);
    at->values[TOP_SESSIONS_SERIES] = bounded(at->values[TOP_SESSIONS_SERIES] + more[TOP_RATE_SESSIONS]);
    if (busy > at->values[TOP_BUSY_SERIES])
        at->values[TOP_BUSY_SERIES] = busy;
    if (held > at->values[TOP_HELD_SERIES])
        at->values[TOP_HELD_SERIES] = held;
}

/* "2026-11-28T15:04Z" */
static bool read_minute(const char *text, int64_t *minute_out)
{
    struct tm tm = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%MZ", &tm);
    time_t at = end != NULL && *end == '\0' ? timegm(&tm) : -1;
    *minute_out = at / S_PER_MINUTE;
    return at >= 0;
}

static void tell(struct top_hour *hour, const struct answer_record *record)
{
    int64_t minute;
    if (strcmp(record->kind, "minute") != 0 || !read_minute(answer_text(record, "time"), &minute))
        return;
    struct top_minute *place = place_of(hour->told, minute);
    for (int i = 0; i < TOP_SERIES; i++)
        place->values[i] = top_model_number(record, HISTORY_KEYS[i]);
}

void top_model_take_history(struct top_model *model, struct answer *answer)
{
    model->history = answer->end == ANSWER_OK ? TOP_HISTORY_THERE : TOP_HISTORY_NONE;
    memset(model->hour.told, 0, sizeof(model->hour.told));
    for (int i = 0; i < answer->count; i++) /* the oldest first: a day's, of which the last hour stays */
        tell(&model->hour, &answer->records[i]);
    answer_clear(answer);
}

static const struct top_minute *minute_of(const struct top_hour *hour, int64_t minute, int64_t now)
{
    const struct top_minute *told = &hour->told[minute % TOP_MINUTES], *seen = &hour->seen[minute % TOP_MINUTES];
    if (told->minute == minute && minute < now)
        return told;
    return seen->minute == minute ? seen : NULL;
}

void top_model_series(const struct top_model *model, enum top_series series, int64_t minute, int count,
                      int64_t *values_out)
{
    for (int i = 0; i < count; i++) {
        int64_t wanted = minute - (count - 1 - i);
        const struct top_minute *found = wanted >= 0 ? minute_of(&model->hour, wanted, minute) : NULL;
        values_out[i] = found != NULL ? found->values[series] : -1;
    }
}

/* -- rates */

static bool is_forward(const struct top_model *model, const int64_t *totals, int64_t now_ms)
{
    if (!model->totals_known || now_ms <= model->totals_ms)
        return false;
    for (int i = 0; i < TOP_RATES; i++)
        if (totals[i] < model->totals[i])
            return false; /* it began anew */
    return true;
}

static void compare(struct top_model *model, const int64_t *totals, int64_t now_ms, int64_t *more_out)
{
    model->rates_known = is_forward(model, totals, now_ms);
    for (int i = 0; i < TOP_RATES; i++) {
        more_out[i] = model->rates_known ? totals[i] - model->totals[i] : 0;
        model->per_s[i] = model->rates_known ? (double)more_out[i] * MS_PER_S / (double)(now_ms - model->totals_ms) : 0;
        model->totals[i] = totals[i];
    }
    model->totals_ms = now_ms;
    model->totals_known = true;
}

void top_model_take_status(struct top_model *model, struct answer *answer, int64_t now_ms, int64_t minute)
{
    int64_t totals[TOP_RATES], more[TOP_RATES];
    replace(&model->status, answer);
    const struct answer_record *record = top_model_record(&model->status, "totals");
    if (record == NULL) { /* posternd could not say it: what it counted did not become 0 */
        model->totals_known = model->rates_known = false;
        return;
    }
    for (int i = 0; i < TOP_RATES; i++)
        totals[i] = top_model_number(record, top_rate_rows[i].key);
    compare(model, totals, now_ms, more);
    see(place_of(model->hour.seen, minute), model, more);
}

/* -- the rest */

void top_model_take_listing(struct top_model *model, struct answer *answer, int pane)
{
    replace(&model->listing, answer);
    model->pane = pane;
}

void top_model_lost(struct top_model *model)
{
    model->totals_known = model->rates_known = false;
    model->history = TOP_HISTORY_NOT_ASKED;
}

void top_model_clear(struct top_model *model)
{
    answer_clear(&model->status);
    answer_clear(&model->listing);
    *model = (struct top_model){0};
}
