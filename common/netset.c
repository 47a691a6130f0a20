/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "common/netset.h"
#include "common/region.h"

/* An address as a number: of IPv4 it has 32 bits. */
typedef unsigned __int128 number;

struct netset_item {
    number start;
    uint32_t value;
    uint8_t prefix;
};

/* Pieces ascend, and begin at 0; a piece goes up to the next one. Of IPv4 `slots` leads from the upper half of an
 * address to the last piece that begins at or before the first address with it. Of IPv6, whose prefixes are all alike
 * there, each level has every SAMPLE-th start of the one below it, up to one of SAMPLE or fewer. */
enum { SLOT_BITS = 16, SLOTS = 1 << SLOT_BITS, SAMPLE = 16, LEVELS_MAX = 8, ALIGNED = 64, FIRST_ROOM = 1024 };

struct netset_head {
    uint32_t ipv4_count, ipv6_count;
    size_t slots, ipv4_starts, ipv4_values; /* offsets */
    size_t ipv6_values;
    int levels;
    size_t level_starts[LEVELS_MAX]; /* offsets; of the uppermost first, the last one has all */
    size_t level_counts[LEVELS_MAX];
};

/* -- what was added -- */

static number number_of(const struct ipaddr *address)
{
    number all = 0;
    for (int i = 0; i < (address->family == 4 ? 4 : 16); i++)
        all = all << 8 | address->bytes[i];
    return all;
}

bool netset_add(struct netset_draft *draft, const struct network *network, uint32_t value)
{
    struct netset_pile *pile = network->address.family == 4 ? &draft->ipv4 : &draft->ipv6;
    must(network->address.family != 0 && value != NETSET_NONE);
    if (pile->count == pile->room) {
        size_t room = pile->room > 0 ? pile->room * 2 : FIRST_ROOM;
        struct netset_item *items = reallocarray(pile->items, room, sizeof(*items));
        if (items == NULL)
            return false;
        pile->items = items;
        pile->room = room;
    }
    pile->items[pile->count++] = (struct netset_item){number_of(&network->address), value, network->prefix};
    return true;
}

static void clear_pile(struct netset_pile *pile)
{
    free(pile->items);
    *pile = (struct netset_pile){0};
}

void netset_clear_draft(struct netset_draft *draft)
{
    clear_pile(&draft->ipv4);
    clear_pile(&draft->ipv6);
}

/* -- from networks to pieces -- */

/* A network before those inside it, the value that counts before its doubles. */
static int compare(const void *a, const void *b)
{
    const struct netset_item *left = a, *right = b;
    if (left->start != right->start)
        return left->start < right->start ? -1 : 1;
    if (left->prefix != right->prefix)
        return left->prefix < right->prefix ? -1 : 1;
    return (left->value > right->value) - (left->value < right->value);
}

/* Lists mostly come in order. */
static void sort(struct netset_pile *pile)
{
    size_t i = 1;
    while (i < pile->count && compare(&pile->items[i - 1], &pile->items[i]) <= 0)
        i++;
    if (i < pile->count)
        qsort(pile->items, pile->count, sizeof(*pile->items), compare);
}

/* Where they are written to; without memory they are counted. */
struct pieces {
    uint32_t *ipv4_starts;
    number *ipv6_starts;
    uint32_t *values;
    size_t count;
    number last;
};

/* Of pieces with the same start the last one counts. */
static void put_piece(struct pieces *to, number start, uint32_t value)
{
    size_t i = to->count > 0 && to->last == start ? to->count - 1 : to->count++;
    to->last = start;
    if (to->ipv4_starts != NULL)
        to->ipv4_starts[i] = (uint32_t)start;
    if (to->ipv6_starts != NULL)
        to->ipv6_starts[i] = start;
    if (to->values != NULL)
        to->values[i] = value;
}

static number last_of(const struct netset_item *item, unsigned bits)
{
    unsigned rest = bits - item->prefix;
    return rest == 128 ? ~(number)0 : item->start | (((number)1 << rest) - 1);
}

/* Networks nest or are apart: those around the one that is looked at are a stack. */
struct around {
    const struct netset_item *items[130];
    int count;
};

static void leave_ended(struct around *around, unsigned bits, const struct netset_item *next, struct pieces *to)
{
    number all = bits == 128 ? ~(number)0 : ((number)1 << bits) - 1;
    while (around->count > 0) {
        number last = last_of(around->items[around->count - 1], bits);
        if (next != NULL && next->start <= last)
            return;
        around->count--;
        if (last < all)
            put_piece(to, last + 1, around->count > 0 ? around->items[around->count - 1]->value : NETSET_NONE);
    }
}

static size_t cut(const struct netset_pile *pile, unsigned bits, struct pieces *to)
{
    struct around around = {.count = 0};
    put_piece(to, 0, NETSET_NONE);
    for (size_t i = 0; i < pile->count; i++) {
        const struct netset_item *item = &pile->items[i];
        bool is_double = i > 0 && item[-1].start == item->start && item[-1].prefix == item->prefix;
        if (is_double)
            continue;
        leave_ended(&around, bits, item, to);
        around.items[around.count++] = item;
        put_piece(to, item->start, item->value);
    }
    leave_ended(&around, bits, NULL, to);
    return to->count;
}

/* -- the region -- */

static size_t take(size_t *used, size_t bytes)
{
    size_t at = *used;
    *used = (at + bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
    return at;
}

static void lay_out_ipv6(struct netset_head *head, size_t *used)
{
    size_t counts[LEVELS_MAX], count = head->ipv6_count;
    head->levels = 0;
    while (count > SAMPLE) {
        must(head->levels < LEVELS_MAX - 1);
        counts[head->levels++] = count;
        count = (count + SAMPLE - 1) / SAMPLE;
    }
    counts[head->levels++] = count;
    for (int level = 0; level < head->levels; level++) {
        head->level_counts[level] = counts[head->levels - 1 - level];
        head->level_starts[level] = take(used, head->level_counts[level] * sizeof(number));
    }
}

static size_t lay_out(struct netset_head *head, const struct netset_draft *draft)
{
    struct pieces ipv4 = {.count = 0}, ipv6 = {.count = 0};
    size_t used = 0;
    take(&used, sizeof(*head));
    *head = (struct netset_head){.ipv4_count = (uint32_t)cut(&draft->ipv4, 32, &ipv4),
                                 .ipv6_count = (uint32_t)cut(&draft->ipv6, 128, &ipv6)};
    head->slots = take(&used, SLOTS * sizeof(uint32_t));
    head->ipv4_starts = take(&used, head->ipv4_count * sizeof(uint32_t));
    head->ipv4_values = take(&used, head->ipv4_count * sizeof(uint32_t));
    lay_out_ipv6(head, &used);
    head->ipv6_values = take(&used, head->ipv6_count * sizeof(uint32_t));
    return used;
}

static void write_ipv4(const struct netset_head *head, const struct netset_pile *pile, char *to)
{
    uint32_t *slots = (uint32_t *)(void *)(to + head->slots), *starts = (uint32_t *)(void *)(to + head->ipv4_starts);
    struct pieces pieces = {.ipv4_starts = starts, .values = (uint32_t *)(void *)(to + head->ipv4_values)};
    cut(pile, 32, &pieces);
    for (uint32_t slot = 0, i = 0; slot < SLOTS; slot++) {
        while (i + 1 < head->ipv4_count && starts[i + 1] <= slot << (32 - SLOT_BITS))
            i++;
        slots[slot] = i;
    }
}

static number *level_at(const struct netset_head *head, int level, char *to)
{
    return (number *)(void *)(to + head->level_starts[level]);
}

static void write_ipv6(const struct netset_head *head, const struct netset_pile *pile, char *to)
{
    int last = head->levels - 1;
    struct pieces pieces = {.ipv6_starts = level_at(head, last, to),
                            .values = (uint32_t *)(void *)(to + head->ipv6_values)};
    cut(pile, 128, &pieces);
    for (int level = last - 1; level >= 0; level--)
        for (size_t i = 0; i < head->level_counts[level]; i++)
            level_at(head, level, to)[i] = level_at(head, level + 1, to)[i * SAMPLE];
}

static bool write_set(const struct netset_draft *from, struct netset *set_out)
{
    struct netset_head head;
    struct region region;
    size_t size = lay_out(&head, from);
    char *draft = region_draft(&region, "postern-networks", size);
    if (draft == NULL)
        return false;
    memcpy(draft, &head, sizeof(head));
    write_ipv4(&head, &from->ipv4, draft);
    write_ipv6(&head, &from->ipv6, draft);
    set_out->memory = region_freeze(&region, draft);
    set_out->size = size;
    set_out->head = set_out->memory;
    return set_out->memory != NULL;
}

bool netset_compile(struct netset_draft *draft, struct netset *set_out)
{
    must(draft->ipv4.count < UINT32_MAX / 2 && draft->ipv6.count < UINT32_MAX / 2);
    *set_out = (struct netset){0};
    sort(&draft->ipv4);
    sort(&draft->ipv6);
    bool done = write_set(draft, set_out);
    int error = errno;
    if (!done)
        *set_out = (struct netset){0};
    netset_clear_draft(draft);
    errno = error;
    return done;
}

void netset_clear(struct netset *set)
{
    region_thaw(set->memory, set->size);
    *set = (struct netset){0};
}

/* -- a look -- */

static const void *at(const struct netset *set, size_t offset)
{
    return (const char *)set->memory + offset;
}

static uint32_t find_ipv4(const struct netset *set, uint32_t address)
{
    const struct netset_head *head = set->head;
    const uint32_t *slots = at(set, head->slots), *starts = at(set, head->ipv4_starts);
    uint32_t slot = address >> (32 - SLOT_BITS), low = slots[slot];
    uint32_t high = slot + 1 < SLOTS ? slots[slot + 1] : head->ipv4_count - 1;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        if (starts[middle] <= address)
            low = middle;
        else
            high = middle - 1;
    }
    return ((const uint32_t *)at(set, head->ipv4_values))[low];
}

/* The last one of starts[first .. end - 1] that is not above; the first one is not. */
static size_t last_not_above(const number *starts, size_t first, size_t end, number address)
{
    while (end - first > 1) {
        size_t middle = first + (end - first) / 2;
        if (starts[middle] <= address)
            first = middle;
        else
            end = middle;
    }
    return first;
}

static uint32_t find_ipv6(const struct netset *set, number address)
{
    const struct netset_head *head = set->head;
    size_t found = 0;
    for (int level = 0; level < head->levels; level++) {
        size_t count = head->level_counts[level], first = found * SAMPLE;
        size_t end = count - first < SAMPLE ? count : first + SAMPLE;
        found = last_not_above(at(set, head->level_starts[level]), first, end, address);
    }
    return ((const uint32_t *)at(set, head->ipv6_values))[found];
}

uint32_t netset_find(const struct netset *set, const struct ipaddr *address)
{
    if (set->memory == NULL || address->family == 0)
        return NETSET_NONE;
    return address->family == 4 ? find_ipv4(set, (uint32_t)number_of(address)) : find_ipv6(set, number_of(address));
}
