/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/session_id.h"

enum { NUMBER_DIGITS = 11, SLOT_DIGITS = 4, DIGIT_BITS = 5 };

static const char DIGITS[] = "0123456789abcdefghjkmnpqrstvwxyz";

static void print_digits(uint64_t value, int count, char *to)
{
    for (int i = count - 1; i >= 0; i--, value >>= DIGIT_BITS)
        to[i] = DIGITS[value & 31];
}

void session_id_print(uint64_t number, int slot, char text_out[SESSION_ID_BYTES])
{
    print_digits(number, NUMBER_DIGITS, text_out);
    print_digits((uint64_t)slot, SLOT_DIGITS, text_out + NUMBER_DIGITS);
    text_out[NUMBER_DIGITS + SLOT_DIGITS] = '\0';
}

static bool parse_digits(const char *at, int count, uint64_t *value_out)
{
    *value_out = 0;
    for (int i = 0; i < count; i++) {
        const char *digit = at[i] != '\0' ? strchr(DIGITS, at[i]) : NULL;
        if (digit == NULL)
            return false;
        *value_out = *value_out << DIGIT_BITS | (uint64_t)(digit - DIGITS);
    }
    return true;
}

bool session_id_parse(struct slice text, uint64_t *number_out, int *slot_out)
{
    uint64_t slot;
    if (text.size != NUMBER_DIGITS + SLOT_DIGITS || !parse_digits(text.at, NUMBER_DIGITS, number_out) ||
        !parse_digits(text.at + NUMBER_DIGITS, SLOT_DIGITS, &slot))
        return false;
    *slot_out = (int)slot;
    return true;
}
