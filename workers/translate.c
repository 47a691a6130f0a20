/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "workers/translate.h"

static const struct reply REPLY_OWN_TROUBLE =
    REPLY(451, "4.3.0", "The mail server refuses what this gate needs, try again later");

struct reply translate(const struct reply *inside, enum answers answers)
{
    int class = reply_class(inside);
    if (answers == ANSWERS_US && class >= 4 && inside->code != 421)
        return REPLY_OWN_TROUBLE;
    struct reply outside = *inside;
    if (outside.enhanced[0] == '\0' && class != 3)
        snprintf(outside.enhanced, sizeof(outside.enhanced), "%d.0.0", class);
    return outside;
}
