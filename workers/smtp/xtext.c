/* SPDX-License-Identifier: ISC */
#include "workers/smtp/xtext.h"

#include "workers/smtp/address.h"

static bool needs_encoding(char c)
{
    return c < 33 || c > 126 || c == '+' || c == '=';
}

bool xtext_print(struct buffer *to, struct slice octets)
{
    static const char digits[] = "0123456789ABCDEF";
    bool fits = true;
    for (size_t i = 0; fits && i < octets.size; i++) {
        unsigned char c = (unsigned char)octets.at[i];
        if (needs_encoding(octets.at[i]))
            fits = buffer_put(to, slice_make((const char[]){'+', digits[c >> 4], digits[c & 15]}, 3));
        else
            fits = buffer_put_char(to, octets.at[i]);
    }
    return fits;
}

/* Upper case only, as RFC 3461 has it: inside may know no other. */
static int hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What the next one to three octets stand for, taken off; -1 for what is no xtext. */
static int take_octet(struct slice *rest)
{
    char c = *rest->at;
    slice_drop(rest, 1);
    if (c != '+')
        return (unsigned char)c;
    if (rest->size < 2)
        return -1;
    int high = hex_value(rest->at[0]), low = hex_value(rest->at[1]);
    slice_drop(rest, 2);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool xtext_is_valid(struct slice text, bool allow_8bit)
{
    /* A '=' that was not encoded passes: RFC 3461 forbids it, VERP senders write it, and it means one thing only. */
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] == ' ' || (!allow_8bit && (unsigned char)text.at[i] >= 0x80))
            return false;
    if (!utf8_is_printable(text))
        return false;
    while (text.size > 0) {
        int octet = take_octet(&text);
        if (octet < 32 || octet == 127)
            return false;
    }
    return true;
}

bool xtext_decode(struct buffer *to, struct slice text)
{
    while (text.size > 0) {
        int octet = take_octet(&text);
        if (octet < 0 || !buffer_put_char(to, (char)octet))
            return false;
    }
    return true;
}
