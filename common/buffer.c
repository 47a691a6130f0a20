/* SPDX-License-Identifier: ISC */
#include "common/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/must.h"

void buffer_init(struct buffer *b, char *memory, size_t capacity)
{
    *b = (struct buffer){.memory = memory, .capacity = capacity};
}

void buffer_clear(struct buffer *b)
{
    b->start = b->end = 0;
    b->overflow = false;
}

void buffer_consume(struct buffer *b, size_t count)
{
    b->start += count < b->end - b->start ? count : b->end - b->start;
    if (b->start == b->end)
        b->start = b->end = 0;
}

void buffer_compact(struct buffer *b)
{
    if (b->start == 0)
        return;
    memmove(b->memory, b->memory + b->start, b->end - b->start);
    b->end -= b->start;
    b->start = 0;
}

enum { WIPED_PIECE = 1024, NUMBER_DIGITS_MAX = 20 };

/* Of all zeros: its first is, and each is the same as the next. */
static bool is_clear(const char *at, size_t size)
{
    return *at == '\0' && memcmp(at, at + 1, size - 1) == 0;
}

/* Looked at before: writing to a page that was never used would make the process larger. */
static void wipe(char *at, size_t size)
{
    while (size > 0) {
        size_t piece = size < WIPED_PIECE ? size : WIPED_PIECE;
        if (!is_clear(at, piece))
            explicit_bzero(at, piece);
        at += piece;
        size -= piece;
    }
}

void buffer_wipe(struct buffer *b)
{
    wipe(b->memory, b->start);
    wipe(b->memory + b->end, b->capacity - b->end);
}

static bool refuse(struct buffer *b)
{
    b->overflow = true;
    return false;
}

bool buffer_put(struct buffer *b, struct slice octets)
{
    if (octets.size > buffer_room(b))
        return refuse(b);
    if (octets.size > 0) /* memcpy takes no null pointer */
        memcpy(b->memory + b->end, octets.at, octets.size);
    b->end += octets.size;
    return true;
}

bool buffer_put_char(struct buffer *b, char c)
{
    return buffer_put(b, slice_make(&c, 1));
}

bool buffer_put_text(struct buffer *b, const char *text)
{
    return buffer_put(b, slice_of(text));
}

bool buffer_put_number(struct buffer *b, uint64_t number, int digits)
{
    char text[NUMBER_DIGITS_MAX];
    size_t at = sizeof(text);
    must(digits <= NUMBER_DIGITS_MAX);
    do {
        text[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (at > sizeof(text) - (size_t)digits)
        text[--at] = '0';
    return buffer_put(b, slice_make(text + at, sizeof(text) - at));
}

bool buffer_print(struct buffer *b, const char *format, ...)
{
    size_t room = buffer_room(b);
    if (room == 0)
        return refuse(b);
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(b->memory + b->end, room, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= room)
        return refuse(b);
    b->end += (size_t)size;
    return true;
}
