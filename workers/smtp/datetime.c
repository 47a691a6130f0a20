/* SPDX-License-Identifier: ISC */
#include "workers/smtp/datetime.h"

#include <time.h>

static const uint64_t LAST_SECOND = UINT64_C(253402300799); /* of 9999 */

/* So many digits off the front, and `after` behind them; -1: not there. */
static int take_number(struct slice *rest, size_t digits, char after)
{
    int number = 0;
    if (rest->size <= digits || rest->at[digits] != after)
        return -1;
    for (size_t i = 0; i < digits; i++) {
        if (!ascii_is_digit(rest->at[i]))
            return -1;
        number = number * 10 + (rest->at[i] - '0');
    }
    slice_drop(rest, digits + 1);
    return number;
}

/* "Z" behind the seconds, or ".25Z"; the seconds' own two digits are still there. */
static int take_seconds(struct slice *rest)
{
    int seconds = take_number(rest, 2, rest->size > 2 && rest->at[2] == '.' ? '.' : 'Z');
    while (seconds >= 0 && rest->size > 1 && ascii_is_digit(*rest->at)) {
        slice_drop(rest, 1);
        if (rest->size == 1 && *rest->at == 'Z')
            slice_drop(rest, 1);
    }
    return rest->size == 0 ? seconds : -1;
}

bool datetime_parse(struct slice text, uint64_t *seconds_out)
{
    struct tm read = {0};
    read.tm_year = take_number(&text, 4, '-') - 1900;
    read.tm_mon = take_number(&text, 2, '-') - 1;
    read.tm_mday = take_number(&text, 2, 'T');
    read.tm_hour = take_number(&text, 2, ':');
    read.tm_min = take_number(&text, 2, ':');
    read.tm_sec = take_seconds(&text);
    if (read.tm_year < 70 || read.tm_hour < 0 || read.tm_min < 0 || read.tm_sec < 0)
        return false;
    struct tm made = read;
    time_t seconds = timegm(&made); /* the thirtieth of February becomes another day */
    *seconds_out = (uint64_t)seconds;
    return seconds >= 0 && made.tm_mon == read.tm_mon && made.tm_mday == read.tm_mday && made.tm_hour == read.tm_hour &&
           made.tm_min == read.tm_min && made.tm_sec == read.tm_sec;
}

bool datetime_print(struct buffer *to, uint64_t seconds)
{
    time_t moment = (time_t)seconds;
    struct tm tm;
    if (seconds > LAST_SECOND || gmtime_r(&moment, &tm) == NULL)
        return false;
    return buffer_print(to, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                        tm.tm_min, tm.tm_sec);
}
