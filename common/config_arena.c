/* SPDX-License-Identifier: ISC */
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"

#include "common/config_internal.h"

enum { PIECE_BYTES = 16 << 10 };

struct arena_piece {
    struct arena_piece *older;
    size_t used, size;
    alignas(max_align_t) char memory[];
};

static struct arena_piece *piece_new(struct arena_piece *older, size_t size)
{
    struct arena_piece *piece = calloc(1, sizeof *piece + size);
    must(piece != NULL);
    piece->older = older;
    piece->size = size;
    return piece;
}

void *config_alloc(struct config_arena *arena, size_t size)
{
    size_t whole = (size + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    struct arena_piece *piece = arena->newest;

    must(whole >= size);
    if (piece == NULL || piece->size - piece->used < whole)
        piece = arena->newest = piece_new(piece, whole > PIECE_BYTES ? whole : PIECE_BYTES);
    void *memory = piece->memory + piece->used;
    piece->used += whole;
    return memory;
}

const char *config_copy(struct config_arena *arena, struct slice text)
{
    char *copy = config_alloc(arena, text.size + 1);
    if (text.size > 0)
        memcpy(copy, text.at, text.size);
    return copy;
}

void config_arena_clear(struct config_arena *arena)
{
    while (arena->newest != NULL) {
        struct arena_piece *older = arena->newest->older;
        free(arena->newest);
        arena->newest = older;
    }
}
