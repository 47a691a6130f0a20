/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <sys/random.h>

#include "common/siphash.h"

#include "workers/storekeeper/pending.h"

enum { LINES = 2 * PENDING_CHANGES_MAX }; /* of the hash table, half of it empty: a look ends soon */
_Static_assert((LINES & (LINES - 1)) == 0, "a mask will do");

struct entry {
    uint32_t at; /* of its key, in `keys` */
    uint32_t size;
    struct store_record record;
    bool is_gone;
};

struct pending {
    uint8_t secret[SIPHASH_KEY_BYTES]; /* keys are what clients say */
    size_t count, key_bytes;
    uint16_t lines[LINES]; /* an entry's number + 1; 0: none */
    struct entry entries[PENDING_CHANGES_MAX];
    struct shelf_change sorted[PENDING_CHANGES_MAX];
    char keys[PENDING_KEY_BYTES];
};
_Static_assert(PENDING_CHANGES_MAX < UINT16_MAX, "fits a line");

struct pending *pending_new(void)
{
    struct pending *pending = calloc(1, sizeof(*pending));
    if (pending != NULL && getrandom(pending->secret, sizeof(pending->secret), 0) != sizeof(pending->secret))
        pending_free(&pending);
    return pending;
}

void pending_free(struct pending **pending)
{
    free(*pending);
    *pending = NULL;
}

static struct slice key_of(const struct pending *pending, const struct entry *entry)
{
    return slice_make(pending->keys + entry->at, entry->size);
}

/* Where the key is, or where it would be put. */
static size_t find_line(const struct pending *pending, struct slice key)
{
    size_t line = siphash(pending->secret, key.at, key.size) & (LINES - 1);
    while (pending->lines[line] != 0 && !slice_equal(key_of(pending, &pending->entries[pending->lines[line] - 1]), key))
        line = (line + 1) & (LINES - 1);
    return line;
}

enum pending_found pending_find(const struct pending *pending, struct slice key, struct store_record *record_out)
{
    size_t line = find_line(pending, key);
    if (pending->lines[line] == 0)
        return PENDING_UNKNOWN;
    const struct entry *entry = &pending->entries[pending->lines[line] - 1];
    if (entry->is_gone)
        return PENDING_GONE;
    *record_out = entry->record;
    return PENDING_THERE;
}

static struct entry *add(struct pending *pending, size_t line, struct slice key)
{
    if (pending->count == PENDING_CHANGES_MAX || key.size > PENDING_KEY_BYTES - pending->key_bytes)
        return NULL;
    struct entry *entry = &pending->entries[pending->count];
    *entry = (struct entry){.at = (uint32_t)pending->key_bytes, .size = (uint32_t)key.size};
    memcpy(pending->keys + entry->at, key.at, key.size);
    pending->key_bytes += key.size;
    pending->lines[line] = (uint16_t)++pending->count;
    return entry;
}

bool pending_put(struct pending *pending, struct slice key, const struct store_record *record)
{
    size_t line = find_line(pending, key);
    struct entry *entry =
        pending->lines[line] != 0 ? &pending->entries[pending->lines[line] - 1] : add(pending, line, key);
    if (entry == NULL)
        return false;
    entry->is_gone = record == NULL;
    if (record != NULL)
        entry->record = *record;
    return true;
}

size_t pending_count(const struct pending *pending)
{
    return pending->count;
}

bool pending_is_full(const struct pending *pending, unsigned percent)
{
    return pending->count * 100 >= (size_t)percent * PENDING_CHANGES_MAX ||
           pending->key_bytes * 100 >= (size_t)percent * PENDING_KEY_BYTES;
}

void pending_clear(struct pending *pending)
{
    if (pending->count > 0)
        memset(pending->lines, 0, sizeof(pending->lines));
    pending->count = pending->key_bytes = 0;
}

static int by_key(const void *a, const void *b)
{
    return slice_order(((const struct shelf_change *)a)->key, ((const struct shelf_change *)b)->key);
}

const struct shelf_change *pending_sorted(struct pending *pending, size_t *count_out)
{
    for (size_t i = 0; i < pending->count; i++) {
        const struct entry *entry = &pending->entries[i];
        pending->sorted[i] = (struct shelf_change){key_of(pending, entry), entry->is_gone ? NULL : &entry->record};
    }
    qsort(pending->sorted, pending->count, sizeof(pending->sorted[0]), by_key);
    *count_out = pending->count;
    return pending->sorted;
}
