/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>

#include "workers/results.h"

/* It is one line of printable ASCII, and no ';', which would begin another. Quoted strings come without one, too. */
static bool is_one(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < ' ' || text.at[i] > '~' || text.at[i] == ';')
            return false;
    return text.size > 0;
}

bool result_add(struct results *results, const char *format, ...)
{
    va_list args;
    size_t room = sizeof(results->text) - results->used;
    char *at = results->text + results->used;
    if (results->count == RESULTS_MAX)
        return false;
    va_start(args, format);
    int size = vsnprintf(at, room, format, args);
    va_end(args);
    if (size <= 0 || (size_t)size >= room || !is_one(slice_make(at, (size_t)size)))
        return false;
    results->used += (size_t)size + 1;
    results->count++;
    return true;
}

struct slice result_at(const struct results *results, int i)
{
    const char *at = results->text;
    while (i-- > 0)
        at += slice_of(at).size + 1;
    return slice_of(at);
}
