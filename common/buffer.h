/* SPDX-License-Identifier: ISC
 *
 * buffer - a fixed piece of memory with what is unread in it.
 *
 * The memory belongs to the caller and never grows. What does not fit is not written at all: the call says false and
 * `overflow` stays set until buffer_clear, so that a line put together from many pieces is checked once, at its end.
 */
#ifndef POSTERN_COMMON_BUFFER_H
#define POSTERN_COMMON_BUFFER_H

#include "common/slice.h"

struct buffer {
    char *memory;
    size_t capacity;
    size_t start; /* first unread octet */
    size_t end;   /* one past the last */
    bool overflow;
};

void buffer_init(struct buffer *b, char *memory, size_t capacity);
void buffer_clear(struct buffer *b);
static inline struct slice buffer_unread(const struct buffer *b)
{
    return slice_make(b->end == b->start ? b->memory : b->memory + b->start, b->end - b->start);
}
/* Octets that buffer_put would take now: it never moves what is unread, so slices of that stay good. */
static inline size_t buffer_room(const struct buffer *b)
{
    return b->capacity - b->end;
}
void buffer_consume(struct buffer *b, size_t count);
void buffer_compact(struct buffer *b); /* moves what is unread to the front */
/* What lay in the memory and is not unread becomes zeros: it was secret. What is zero already is not touched. */
void buffer_wipe(struct buffer *b);

bool buffer_put(struct buffer *b, struct slice octets);
bool buffer_put_char(struct buffer *b, char c);
bool buffer_put_text(struct buffer *b, const char *text);
bool buffer_put_number(struct buffer *b, uint64_t number, int digits); /* decimal; zeros in front up to `digits` */
/* Needs room for the NUL of printf too, which is not counted. */
bool buffer_print(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
