/* SPDX-License-Identifier: ISC */
#include "workers/lists/reply_pattern.h"

enum { OCTETS = 4, OCTET_MOST = 255 };

static bool take_char(struct slice *rest, char c)
{
    bool is_there = rest->size > 0 && rest->at[0] == c;
    slice_drop(rest, is_there);
    return is_there;
}

static bool take_number(struct slice *rest, unsigned *out)
{
    size_t size = 0;
    for (*out = 0; size < rest->size && ascii_is_digit(rest->at[size]) && *out <= OCTET_MOST; size++)
        *out = *out * 10 + (unsigned)(rest->at[size] - '0');
    slice_drop(rest, size);
    return size > 0 && *out <= OCTET_MOST;
}

/* "7", "2..11" */
static bool take_range(struct slice *rest, unsigned octet, bool *holds)
{
    unsigned low, high;
    if (!take_number(rest, &low))
        return false;
    high = low;
    if (take_char(rest, '.') && (!take_char(rest, '.') || !take_number(rest, &high)))
        return false;
    *holds = *holds || (octet >= low && octet <= high);
    return low <= high;
}

static bool take_octet(struct slice *rest, unsigned octet, bool *holds)
{
    unsigned number;
    *holds = false;
    if (!take_char(rest, '[')) {
        bool taken = take_number(rest, &number);
        *holds = taken && number == octet;
        return taken;
    }
    do {
        if (!take_range(rest, octet, holds))
            return false;
    } while (take_char(rest, ';'));
    return take_char(rest, ']');
}

static bool match(struct slice pattern, const uint8_t octets[OCTETS], bool *holds_out)
{
    *holds_out = true;
    for (int i = 0; i < OCTETS; i++) {
        bool holds;
        if ((i > 0 && !take_char(&pattern, '.')) || !take_octet(&pattern, octets[i], &holds))
            return false;
        *holds_out = *holds_out && holds;
    }
    return pattern.size == 0;
}

bool reply_pattern_is_valid(struct slice pattern)
{
    static const uint8_t none[OCTETS];
    bool unused;
    return match(pattern, none, &unused);
}

bool reply_pattern_holds(struct slice pattern, const struct ipaddr *address)
{
    bool holds;
    return address->family == 4 && match(pattern, address->bytes, &holds) && holds;
}
