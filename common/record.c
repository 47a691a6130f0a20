/* SPDX-License-Identifier: ISC
 *
 * The fields of a record (log.h): pure. A field that does not fit is left out whole, never cut in its middle, and the
 * shorter ones behind it still get their chance.
 */
#include <stdio.h>
#include <string.h>

#include "common/buffer.h"
#include "common/log.h"

enum { CUT_ROOM = sizeof(" cut=yes"), NUMBER_MAX = 24, OCTET_MAX = 5 };

static bool put(struct record *r, const char *at, size_t size)
{
    if (size > sizeof(r->text) - CUT_ROOM - r->size)
        return false;
    memcpy(r->text + r->size, at, size);
    r->size += size;
    return true;
}

static bool is_control(unsigned char c)
{
    return c < ' ' || c > 126;
}

static bool needs_quotes(struct slice value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (is_control(c) || c == ' ' || c == '"' || c == '\'' || c == '=' || c == '\\')
            return true;
    }
    return false;
}

static bool put_escaped(struct record *r, unsigned char c)
{
    char text[OCTET_MAX];
    if (is_control(c))
        return put(r, text, (size_t)snprintf(text, sizeof(text), "\\x%02X", c));
    if (c == '"' || c == '\\')
        return put(r, (const char[]){'\\', (char)c}, 2);
    return put(r, (const char *)&c, 1);
}

static bool put_quoted(struct record *r, struct slice value)
{
    bool fits = put(r, "\"", 1);
    for (size_t i = 0; fits && i < value.size; i++)
        fits = put_escaped(r, (unsigned char)value.at[i]);
    return fits && put(r, "\"", 1);
}

static bool put_value(struct record *r, struct slice value)
{
    return needs_quotes(value) ? put_quoted(r, value) : put(r, value.at, value.size);
}

static void put_field(struct record *r, const char *key, struct slice value)
{
    size_t before = r->size;
    if ((before == 0 || put(r, " ", 1)) && put(r, key, strlen(key)) && put(r, "=", 1) && put_value(r, value))
        return;
    r->size = before;
    r->cut = true;
}

void record_begin(struct record *r, const char *event)
{
    r->size = 0;
    r->cut = false;
    record_string(r, "event", event);
}

void record_text(struct record *r, const char *key, struct slice value)
{
    if (value.size > 0)
        put_field(r, key, value);
}

void record_string(struct record *r, const char *key, const char *value)
{
    if (value != NULL)
        record_text(r, key, (struct slice){value, strlen(value)});
}

void record_number(struct record *r, const char *key, uint64_t value)
{
    char text[NUMBER_MAX];
    struct buffer digits;
    buffer_init(&digits, text, sizeof(text));
    buffer_put_number(&digits, value, 1);
    put_field(r, key, buffer_unread(&digits));
}
