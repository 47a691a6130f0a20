/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/law.h"

void (*law_story)(void);

void law_broken(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    if (law_story != NULL)
        law_story();
    fprintf(stderr, "VIOLATION: %s:%d: ", file, line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    abort();
}

struct slice law_take(struct slice *rest, size_t size)
{
    struct slice taken = slice_make(rest->at, size < rest->size ? size : rest->size);
    rest->at += taken.size;
    rest->size -= taken.size;
    return taken;
}

unsigned char law_take_octet(struct slice *rest)
{
    struct slice octet = law_take(rest, 1);
    return octet.size == 1 ? (unsigned char)*octet.at : 0;
}

bool law_is_clean(struct slice octets)
{
    for (size_t i = 0; i < octets.size; i++) {
        unsigned char c = (unsigned char)octets.at[i];
        if (c < 0x20 || c == 0x7F)
            return false;
    }
    return true;
}

bool law_same(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

struct slice law_copy(struct slice octets)
{
    char *copy = malloc(octets.size + 1);
    if (copy == NULL)
        abort();
    if (octets.size > 0)
        memcpy(copy + 1, octets.at, octets.size); /* the end of the memory is the end of the octets */
    return slice_make(copy + 1, octets.size);
}

void law_free(struct slice copied)
{
    free((char *)(uintptr_t)copied.at - 1);
}
