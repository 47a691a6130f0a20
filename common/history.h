/* SPDX-License-Identifier: ISC
 *
 * history - what each minute of the last day was like: a region of the scoreboard that the housekeeper alone writes.
 *
 * A ring of minutes, each known by its own number, so that one in which nobody wrote is not there, and one of yesterday
 * is not taken for one of today. Beside them stands what the housekeeper goes by (the minute under way), so that the
 * next one goes on where the last one died. For readers all of it is rumour (L7): copied once, each number in range.
 */
#ifndef POSTERN_COMMON_HISTORY_H
#define POSTERN_COMMON_HISTORY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/totals.h"

enum { HISTORY_MINUTES = 24 * 60, HISTORY_MINUTE_S = 60 };

/* In the order in which they are shown. */
enum history_value {
    /* in this minute */
    HISTORY_SESSIONS, /* that ended */
    HISTORY_MESSAGES,
    HISTORY_REFUSED_MESSAGES,
    HISTORY_BYTES_IN,
    HISTORY_HELD_SESSIONS,
    HISTORY_TURNED_AWAY,
    HISTORY_LIMITED,
    HISTORY_LET_GO,
    HISTORY_CRASHED,
    /* at its end, and the most in it, as far as was looked */
    HISTORY_BUSY,
    HISTORY_BUSY_MOST,
    HISTORY_HELD,
    HISTORY_HELD_MOST,
    HISTORY_WORKERS,
    HISTORY_VALUES
};

struct history_minute {
    int64_t number; /* minutes since 1970 */
    uint64_t values[HISTORY_VALUES];
};

struct history {
    struct {
        int64_t number; /* of the minute under way; 0: none was yet */
        uint64_t busy_most, held_most;
        struct totals before; /* when it began */
    } now;
    struct history_row {
        _Atomic uint32_t sequence; /* odd while it changes */
        struct history_minute minute;
    } rows[HISTORY_MINUTES];
};

/* The housekeeper. In the place of the same minute yesterday. */
void history_write(struct history *history, const struct history_minute *minute);

/* Readers. False: nothing was written of this minute, or it could not be read. No value is over HISTORY_MOST. */
#define HISTORY_MOST ((UINT64_C(1) << 53) - 1) /* what a reader of JSON understands */
bool history_read(const struct history *history, int64_t number, struct history_minute *out);

const char *history_value_name(enum history_value value);

#endif
