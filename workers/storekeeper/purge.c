/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "workers/storekeeper/purge.h"

enum {
    AGES = 128, /* four for each doubling */
    FUTURE_MAX_S = 86400,
    USUAL_KEY_BYTES = 60, /* before one was seen */
    SCARCE_PERCENT = 85,  /* of pages: copies of some for a commit or two, and there are none */
};

enum class { WAITING, KEPT, CLASSES }; /* attempts that have not passed; all else */

/* What a round has seen of those that stay. */
struct round {
    uint64_t ages[CLASSES][AGES];
    uint64_t records, key_bytes;
};

struct purge {
    struct store_key at; /* the last that was seen; size 0: a round begins */
    struct round before, now;
    uint64_t evicted; /* in this round */
    struct store_key doomed[PURGE_DELETES_MAX];
    struct shelf_change changes[PURGE_DELETES_MAX];
};

struct purge *purge_new(void)
{
    return calloc(1, sizeof(struct purge));
}

void purge_free(struct purge **purge)
{
    free(*purge);
    *purge = NULL;
}

/* -- ages */

static unsigned age_line(uint32_t age_s)
{
    unsigned top = 0;
    while (age_s >> top > 1)
        top++;
    return top < 2 ? age_s : 4 * (top - 1) + (age_s >> (top - 2) & 3);
}

/* A little of the future is a clock that was set back; much of it is a lie, and is not to stay for it. */
static uint32_t age_of(uint32_t then_s, time_t now)
{
    time_t age = now - (time_t)then_s;
    if (age < -FUTURE_MAX_S || age > (time_t)UINT32_MAX)
        return UINT32_MAX;
    return age < 0 ? 0 : (uint32_t)age;
}

static uint64_t count_of(const struct purge *purge, enum class class, unsigned line)
{
    return purge->before.ages[class][line] + purge->now.ages[class][line];
}

/* The youngest line of which some go, when `share` of so many are to go; AGES: none. *left_out: how many the class
 * lacks. */
static unsigned bound_of(const struct purge *purge, enum class class, uint64_t to_go, uint64_t *left_out)
{
    unsigned line = AGES;
    while (line > 0 && to_go > 0) {
        uint64_t here = count_of(purge, class, --line);
        to_go -= here < to_go ? here : to_go;
    }
    *left_out = to_go;
    return line;
}

/* -- a slice */

struct slice_of_round {
    struct purge *purge;
    time_t now;
    unsigned bounds[CLASSES];
    uint64_t quota; /* of evictions: a line of ages is not to go as a whole */
    size_t doomed, looked, over;
    uint32_t youngest_s;
};

/* Of `of` records so many are to go. */
static uint64_t share_of(unsigned pressure_percent, uint64_t of)
{
    if (pressure_percent <= PURGE_PRESSURE_PERCENT)
        return 0;
    return (of * (pressure_percent - PURGE_AIM_PERCENT) + pressure_percent - 1) / pressure_percent;
}

static void set_bounds(struct slice_of_round *slice, unsigned pressure_percent)
{
    const struct purge *purge = slice->purge;
    uint64_t lacking = 0;
    uint64_t before = purge->before.records, to_go = share_of(pressure_percent, before + purge->now.records);
    uint64_t round_to_go = share_of(pressure_percent, before > 0 ? before : purge->now.records);
    slice->quota = round_to_go > purge->evicted ? round_to_go - purge->evicted : 0;
    slice->bounds[WAITING] = bound_of(purge, WAITING, to_go, &lacking);
    if (pressure_percent <= PURGE_WORST_PERCENT)
        lacking = 0;
    slice->bounds[KEPT] = bound_of(purge, KEPT, lacking, &lacking);
}

static bool is_to_go(struct slice_of_round *slice, struct slice key, const struct store_record *record)
{
    if (store_record_is_over(record, slice->now)) {
        slice->over++;
        return true;
    }
    bool is_waiting = key.at[0] == store_kind_letter(STORE_GREY) && record->passed == 0;
    enum class class = is_waiting ? WAITING : KEPT;
    uint32_t age_s = age_of(is_waiting ? record->first_s : record->last_s, slice->now);
    unsigned line = age_line(age_s);
    if (line >= slice->bounds[class] && slice->quota > 0) {
        slice->quota--;
        if (is_waiting && age_s < slice->youngest_s)
            slice->youngest_s = age_s;
        return true;
    }
    struct round *round = &slice->purge->now;
    round->ages[class][line]++;
    round->records++;
    round->key_bytes += key.size;
    return false;
}

static bool see(void *context, struct slice key, const struct store_record *record)
{
    struct slice_of_round *slice = context;
    slice->looked++;
    if (!is_to_go(slice, key, record))
        return true;
    struct store_key *doomed = &slice->purge->doomed[slice->doomed];
    memcpy(doomed->text, key.at, key.size);
    doomed->size = key.size;
    slice->purge->changes[slice->doomed] = (struct shelf_change){.key = store_key_slice(doomed)};
    return ++slice->doomed < PURGE_DELETES_MAX;
}

static void end_round(struct purge *purge)
{
    purge->before = purge->now;
    purge->now = (struct round){0};
    purge->evicted = 0;
    purge->at.size = 0;
}

enum shelf_result purge_slice(struct purge *purge, struct shelf *shelf, time_t now, unsigned pressure_percent,
                              struct purge_done *done_out, const char **why_out)
{
    struct slice_of_round slice = {.purge = purge, .now = now, .youngest_s = UINT32_MAX};
    struct store_key from = purge->at;
    *done_out = (struct purge_done){.youngest_s = UINT32_MAX};
    set_bounds(&slice, pressure_percent);
    enum shelf_result walked = shelf_walk(shelf, &purge->at, slice_make("", 0), PURGE_LOOKS_MAX, see, &slice);
    if (walked != SHELF_DONE && walked != SHELF_NONE) {
        if (why_out != NULL)
            *why_out = "its records cannot be read";
        return walked;
    }
    enum shelf_result result = shelf_write(shelf, purge->changes, slice.doomed, why_out);
    if (result != SHELF_DONE) {
        purge->at = from;
        return result;
    }
    *done_out = (struct purge_done){.looked = slice.looked,
                                    .over = slice.over,
                                    .evicted = slice.doomed - slice.over,
                                    .youngest_s = slice.youngest_s,
                                    .is_round_over = walked == SHELF_NONE};
    purge->evicted += done_out->evicted;
    if (walked == SHELF_NONE)
        end_round(purge);
    return SHELF_DONE;
}

unsigned purge_pressure(const struct purge *purge, const struct shelf_size *size)
{
    uint64_t records = purge->before.records + purge->now.records;
    uint64_t key_bytes = records > 0 ? (purge->before.key_bytes + purge->now.key_bytes) / records : USUAL_KEY_BYTES;
    uint64_t packed = size->records * (key_bytes + sizeof(struct store_record) + SHELF_NODE_BYTES) * 3 / 2;
    uint64_t bytes_max = size->bytes_max > 0 ? size->bytes_max : 1;
    uint64_t by_pages = size->bytes_used * 100 / bytes_max, by_records = packed * 100 / bytes_max;
    bool is_by_pages = by_pages >= SCARCE_PERCENT || by_pages < by_records;
    return (unsigned)(is_by_pages ? by_pages : by_records);
}
