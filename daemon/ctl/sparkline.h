/* SPDX-License-Identifier: ISC
 *
 * sparkline - numbers as one line of signs of growing height. Pure.
 */
#ifndef POSTERN_CTL_SPARKLINE_H
#define POSTERN_CTL_SPARKLINE_H

#include <stdbool.h>
#include <stdint.h>

enum { SPARKLINE_UNKNOWN = -1, SPARKLINE_LEVELS = 9 }; /* level 0: nothing at all */

/* The largest becomes the highest level, the smallest that is not 0 is at least 1; below 0: not known. The largest. */
int64_t sparkline_scale(const int64_t *values, int count, int *levels_out);
/* The sign of a level: of UTF-8, or one octet of ASCII. */
const char *sparkline_sign(int level, bool utf8);

#endif
