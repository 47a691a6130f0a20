/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "workers/translate.h"

/* Where RFC 4954 section 6 and RFC 3207 say more than the class. */
static const struct {
    int code;
    const char *enhanced;
} codes[] = {{235, "2.7.0"}, {432, "4.7.12"}, {454, "4.7.0"}, {530, "5.7.0"},
             {534, "5.7.9"}, {535, "5.7.8"},  {538, "5.7.11"}};

static void make_enhanced(struct reply *reply)
{
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (codes[i].code == reply->code) {
            snprintf(reply->enhanced, sizeof(reply->enhanced), "%s", codes[i].enhanced);
            return;
        }
    }
    snprintf(reply->enhanced, sizeof(reply->enhanced), "%d.0.0", reply_class(reply));
}

struct reply translate(const struct reply *inside)
{
    struct reply outside = *inside;
    if (outside.enhanced[0] == '\0' && reply_class(inside) != 3)
        make_enhanced(&outside);
    return outside;
}
