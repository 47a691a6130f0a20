/* SPDX-License-Identifier: ISC
 *
 * slice - a run of octets that somebody else owns, as a value.
 *
 * A slice is never NUL-terminated by promise and may hold any octet. Parsing goes forward only: the functions that take
 * a slice pointer consume from its front. Nothing here allocates or fails. Case is ASCII's alone, whatever the locale.
 */
#ifndef POSTERN_COMMON_SLICE_H
#define POSTERN_COMMON_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *at;
    size_t size;
};

/* A slice of a string literal, also in static initialisers. */
#define SLICE(literal)                                                                                                 \
    {                                                                                                                  \
        (literal), sizeof(literal) - 1                                                                                 \
    }
/* For "%.*s". */
#define SLICE_ARGS(slice) (int)(slice).size, (slice).at

/* What every line goes through many times is inline: a call would cost more than what it does. */
static inline struct slice slice_make(const char *at, size_t size)
{
    return (struct slice){at, size};
}

static inline struct slice slice_of(const char *text)
{
    return slice_make(text, strlen(text));
}

static inline void slice_drop(struct slice *rest, size_t count)
{
    if (count > rest->size)
        count = rest->size;
    if (count == 0)
        return; /* a null pointer may not even have 0 added */
    rest->at += count;
    rest->size -= count;
}

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_alnum(char c)
{
    char lower = ascii_lower(c);
    return ascii_is_digit(c) || (lower >= 'a' && lower <= 'z');
}

bool slice_equal(struct slice a, struct slice b);
int slice_order(struct slice a, struct slice b); /* <0, 0, >0: octet by octet, the shorter first */
bool slice_equal_nocase(struct slice a, struct slice b);
bool slice_is_word(struct slice a, const char *word); /* no case */
bool slice_starts_nocase(struct slice a, const char *prefix);
bool slice_has(struct slice a, char c);

/* What stands before the first `c`, taken off *rest together with it; all of *rest where there is none. */
struct slice slice_take_until(struct slice *rest, char c);
/* The next word: blanks (SP, TAB) before it dropped, taken off *rest; empty at the end. */
struct slice slice_take_word(struct slice *rest);
struct slice slice_trim(struct slice a);        /* SP and TAB at both ends */
struct slice slice_without_dot(struct slice a); /* at its end, where one belongs to no domain's name */

/* Decimal digits only, the whole slice, no sign, no overflow: else false. */
bool slice_to_number(struct slice a, uint64_t *number_out);

#endif
