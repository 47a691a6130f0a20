/* SPDX-License-Identifier: ISC */
#include "daemon/ctl/sparkline.h"

static int64_t largest(const int64_t *values, int count)
{
    int64_t most = 0;
    for (int i = 0; i < count; i++)
        if (values[i] > most)
            most = values[i];
    return most;
}

/* In floating point: what came over the socket may be as large as it likes. */
static int level_of(int64_t value, int64_t most)
{
    if (value < 0)
        return SPARKLINE_UNKNOWN;
    if (value == 0)
        return 0;
    int level = 1 + (int)((double)value / (double)most * (SPARKLINE_LEVELS - 1) - 0.5);
    return level < SPARKLINE_LEVELS ? level : SPARKLINE_LEVELS - 1;
}

int64_t sparkline_scale(const int64_t *values, int count, int *levels_out)
{
    int64_t most = largest(values, count);
    for (int i = 0; i < count; i++)
        levels_out[i] = level_of(values[i], most);
    return most;
}

const char *sparkline_sign(int level, bool utf8)
{
    static const char *const blocks[SPARKLINE_LEVELS] = {".",
                                                         "\xe2\x96\x81",
                                                         "\xe2\x96\x82",
                                                         "\xe2\x96\x83",
                                                         "\xe2\x96\x84",
                                                         "\xe2\x96\x85",
                                                         "\xe2\x96\x86",
                                                         "\xe2\x96\x87",
                                                         "\xe2\x96\x88"};
    static const char *const ascii[SPARKLINE_LEVELS] = {".", ",", ":", "-", "=", "+", "*", "#", "@"};
    if (level < 0 || level >= SPARKLINE_LEVELS)
        return " ";
    return utf8 ? blocks[level] : ascii[level];
}
