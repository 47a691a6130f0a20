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
    uint64_t upper, lower; /* of its first address; in this order: as sorted */
    uint32_t value;
    uint8_t prefix;
};

/* Pieces ascend, and begin at 0; a piece goes up to the next one. Of IPv4 `slots` leads from the upper half of an
 * address to the last piece that begins at or before the first address with it. Of IPv6, whose first bits are all alike
 * there, pieces whose starts have the same upper half are a group; the groups' upper halves are a tree: each level has
 * every SAMPLE-th of the one below it, a cache line for each choice, up to one of SAMPLE or fewer. */
enum { SLOT_BITS = 16, SLOTS = 1 << SLOT_BITS, SAMPLE = 8, LEVELS_MAX = 11, ALIGNED = 64, FIRST_ROOM = 1024 };

struct netset_head {
    uint32_t ipv4_count, ipv6_count, group_count;
    size_t slots, ipv4_starts, ipv4_values; /* offsets, from here on */
    size_t lowers, ipv6_values;             /* lower halves of starts; of each piece */
    size_t firsts;                          /* of each group its first piece; and one behind the last one */
    int levels;
    size_t uppers[LEVELS_MAX]; /* the uppermost level first, the last one has all */
    size_t upper_counts[LEVELS_MAX];
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
    number start = number_of(&network->address);
    pile->items[pile->count++] = (struct netset_item){(uint64_t)(start >> 64), (uint64_t)start, value, network->prefix};
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

static number start_of(const struct netset_item *item)
{
    return (number)item->upper << 64 | item->lower;
}

/* By their start, a network before those inside it, doubles as they were added: a byte of that after the other, from
 * the least on (which is stable, and for a million of them faster than comparing). Where all have the same byte, which
 * is most of IPv6, nothing is moved. */
enum { KEY_BYTES = 17 };

static unsigned key_byte(const struct netset_item *item, int i)
{
    if (i == 0)
        return item->prefix;
    return (unsigned)((i <= 8 ? item->lower >> 8 * (i - 1) : item->upper >> 8 * (i - 9)) & 0xff);
}

static void sort_by_byte(const struct netset_item *from, struct netset_item *to, size_t count, int i)
{
    size_t starts[256] = {0}, at = 0;
    for (size_t j = 0; j < count; j++)
        starts[key_byte(&from[j], i)]++;
    for (int byte = 0; byte < 256; byte++) {
        size_t here = starts[byte];
        starts[byte] = at;
        at += here;
    }
    for (size_t j = 0; j < count; j++)
        to[starts[key_byte(&from[j], i)]++] = from[j];
}

/* The bits in which they differ. */
static struct netset_item difference(const struct netset_pile *pile)
{
    struct netset_item all = {0};
    for (size_t i = 1; i < pile->count; i++) {
        all.upper |= pile->items[i].upper ^ pile->items[0].upper;
        all.lower |= pile->items[i].lower ^ pile->items[0].lower;
        all.prefix |= pile->items[i].prefix ^ pile->items[0].prefix;
    }
    return all;
}

static bool sort(struct netset_pile *pile)
{
    const struct netset_item differs = difference(pile);
    struct netset_item *other = reallocarray(NULL, pile->count + 1, sizeof(*other));
    if (other == NULL)
        return false;
    for (int i = 0; i < KEY_BYTES; i++) {
        struct netset_item *sorted = pile->items;
        if (key_byte(&differs, i) == 0)
            continue;
        sort_by_byte(sorted, other, pile->count, i);
        pile->items = other;
        other = sorted;
    }
    free(other);
    return true;
}

/* Where they are written to; without memory they are counted. */
struct pieces {
    uint32_t *ipv4_starts, *values;
    uint64_t *uppers, *lowers;
    uint32_t *firsts;
    size_t count, group_count;
    number last;
};

static void put_group(struct pieces *to, uint64_t upper)
{
    if (to->firsts != NULL) {
        to->uppers[to->group_count] = upper;
        to->firsts[to->group_count] = (uint32_t)to->count;
    }
    to->group_count++;
}

/* Of pieces with the same start the last one counts. */
static void put_piece(struct pieces *to, number start, uint32_t value)
{
    bool is_first = to->count == 0, is_same = !is_first && to->last == start;
    if (is_first || to->last >> 64 != start >> 64)
        put_group(to, (uint64_t)(start >> 64));
    size_t i = is_same ? to->count - 1 : to->count++;
    to->last = start;
    if (to->ipv4_starts != NULL)
        to->ipv4_starts[i] = (uint32_t)start;
    if (to->lowers != NULL)
        to->lowers[i] = (uint64_t)start;
    if (to->values != NULL)
        to->values[i] = value;
}

static number last_of(const struct netset_item *item, unsigned bits)
{
    unsigned rest = bits - item->prefix;
    return rest == 128 ? ~(number)0 : start_of(item) | (((number)1 << rest) - 1);
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
        if (next != NULL && start_of(next) <= last)
            return;
        around->count--;
        if (last < all)
            put_piece(to, last + 1, around->count > 0 ? around->items[around->count - 1]->value : NETSET_NONE);
    }
}

static void cut(const struct netset_pile *pile, unsigned bits, struct pieces *to)
{
    struct around around = {.count = 0};
    put_piece(to, 0, NETSET_NONE);
    for (size_t i = 0; i < pile->count; i++) {
        const struct netset_item *item = &pile->items[i];
        bool is_double = i > 0 && start_of(item - 1) == start_of(item) && item[-1].prefix == item->prefix;
        if (is_double)
            continue;
        leave_ended(&around, bits, item, to);
        around.items[around.count++] = item;
        put_piece(to, start_of(item), item->value);
    }
    leave_ended(&around, bits, NULL, to);
}

/* -- the region -- */

static size_t take(size_t *used, size_t bytes)
{
    size_t at = *used;
    *used = (at + bytes + ALIGNED - 1) / ALIGNED * ALIGNED;
    return at;
}

static void lay_out_uppers(struct netset_head *head, size_t *used)
{
    size_t counts[LEVELS_MAX], count = head->group_count;
    head->levels = 0;
    for (; count > SAMPLE; count = (count + SAMPLE - 1) / SAMPLE) {
        must(head->levels < LEVELS_MAX - 1);
        counts[head->levels++] = count;
    }
    counts[head->levels++] = count;
    for (int level = 0; level < head->levels; level++) {
        head->upper_counts[level] = counts[head->levels - 1 - level];
        head->uppers[level] = take(used, head->upper_counts[level] * sizeof(uint64_t));
    }
}

static size_t lay_out(struct netset_head *head, const struct netset_draft *draft)
{
    struct pieces ipv4 = {.count = 0}, ipv6 = {.count = 0};
    size_t used = 0;
    cut(&draft->ipv4, 32, &ipv4);
    cut(&draft->ipv6, 128, &ipv6);
    take(&used, sizeof(*head));
    *head = (struct netset_head){.ipv4_count = (uint32_t)ipv4.count,
                                 .ipv6_count = (uint32_t)ipv6.count,
                                 .group_count = (uint32_t)ipv6.group_count};
    head->slots = take(&used, SLOTS * sizeof(uint32_t));
    head->ipv4_starts = take(&used, ipv4.count * sizeof(uint32_t));
    head->ipv4_values = take(&used, ipv4.count * sizeof(uint32_t));
    lay_out_uppers(head, &used);
    head->firsts = take(&used, (ipv6.group_count + 1) * sizeof(uint32_t));
    head->lowers = take(&used, ipv6.count * sizeof(uint64_t));
    head->ipv6_values = take(&used, ipv6.count * sizeof(uint32_t));
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

static uint64_t *level_of(const struct netset_head *head, int level, char *to)
{
    return (uint64_t *)(void *)(to + head->uppers[level]);
}

static void write_ipv6(const struct netset_head *head, const struct netset_pile *pile, char *to)
{
    int last = head->levels - 1;
    struct pieces pieces = {.uppers = level_of(head, last, to),
                            .firsts = (uint32_t *)(void *)(to + head->firsts),
                            .lowers = (uint64_t *)(void *)(to + head->lowers),
                            .values = (uint32_t *)(void *)(to + head->ipv6_values)};
    cut(pile, 128, &pieces);
    pieces.firsts[pieces.group_count] = (uint32_t)pieces.count;
    for (int level = last - 1; level >= 0; level--)
        for (size_t i = 0; i < head->upper_counts[level]; i++)
            level_of(head, level, to)[i] = level_of(head, level + 1, to)[i * SAMPLE];
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
    bool done = sort(&draft->ipv4) && sort(&draft->ipv6) && write_set(draft, set_out);
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

/* The last group whose upper half is not above. The first one's is 0. */
static size_t find_group(const struct netset *set, uint64_t upper)
{
    const struct netset_head *head = set->head;
    size_t found = 0;
    for (int level = 0; level < head->levels; level++) {
        const uint64_t *uppers = at(set, head->uppers[level]);
        size_t first = found * SAMPLE, end = head->upper_counts[level];
        end = end - first < SAMPLE ? end : first + SAMPLE;
        for (found = first; found + 1 < end && uppers[found + 1] <= upper;)
            found++;
    }
    return found;
}

/* Pieces before the group may hold the address as well: the last one that begins before it does. */
static size_t find_in_group(const struct netset *set, size_t group, uint64_t lower)
{
    const uint32_t *firsts = at(set, set->head->firsts);
    const uint64_t *lowers = at(set, set->head->lowers);
    size_t low = firsts[group], high = firsts[group + 1];
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (lowers[middle] <= lower)
            low = middle + 1;
        else
            high = middle;
    }
    return low - 1; /* the very first piece begins at 0 */
}

static uint32_t find_ipv6(const struct netset *set, number address)
{
    const struct netset_head *head = set->head;
    uint64_t upper = (uint64_t)(address >> 64);
    size_t group = find_group(set, upper);
    const uint64_t *uppers = at(set, head->uppers[head->levels - 1]);
    size_t piece = uppers[group] == upper ? find_in_group(set, group, (uint64_t)address)
                                          : ((const uint32_t *)at(set, head->firsts))[group + 1] - 1;
    return ((const uint32_t *)at(set, head->ipv6_values))[piece];
}

uint32_t netset_find(const struct netset *set, const struct ipaddr *address)
{
    if (set->memory == NULL || address->family == 0)
        return NETSET_NONE;
    return address->family == 4 ? find_ipv4(set, (uint32_t)number_of(address)) : find_ipv6(set, number_of(address));
}
