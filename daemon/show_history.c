/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <time.h>

#include "common/clock.h"

#include "daemon/deed.h"
#include "daemon/show_internal.h"

enum { DEFAULT_MINUTES = 60, TIME_TEXT = 32 };

static void say_time(struct buffer *to, int64_t number)
{
    char text[TIME_TEXT] = "";
    time_t at = (time_t)number * HISTORY_MINUTE_S;
    struct tm tm;
    if (gmtime_r(&at, &tm) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%MZ", &tm);
    control_string(to, "time", text);
}

static void say_minute(struct show *show, const struct history_minute *minute, int64_t now)
{
    struct buffer *to = show_record(show, "minute");
    say_time(to, minute->number);
    control_number(to, "ago", now - minute->number);
    for (int i = 0; i < HISTORY_VALUES; i++)
        show_count(to, history_value_name((enum history_value)i), minute->values[i]);
    control_end(to);
}

static bool understand(struct show *show, int64_t *minutes_out)
{
    uint64_t number = DEFAULT_MINUTES;
    const struct control_request *request = &show->request;
    bool understood = request->count == 0 || slice_to_number(request->arguments[0], &number);
    *minutes_out = (int64_t)number;
    if (understood && number >= 1 && number <= HISTORY_MINUTES)
        return true;
    deed_error(&show->out, "so many minutes are not kept: 1 to 1440, which is a day", "posternctl history 60");
    return false;
}

/* The minute under way is not written yet: the last one was a minute ago. */
bool show_history(struct show *show)
{
    int64_t now = clock_wall() / HISTORY_MINUTE_S, minutes;
    struct history_minute minute;
    if (!understand(show, &minutes))
        return false;
    for (int64_t number = now - minutes; number < now; number++)
        if (history_read(show->view.house->board.history, number, &minute))
            say_minute(show, &minute, now);
    return true;
}
