/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "workers/translate.h"

struct reply translate(const struct reply *inside)
{
    struct reply outside = *inside;
    int class = reply_class(inside);
    if (outside.enhanced[0] == '\0' && class != 3)
        snprintf(outside.enhanced, sizeof(outside.enhanced), "%d.0.0", class);
    return outside;
}
