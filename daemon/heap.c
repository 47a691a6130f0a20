/* SPDX-License-Identifier: ISC */
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/heap.h"

/* What the C library does with what was freed: the last few of each small size it puts aside, as if they were in use,
 * and hands them out first, the last one before the others; all else are holes, which mallinfo counts; behind all of it
 * lies the top. */
enum {
    SMALLEST_BYTES = 24, /* of a hole of any size as many can be had as.. */
    HOLE_BYTES = 48,     /* .. go in if each took this */
    STEP_BYTES = 16,
    ASIDE_BYTES = 1032,            /* nothing larger is put aside */
    LARGE_BYTES = 32000,           /* what is larger lies by itself (main.c) */
    ASIDE_MAX_BYTES = 1024 * 1024, /* and all of it is less than that */
    SIZES = (ASIDE_BYTES - SMALLEST_BYTES) / STEP_BYTES + 1
};

struct piece {
    struct piece *next;
};
static struct piece *filled;
/* Where nothing of a size was put aside the top gave one, which told so, and was put aside itself: below all that come
 * later. It will tell again. */
static struct piece *last_aside[SIZES];
static size_t budget; /* octets that may still be taken: whatever malloc this is, it comes to an end */

void heap_empty(void)
{
    while (filled != NULL) {
        struct piece *piece = filled;
        filled = piece->next;
        free(piece);
    }
}

static uintptr_t top(void)
{
    return (uintptr_t)sbrk(0) - mallinfo2().keepcost;
}

static bool keep(struct piece *piece)
{
    size_t size = malloc_usable_size(piece);
    if (piece == NULL || size > budget) {
        free(piece);
        return false;
    }
    budget -= size;
    piece->next = filled;
    filled = piece;
    return true;
}

/* Whole pages of them need not be touched. */
static void fill_large_holes(void)
{
    uintptr_t end = top();
    for (size_t size = LARGE_BYTES; size > ASIDE_BYTES; size /= 2) {
        struct piece *piece = malloc(size);
        while (piece != NULL && (uintptr_t)piece < end)
            piece = keep(piece) ? malloc(size) : NULL;
        free(piece);
    }
}

static void fill_holes(void)
{
    struct mallinfo2 now = mallinfo2();
    while (now.fordblks > now.keepcost) {
        size_t sure = (now.fordblks - now.keepcost) / HOLE_BYTES;
        for (size_t count = sure > 0 ? sure : 1; count > 0; count--)
            if (!keep(malloc(SMALLEST_BYTES)))
                return;
        now = mallinfo2();
    }
}

/* False: none of this size is free but the top, and the one that tells so. */
static bool take_aside(int size, uintptr_t end)
{
    struct piece *piece = malloc(SMALLEST_BYTES + (size_t)size * STEP_BYTES);
    if (piece == NULL || ((uintptr_t)piece < end && piece != last_aside[size]))
        return keep(piece);
    last_aside[size] = piece;
    free(piece);
    return false;
}

void heap_fill(void)
{
    struct mallinfo2 now = mallinfo2();
    budget = now.fordblks - now.keepcost + ASIDE_MAX_BYTES;
    fill_large_holes();
    fill_holes();
    uintptr_t end = top();
    for (int size = 1; size < SIZES; size++) /* fill_holes has had most of the smallest */
        while (take_aside(size, end))
            continue;
}
