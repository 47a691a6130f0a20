/* SPDX-License-Identifier: ISC */
#include "workers/generic_name.h"

#include <stdio.h>

enum { OCTETS = 4, NUMBERS_MAX = 64, NIBBLES = 32, RUN_MAX = 256 };

static bool is_hexadecimal(char c)
{
    char lower = ascii_lower(c);
    return ascii_is_digit(c) || (lower >= 'a' && lower <= 'f');
}

/* -- four numbers -- */

/* The numbers in it; more than an octet can be is one that matches nothing. */
static int find_numbers(struct slice name, unsigned numbers[NUMBERS_MAX])
{
    int count = 0;
    for (size_t i = 0; i < name.size && count < NUMBERS_MAX; i++) {
        if (!ascii_is_digit(name.at[i]))
            continue;
        unsigned number = 0;
        for (; i < name.size && ascii_is_digit(name.at[i]); i++)
            number = number > UINT8_MAX ? number : number * 10 + (unsigned)(name.at[i] - '0');
        numbers[count++] = number;
    }
    return count;
}

static bool numbers_match(const unsigned *numbers, const uint8_t *octets)
{
    bool forwards = true, backwards = true;
    for (int i = 0; i < OCTETS; i++) {
        forwards = forwards && numbers[i] == octets[i];
        backwards = backwards && numbers[i] == octets[OCTETS - 1 - i];
    }
    return forwards || backwards;
}

static bool has_numbers(struct slice name, const uint8_t *octets)
{
    unsigned numbers[NUMBERS_MAX];
    int count = find_numbers(name, numbers);
    for (int i = 0; i + OCTETS <= count; i++)
        if (numbers_match(numbers + i, octets))
            return true;
    return false;
}

/* -- one run -- */

/* `run` in small letters, with nothing of its kind on either side. */
static bool has_run(struct slice name, const char *run, bool (*is_kind)(char c))
{
    size_t size = strlen(run);
    for (size_t i = 0; i + size <= name.size; i++) {
        bool begins = i == 0 || !is_kind(name.at[i - 1]), ends = i + size == name.size || !is_kind(name.at[i + size]);
        if (begins && ends && slice_is_word(slice_make(name.at + i, size), run))
            return true;
    }
    return false;
}

static bool holds_v4(struct slice name, const uint8_t *o)
{
    char decimal[16], hexadecimal[12];
    snprintf(decimal, sizeof(decimal), "%03u%03u%03u%03u", o[0], o[1], o[2], o[3]);
    snprintf(hexadecimal, sizeof(hexadecimal), "%02x%02x%02x%02x", o[0], o[1], o[2], o[3]);
    return has_numbers(name, o) || has_run(name, decimal, ascii_is_digit) || has_run(name, hexadecimal, is_hexadecimal);
}

/* -- IPv6 -- */

static struct slice without_marks(struct slice name, char out[RUN_MAX])
{
    size_t size = 0;
    for (size_t i = 0; i < name.size && size < RUN_MAX; i++)
        if (name.at[i] != '-' && name.at[i] != '.')
            out[size++] = ascii_lower(name.at[i]);
    return slice_make(out, size);
}

static bool holds_v6(struct slice name, const uint8_t *octets)
{
    static const char digits[] = "0123456789abcdef";
    char run[RUN_MAX], forwards[NIBBLES], backwards[NIBBLES];
    struct slice all = without_marks(name, run);
    for (int i = 0; i < NIBBLES; i++) {
        forwards[i] = digits[i % 2 == 0 ? octets[i / 2] >> 4 : octets[i / 2] & 15];
        backwards[NIBBLES - 1 - i] = forwards[i];
    }
    return memmem(all.at, all.size, forwards, NIBBLES) != NULL || memmem(all.at, all.size, backwards, NIBBLES) != NULL;
}

bool generic_name_holds(struct slice name, const struct ipaddr *address)
{
    if (address->family == 4)
        return holds_v4(name, address->bytes);
    return address->family == 6 && holds_v6(name, address->bytes);
}
