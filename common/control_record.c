/* SPDX-License-Identifier: ISC
 *
 * The records of control.h, printed and read. Pure.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/control.h"

enum { NUMBER_TEXT = 24, OCTET_TEXT = 5 };

/* -- printed */

/* One octet stays free: the LF that ends the record always fits. */
static bool put(struct buffer *to, struct slice octets)
{
    if (octets.size < buffer_room(to))
        return buffer_put(to, octets);
    to->overflow = true;
    return false;
}

static bool put_string(struct buffer *to, const char *text)
{
    return put(to, slice_of(text));
}

static bool put_octet(struct buffer *to, char c)
{
    char text[OCTET_TEXT];
    if (c == '"' || c == '\\')
        snprintf(text, sizeof(text), "\\%c", c);
    else if (c < ' ' || c > '~')
        snprintf(text, sizeof(text), "\\x%02X", (unsigned char)c);
    else
        snprintf(text, sizeof(text), "%c", c);
    return put_string(to, text);
}

static bool put_quoted(struct buffer *to, struct slice value)
{
    bool fits = put_string(to, "\"");
    for (size_t i = 0; fits && i < value.size; i++)
        fits = put_octet(to, value.at[i]);
    return fits && put_string(to, "\"");
}

static bool put_key(struct buffer *to, const char *key)
{
    return put_string(to, " ") && put_string(to, key) && put_string(to, "=");
}

void control_begin(struct buffer *to, const char *kind)
{
    put_string(to, kind);
}

void control_text(struct buffer *to, const char *key, struct slice value)
{
    size_t before = to->end;
    if (!put_key(to, key) || !put_quoted(to, value))
        to->end = before;
}

void control_string(struct buffer *to, const char *key, const char *value)
{
    if (value != NULL)
        control_text(to, key, slice_of(value));
}

static void put_bare(struct buffer *to, const char *key, const char *text)
{
    size_t before = to->end;
    if (!put_key(to, key) || !put_string(to, text))
        to->end = before;
}

void control_number(struct buffer *to, const char *key, int64_t value)
{
    char text[NUMBER_TEXT];
    snprintf(text, sizeof(text), "%" PRId64, value);
    put_bare(to, key, text);
}

void control_flag(struct buffer *to, const char *key, bool value)
{
    put_bare(to, key, value ? "true" : "false");
}

void control_end(struct buffer *to)
{
    buffer_put_char(to, '\n');
}

/* -- read */

static bool is_name_octet(char c)
{
    return (c >= 'a' && c <= 'z') || ascii_is_digit(c) || c == '_' || c == '-';
}

static bool take_name(struct slice *rest, struct slice *name_out)
{
    *name_out = slice_make(rest->at, 0);
    while (name_out->size < rest->size && is_name_octet(rest->at[name_out->size]))
        name_out->size++;
    slice_drop(rest, name_out->size);
    return name_out->size > 0;
}

static bool take_octet(struct slice *rest, char octet)
{
    if (rest->size == 0 || *rest->at != octet)
        return false;
    slice_drop(rest, 1);
    return true;
}

bool control_read_kind(struct slice *rest, struct slice *kind_out)
{
    return take_name(rest, kind_out) && (rest->size == 0 || *rest->at == ' ');
}

static int hex_digit(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* What follows a backslash. */
static bool take_escaped(struct slice *rest, char *octet_out)
{
    if (rest->size == 0)
        return false;
    *octet_out = *rest->at;
    slice_drop(rest, 1);
    if (*octet_out == '"' || *octet_out == '\\')
        return true;
    if (*octet_out != 'x' || rest->size < 2)
        return false;
    int high = hex_digit(rest->at[0]), low = hex_digit(rest->at[1]);
    slice_drop(rest, 2);
    *octet_out = (char)(high * 16 + low);
    return high >= 0 && low >= 0;
}

static bool read_quoted(struct slice *rest, struct control_field *out)
{
    out->type = CONTROL_IS_TEXT;
    while (rest->size > 0 && out->size < sizeof(out->text) - 1) {
        char octet = *rest->at;
        slice_drop(rest, 1);
        if (octet == '"')
            return true;
        if (octet < ' ' || octet > '~' || (octet == '\\' && !take_escaped(rest, &octet)))
            return false;
        out->text[out->size++] = octet;
    }
    return false;
}

static bool read_number(struct slice word, int64_t *number_out)
{
    uint64_t number;
    bool negative = take_octet(&word, '-');
    if (!slice_to_number(word, &number) || number > (uint64_t)INT64_MAX + negative)
        return false;
    *number_out = (int64_t)(negative ? 0 - number : number);
    return true;
}

static bool read_bare(struct slice *rest, struct control_field *out)
{
    struct slice word = slice_make(rest->at, 0);
    while (word.size < rest->size && rest->at[word.size] != ' ')
        word.size++;
    slice_drop(rest, word.size);
    if (word.size >= NUMBER_TEXT)
        return false;
    out->size = (size_t)snprintf(out->text, sizeof(out->text), "%.*s", SLICE_ARGS(word));
    bool yes = slice_equal(word, slice_of("true"));
    if (yes || slice_equal(word, slice_of("false"))) {
        out->type = CONTROL_IS_FLAG;
        out->number = yes;
        return true;
    }
    out->type = CONTROL_IS_NUMBER;
    return read_number(word, &out->number);
}

bool control_read_field(struct slice *rest, struct control_field *out)
{
    struct slice before = *rest;
    out->size = 0;
    out->number = 0;
    bool read = take_octet(rest, ' ') && take_name(rest, &out->key) && take_octet(rest, '=') &&
                (take_octet(rest, '"') ? read_quoted(rest, out) : read_bare(rest, out)) &&
                (rest->size == 0 || *rest->at == ' ');
    out->text[out->size] = '\0';
    if (!read)
        *rest = before; /* not empty, where there was something */
    return read;
}
