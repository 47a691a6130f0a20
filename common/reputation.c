/* SPDX-License-Identifier: ISC */
#include "common/reputation.h"

enum { POINT_BITS = 14, HOUR_BITS = 12, HOUR_MASK = (1 << HOUR_BITS) - 1, DAY = 24, FUTURE = -1 };

_Static_assert(REPUTATION_MAX >> POINT_BITS == 0,
               "after so many days, which is far from half the clock, nothing is left");
_Static_assert(HOUR_BITS + 2 * POINT_BITS == TABLE_VALUE_BITS, "all of it");

/* What one hour's time after another makes of 65536 when it is doubled in a day. */
static const uint32_t growth[DAY + 1] = {
    65536, 67456, 69433,  71468,  73562,  75717,  77936,  80220,  82570,  84990,  87480,  90043,  92682,
    95398, 98193, 101070, 104032, 107080, 110218, 113448, 116772, 120194, 123715, 127341, 131072,
};

/* `points` sixteenths of `age` hours ago: what is left of them, and what must have been there for so many to be left.
 */
static uint32_t faded(uint32_t points, uint32_t age)
{
    return (uint32_t)(((uint64_t)points * growth[DAY - age] + 65536) >> 17);
}

static uint32_t unfaded(uint32_t points, uint32_t age)
{
    return (uint32_t)(((uint64_t)points * growth[age] + 32768) >> 16);
}

struct memory {
    uint32_t age; /* in hours, less than a day */
    uint32_t good, bad;
};

static uint32_t hour_of(time_t now)
{
    return (uint32_t)(now / 3600) & HOUR_MASK;
}

/* An hour that began a moment earlier for another worker is not the future. */
static int age_of(uint64_t value, time_t now)
{
    uint32_t age = (hour_of(now) - (uint32_t)(value >> 2 * POINT_BITS)) & HOUR_MASK;
    if (age == HOUR_MASK)
        return 0;
    return age <= HOUR_MASK / 2 ? (int)age : FUTURE;
}

static struct memory unpack(uint64_t value, time_t now, bool *damaged_out)
{
    uint32_t good = (uint32_t)(value >> POINT_BITS) & REPUTATION_MAX, bad = (uint32_t)value & REPUTATION_MAX;
    bool is_empty = good == 0 && bad == 0;
    int age = age_of(value, now), days = age / DAY;
    *damaged_out = !is_empty && age == FUTURE;
    if (is_empty || age == FUTURE || days >= POINT_BITS)
        return (struct memory){0};
    return (struct memory){(uint32_t)(age % DAY), good >> days, bad >> days};
}

static uint64_t pack(const struct memory *memory, time_t now)
{
    if (memory->good == 0 && memory->bad == 0)
        return 0;
    uint64_t hour = (hour_of(now) - memory->age) & HOUR_MASK;
    return hour << 2 * POINT_BITS | (uint64_t)memory->good << POINT_BITS | memory->bad;
}

struct reputation reputation_read(uint64_t value, time_t now, bool *damaged_out)
{
    struct memory memory = unpack(value, now, damaged_out);
    return (struct reputation){faded(memory.good, memory.age), faded(memory.bad, memory.age)};
}

static uint32_t added(uint32_t points, uint32_t more, uint32_t age)
{
    uint32_t sum = points + unfaded(more < REPUTATION_MAX ? more : REPUTATION_MAX, age);
    return sum < REPUTATION_MAX ? sum : REPUTATION_MAX;
}

uint64_t reputation_add(uint64_t value, const struct reputation *more, time_t now, bool *damaged_out)
{
    struct memory memory = unpack(value, now, damaged_out);
    memory.good = added(memory.good, more->good, memory.age);
    memory.bad = added(memory.bad, more->bad, memory.age);
    return pack(&memory, now);
}

/* -- in a table */

struct lesson {
    struct reputation more;
    time_t now;
    bool damaged;
};

static uint64_t rank(uint64_t value, const void *context)
{
    const struct lesson *lesson = context;
    bool damaged;
    struct reputation left = reputation_read(value, lesson->now, &damaged);
    return left.good + left.bad;
}

static uint64_t change(uint64_t value, void *context)
{
    struct lesson *lesson = context;
    return reputation_add(value, &lesson->more, lesson->now, &lesson->damaged);
}

static const struct table_kind REPUTATIONS = {rank, change};

struct reputation reputation_find(const struct table *table, uint64_t hash, time_t now)
{
    bool damaged;
    return reputation_read(table_find(table, hash), now, &damaged);
}

void reputation_learn(const struct table *table, uint64_t hash, const struct reputation *more, time_t now,
                      struct table_counts *counts)
{
    struct lesson lesson = {.more = *more, .now = now};
    table_update(table, hash, &REPUTATIONS, &lesson, counts);
    counts->damaged += lesson.damaged;
}

struct restored {
    struct lesson lesson; /* first: rank takes it */
    uint64_t value;
};

static uint32_t lacks(uint32_t there, uint32_t kept)
{
    return kept > there ? kept - there : 0;
}

/* The larger of each: who came in before what is known of him, and who is here already, have their points once. */
static uint64_t change_restored(uint64_t value, void *context)
{
    struct restored *restored = context;
    time_t now = restored->lesson.now;
    bool damaged;
    if (value == 0)
        return restored->value;
    struct reputation there = reputation_read(value, now, &damaged);
    struct reputation kept = reputation_read(restored->value, now, &damaged);
    const struct reputation more = {lacks(there.good, kept.good), lacks(there.bad, kept.bad)};
    return more.good == 0 && more.bad == 0 ? value : reputation_add(value, &more, now, &damaged);
}

static const struct table_kind RESTORED = {rank, change_restored};

void reputation_restore(const struct table *table, uint64_t hash, uint64_t value, time_t now,
                        struct table_counts *counts)
{
    bool damaged;
    struct reputation left = reputation_read(value, now, &damaged);
    if (damaged || (left.good == 0 && left.bad == 0))
        return;
    struct restored restored = {{.now = now}, value};
    table_update(table, hash, &RESTORED, &restored, counts);
}

uint64_t reputation_tidy(const struct table *table, time_t now)
{
    return table_tidy(table, &REPUTATIONS, &(struct lesson){.now = now});
}

/* -- what it means */

enum standing reputation_standing(const struct reputation *reputation)
{
    if (reputation->good >= 2 * REPUTATION_ONE && reputation->good >= 3 * reputation->bad)
        return STANDING_GOOD;
    if (reputation->bad >= 4 * REPUTATION_ONE && reputation->bad > reputation->good)
        return STANDING_BAD;
    return STANDING_UNKNOWN;
}

const char *standing_name(enum standing standing)
{
    static const char *const names[STANDINGS] = {
        [STANDING_UNKNOWN] = "unknown", [STANDING_GOOD] = "good", [STANDING_BAD] = "bad"};
    return names[standing];
}
