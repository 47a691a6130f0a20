/* SPDX-License-Identifier: ISC
 *
 * top_model - what the live view knows of posternd: the last answers, what changed between two of them, and the last
 * hour minute by minute. Pure: asks nobody and draws nothing; it owns the answers that it is given.
 */
#ifndef POSTERN_CTL_TOP_MODEL_H
#define POSTERN_CTL_TOP_MODEL_H

#include "daemon/ctl/answer.h"

enum { TOP_MINUTES = 60 };

enum top_rate {
    TOP_RATE_SESSIONS,
    TOP_RATE_MESSAGES,
    TOP_RATE_REFUSED,
    TOP_RATE_LIMITED,
    TOP_RATE_HELD,
    TOP_RATE_LET_GO,
    TOP_RATE_BYTES,
    TOP_RATES
};
struct top_rate_row {
    const char *key; /* in the totals of `status` */
    const char *title;
    bool bytes;
};
extern const struct top_rate_row top_rate_rows[TOP_RATES];

/* What the sparkline shows: sums of a minute, or the most that there was in it. */
enum top_series { TOP_MESSAGES_SERIES, TOP_SESSIONS_SERIES, TOP_BUSY_SERIES, TOP_HELD_SERIES, TOP_SERIES };
extern const char *const top_series_titles[TOP_SERIES];

struct top_minute {
    int64_t minute; /* since 1970; another one than was asked for: not known */
    int64_t values[TOP_SERIES];
};
/* By minute modulo TOP_MINUTES. What posternd remembers counts more than what we saw. */
struct top_hour {
    struct top_minute told[TOP_MINUTES], seen[TOP_MINUTES];
};

enum top_history { TOP_HISTORY_NOT_ASKED, TOP_HISTORY_THERE, TOP_HISTORY_NONE };

struct top_model {
    struct answer status, listing;
    int pane; /* that the listing is of */
    int64_t totals[TOP_RATES], totals_ms;
    bool totals_known, rates_known;
    double per_s[TOP_RATES];
    enum top_history history;
    struct top_hour hour;
};

/* Each takes the answer over. `now_ms` is of a clock that only goes forward, `minute` the one of now since 1970. */
void top_model_take_status(struct top_model *model, struct answer *answer, int64_t now_ms, int64_t minute);
void top_model_take_history(struct top_model *model, struct answer *answer);
void top_model_take_listing(struct top_model *model, struct answer *answer, int pane);
/* Nobody was reached: what comes next may be another posternd's. */
void top_model_lost(struct top_model *model);
void top_model_clear(struct top_model *model);

/* The last `count` minutes, `minute` is the last of them; -1: not known. */
void top_model_series(const struct top_model *model, enum top_series series, int64_t minute, int count,
                      int64_t *values_out);
/* How many workers of all listeners and generations are so ("busy", "held"). */
int64_t top_model_workers(const struct top_model *model, const char *so);
/* The first of its kind; NULL: there is none. */
const struct answer_record *top_model_record(const struct answer *answer, const char *kind);
/* Of what is counted: never below 0, at most so large that sums of some fit. 0: no record, no such field. */
int64_t top_model_number(const struct answer_record *record, const char *key);

#endif
