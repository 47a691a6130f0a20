/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "common/region.h"
#include "common/textset.h"

/* The texts, which end with NUL, lie behind the rows. */
struct textset_row {
    uint32_t number;
    uint32_t offset;
};

enum { FIRST_ROOM = 64, FIRST_OCTETS = 4096 };

static void *grow(void *memory, size_t *room, size_t needed, size_t first, size_t item_size)
{
    size_t wanted = *room > 0 ? *room : first;
    if (needed <= *room)
        return memory;
    while (wanted < needed)
        wanted *= 2;
    void *more = reallocarray(memory, wanted, item_size);
    if (more != NULL)
        *room = wanted;
    return more;
}

bool textset_add(struct textset_draft *draft, uint32_t number, struct slice text)
{
    must(draft->count == 0 || draft->rows[draft->count - 1].number < number);
    if (draft->used + text.size + 1 > UINT32_MAX)
        return false;
    void *rows = grow(draft->rows, &draft->room, draft->count + 1, FIRST_ROOM, sizeof(*draft->rows));
    if (rows == NULL)
        return false;
    draft->rows = rows;
    void *octets = grow(draft->octets, &draft->octets_room, draft->used + text.size + 1, FIRST_OCTETS, 1);
    if (octets == NULL)
        return false;
    draft->octets = octets;
    draft->rows[draft->count++] = (struct textset_row){number, (uint32_t)draft->used};
    memcpy(draft->octets + draft->used, text.at, text.size);
    draft->octets[draft->used + text.size] = '\0';
    draft->used += text.size + 1;
    return true;
}

void textset_clear_draft(struct textset_draft *draft)
{
    free(draft->rows);
    free(draft->octets);
    *draft = (struct textset_draft){0};
}

static bool compile(const struct textset_draft *draft, struct textset *set_out)
{
    struct region region;
    size_t rows_bytes = draft->count * sizeof(*draft->rows);
    if (draft->count == 0)
        return true;
    char *memory = region_draft(&region, "postern-texts", rows_bytes + draft->used);
    if (memory == NULL)
        return false;
    memcpy(memory, draft->rows, rows_bytes);
    memcpy(memory + rows_bytes, draft->octets, draft->used);
    set_out->size = region.size;
    set_out->count = draft->count;
    set_out->memory = region_freeze(&region, memory);
    return set_out->memory != NULL;
}

bool textset_compile(struct textset_draft *draft, struct textset *set_out)
{
    *set_out = (struct textset){0};
    bool done = compile(draft, set_out);
    int error = errno;
    if (!done)
        *set_out = (struct textset){0};
    textset_clear_draft(draft);
    errno = error;
    return done;
}

void textset_clear(struct textset *set)
{
    region_thaw(set->memory, set->size);
    *set = (struct textset){0};
}

const char *textset_find(const struct textset *set, uint32_t number)
{
    const struct textset_row *rows = set->memory;
    size_t low = 0, high = set->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rows[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == set->count || rows[low].number != number)
        return NULL;
    return (const char *)set->memory + set->count * sizeof(*rows) + rows[low].offset;
}
