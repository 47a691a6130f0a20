/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/must.h"
#include "common/nameset.h"
#include "common/region.h"
#include "common/siphash.h"

/* A name in the draft and behind the table: at a multiple of four, its octets in lower case. */
struct entry {
    uint32_t value;
    uint32_t size;
    char octets[];
};

/* Places are at most half full, so that a search ends soon. */
struct place {
    uint32_t tag;  /* the upper half of the hash */
    uint32_t word; /* where the entry is, in words of four octets, plus one; 0: nobody is here */
};

struct nameset_head {
    uint8_t key[SIPHASH_KEY_BYTES]; /* clients choose names, but not who stands where */
    uint64_t places;                /* a power of two */
    size_t table, entries;          /* offsets */
};

enum { WORD_BYTES = 4, FIRST_ROOM = 1 << 16, ALIGNED = 64 };
#define DRAFT_BYTES_MAX ((size_t)UINT32_MAX * WORD_BYTES / 2)

_Static_assert(sizeof(struct entry) % WORD_BYTES == 0, "the octets follow at a multiple of four");

static size_t entry_bytes(size_t size)
{
    return (sizeof(struct entry) + size + WORD_BYTES - 1) / WORD_BYTES * WORD_BYTES;
}

static void lower(char *to, struct slice name)
{
    for (size_t i = 0; i < name.size; i++)
        to[i] = ascii_lower(name.at[i]);
}

/* -- what was added -- */

static bool make_room(struct nameset_draft *draft, size_t bytes)
{
    size_t room = draft->room > 0 ? draft->room : FIRST_ROOM;
    if (draft->used + bytes <= draft->room)
        return true;
    while (room < draft->used + bytes)
        room *= 2;
    char *octets = room <= DRAFT_BYTES_MAX ? realloc(draft->octets, room) : NULL;
    if (octets == NULL)
        return false;
    draft->octets = octets;
    draft->room = room;
    return true;
}

bool nameset_add(struct nameset_draft *draft, struct slice name, uint32_t value)
{
    size_t bytes = entry_bytes(name.size);
    must(name.size <= NAMESET_NAME_MAX && value != NAMESET_NONE);
    if (!make_room(draft, bytes))
        return false;
    struct entry *entry = (struct entry *)(void *)(draft->octets + draft->used);
    memset(entry, 0, bytes);
    *entry = (struct entry){value, (uint32_t)name.size};
    lower(entry->octets, name);
    draft->used += bytes;
    draft->count++;
    return true;
}

void nameset_clear_draft(struct nameset_draft *draft)
{
    free(draft->octets);
    *draft = (struct nameset_draft){0};
}

/* -- the region -- */

static const struct entry *entry_at(const struct nameset_head *head, uint32_t word)
{
    return (const struct entry *)(const void *)((const char *)head + head->entries + (size_t)(word - 1) * WORD_BYTES);
}

static struct slice name_of(const struct entry *entry)
{
    return slice_make(entry->octets, entry->size);
}

/* Where this name, in lower case, is, or would be. */
static uint64_t place_of(const struct nameset_head *head, struct slice name, uint32_t *tag_out)
{
    const struct place *table = (const struct place *)(const void *)((const char *)head + head->table);
    uint64_t hash = siphash(head->key, name.at, name.size), i = hash & (head->places - 1);
    *tag_out = (uint32_t)(hash >> 32);
    while (table[i].word != 0) {
        if (table[i].tag == *tag_out && slice_equal(name_of(entry_at(head, table[i].word)), name))
            break;
        i = (i + 1) & (head->places - 1);
    }
    return i;
}

static void put_entry(struct nameset_head *head, size_t offset)
{
    struct place *table = (struct place *)(void *)((char *)head + head->table);
    uint32_t word = (uint32_t)(offset / WORD_BYTES) + 1, tag;
    const struct entry *entry = entry_at(head, word);
    uint64_t i = place_of(head, name_of(entry), &tag);
    if (table[i].word == 0)
        table[i] = (struct place){tag, word};
}

static void write_set(struct nameset_head *head, const struct nameset_draft *draft)
{
    memcpy((char *)head + head->entries, draft->octets, draft->used);
    for (size_t offset = 0; offset < draft->used;) {
        put_entry(head, offset);
        offset += entry_bytes(entry_at(head, (uint32_t)(offset / WORD_BYTES) + 1)->size);
    }
}

static bool compile(const struct nameset_draft *draft, struct nameset *set_out)
{
    struct nameset_head head = {.places = 1, .table = (sizeof(head) + ALIGNED - 1) / ALIGNED * ALIGNED};
    struct region region;
    while (head.places < 2 * draft->count + 1)
        head.places *= 2;
    head.entries = head.table + head.places * sizeof(struct place);
    if (getrandom(head.key, sizeof(head.key), 0) != sizeof(head.key))
        return false;
    void *memory = region_draft(&region, "postern-names", head.entries + draft->used);
    if (memory == NULL)
        return false;
    memcpy(memory, &head, sizeof(head));
    if (draft->used > 0)
        write_set(memory, draft);
    set_out->size = region.size;
    set_out->memory = region_freeze(&region, memory);
    set_out->head = set_out->memory;
    return set_out->memory != NULL;
}

bool nameset_compile(struct nameset_draft *draft, struct nameset *set_out)
{
    *set_out = (struct nameset){0};
    bool done = compile(draft, set_out);
    int error = errno;
    if (!done)
        *set_out = (struct nameset){0};
    nameset_clear_draft(draft);
    errno = error;
    return done;
}

void nameset_clear(struct nameset *set)
{
    region_thaw(set->memory, set->size);
    *set = (struct nameset){0};
}

/* -- a look -- */

static uint32_t find_lower(const struct nameset *set, struct slice name)
{
    const struct place *table = (const struct place *)(const void *)((const char *)set->head + set->head->table);
    uint32_t tag;
    uint64_t i = place_of(set->head, name, &tag);
    return table[i].word != 0 ? entry_at(set->head, table[i].word)->value : NAMESET_NONE;
}

uint32_t nameset_find(const struct nameset *set, struct slice name)
{
    char copy[NAMESET_NAME_MAX];
    if (set->memory == NULL || name.size > sizeof(copy))
        return NAMESET_NONE;
    lower(copy, name);
    return find_lower(set, slice_make(copy, name.size));
}

/* From each of its dots on. */
static uint32_t find_above(const struct nameset *set, struct slice domain)
{
    uint32_t value = NAMESET_NONE;
    for (size_t i = 1; i < domain.size && value == NAMESET_NONE; i++)
        if (domain.at[i] == '.')
            value = find_lower(set, slice_make(domain.at + i, domain.size - i));
    return value;
}

uint32_t nameset_find_domain(const struct nameset *set, struct slice domain)
{
    char copy[NAMESET_NAME_MAX];
    domain = slice_without_dot(domain);
    if (set->memory == NULL || domain.size == 0 || domain.size > sizeof(copy))
        return NAMESET_NONE;
    lower(copy, domain);
    domain.at = copy;
    uint32_t value = find_lower(set, domain);
    return value != NAMESET_NONE ? value : find_above(set, domain);
}

uint32_t nameset_find_address(const struct nameset *set, struct slice local, struct slice domain)
{
    char copy[NAMESET_NAME_MAX];
    domain = slice_without_dot(domain);
    if (set->memory == NULL || local.size + 1 + domain.size > sizeof(copy))
        return NAMESET_NONE;
    lower(copy, local);
    copy[local.size] = '@';
    lower(copy + local.size + 1, domain);
    uint32_t value = find_lower(set, slice_make(copy, local.size + 1 + domain.size));
    if (value == NAMESET_NONE)
        value = nameset_find_domain(set, domain);
    if (value == NAMESET_NONE && domain.size > 0)
        value = find_lower(set, slice_make(copy, local.size + 1));
    return value;
}
