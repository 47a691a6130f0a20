/* SPDX-License-Identifier: ISC */
#include "common/slice.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool slice_equal(struct slice a, struct slice b)
{
    /* Not memcmp for empty ones: their pointers may be null. */
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

int slice_order(struct slice a, struct slice b)
{
    size_t both = a.size < b.size ? a.size : b.size;
    int order = both > 0 ? memcmp(a.at, b.at, both) : 0;
    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++)
        if (ascii_lower(a.at[i]) != ascii_lower(b.at[i]))
            return false;
    return true;
}

bool slice_is_word(struct slice a, const char *word)
{
    return slice_equal_nocase(a, slice_of(word));
}

bool slice_starts_nocase(struct slice a, const char *prefix)
{
    size_t size = strlen(prefix);
    return a.size >= size && slice_equal_nocase(slice_make(a.at, size), slice_make(prefix, size));
}

bool slice_has(struct slice a, char c)
{
    return a.size > 0 && memchr(a.at, c, a.size);
}

struct slice slice_take_until(struct slice *rest, char c)
{
    const char *found = rest->size > 0 ? memchr(rest->at, c, rest->size) : NULL;
    struct slice taken = slice_make(rest->at, found ? (size_t)(found - rest->at) : rest->size);
    slice_drop(rest, taken.size + (found ? 1 : 0));
    return taken;
}

struct slice slice_take_word(struct slice *rest)
{
    while (rest->size > 0 && is_blank(*rest->at))
        slice_drop(rest, 1);
    struct slice word = slice_make(rest->at, 0);
    while (word.size < rest->size && !is_blank(rest->at[word.size]))
        word.size++;
    slice_drop(rest, word.size);
    return word;
}

struct slice slice_trim(struct slice a)
{
    while (a.size > 0 && is_blank(*a.at))
        slice_drop(&a, 1);
    while (a.size > 0 && is_blank(a.at[a.size - 1]))
        a.size--;
    return a;
}

struct slice slice_without_dot(struct slice a)
{
    if (a.size > 0 && a.at[a.size - 1] == '.')
        a.size--;
    return a;
}

bool slice_to_number(struct slice a, uint64_t *number_out)
{
    uint64_t number = 0;
    for (size_t i = 0; i < a.size; i++) {
        if (!ascii_is_digit(a.at[i]))
            return false;
        unsigned digit = (unsigned)(a.at[i] - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (a.size == 0)
        return false;
    *number_out = number;
    return true;
}
