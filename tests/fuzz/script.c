/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "tests/fuzz/script.h"

bool script_has(const struct script *script, char flag)
{
    return script->flags.size > 0 && memchr(script->flags.at, flag, script->flags.size) != NULL;
}

/* Up to the next single '|', which is taken; doubled ones become one. */
static struct slice take_part(struct slice *rest, char **to)
{
    struct slice part = slice_make(*to, 0);
    while (rest->size > 0) {
        char c = *rest->at;
        slice_drop(rest, 1);
        if (c == '|') {
            if (rest->size == 0 || *rest->at != '|')
                break;
            slice_drop(rest, 1);
        }
        *(*to)++ = c;
        part.size++;
    }
    return part;
}

bool script_parse(struct slice input, struct script *out)
{
    char *to = out->memory;
    if (input.size > sizeof out->memory)
        return false;
    out->count = 0;
    out->flags = take_part(&input, &to);
    while (input.size > 0 && out->count < SCRIPT_STEPS_MAX) {
        struct slice part = take_part(&input, &to);
        if (part.size == 0)
            continue;
        out->steps[out->count++] = (struct step){*part.at, slice_make(part.at + 1, part.size - 1)};
    }
    out->size = (size_t)(to - out->memory);
    return true;
}
