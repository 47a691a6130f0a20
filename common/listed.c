/* SPDX-License-Identifier: ISC */
#include <sched.h>
#include <string.h>

#include "common/listed.h"

enum { READ_TRIES = 64 };

/* -- the master */

static void begin(struct listed *listed)
{
    atomic_fetch_or(&listed->sequence, 1u);
    atomic_thread_fence(memory_order_release);
}

static void end(struct listed *listed)
{
    atomic_fetch_add(&listed->sequence, 1u);
}

static bool is_over(const struct listed_entry *entry, time_t now)
{
    return entry->until_s != 0 && entry->until_s <= now;
}

static int find_network(const struct listed *listed, const struct network *network)
{
    for (int i = 0; i < (int)listed->end; i++)
        if (listed->entries[i].as != LISTED_NOT && network_equal(&listed->entries[i].network, network))
            return i;
    return -1;
}

static int find_free(const struct listed *listed)
{
    for (int i = 0; i < LISTED_MAX; i++)
        if (listed->entries[i].as == LISTED_NOT)
            return i;
    return -1;
}

static void clear(struct listed *listed, int place)
{
    listed->entries[place] = (struct listed_entry){0};
    memset(listed->reasons[place], 0, sizeof(listed->reasons[place]));
    while (listed->end > 0 && listed->entries[listed->end - 1].as == LISTED_NOT)
        listed->end--;
}

static void put_reason(char to[LISTED_REASON_MAX], const char *reason)
{
    size_t size = 0;
    for (; reason != NULL && size < LISTED_REASON_MAX - 1 && reason[size] != '\0'; size++)
        to[size] = reason[size] >= ' ' && reason[size] <= '~' ? reason[size] : '?';
    memset(to + size, 0, LISTED_REASON_MAX - size);
}

bool listed_add(struct listed *listed, const struct listed_entry *entry, const char *reason, time_t now)
{
    listed_expire(listed, now);
    int place = find_network(listed, &entry->network);
    if (place < 0)
        place = find_free(listed);
    if (place < 0)
        return false;
    begin(listed);
    listed->entries[place] = *entry;
    put_reason(listed->reasons[place], reason);
    if (place >= (int)listed->end)
        listed->end = (uint32_t)place + 1;
    end(listed);
    return true;
}

bool listed_drop(struct listed *listed, const struct network *network)
{
    int place = find_network(listed, network);
    if (place < 0)
        return false;
    begin(listed);
    clear(listed, place);
    end(listed);
    return true;
}

int listed_expire(struct listed *listed, time_t now)
{
    int dropped = 0;
    for (int i = (int)listed->end - 1; i >= 0; i--) {
        if (listed->entries[i].as == LISTED_NOT || !is_over(&listed->entries[i], now))
            continue;
        begin(listed);
        clear(listed, i);
        end(listed);
        dropped++;
    }
    return dropped;
}

/* -- everybody */

static uint32_t end_of(const struct listed *listed)
{
    uint32_t places = atomic_load_explicit(&listed->end, memory_order_acquire);
    return places < LISTED_MAX ? places : LISTED_MAX;
}

struct found {
    int place; /* -1: nobody */
    struct listed_entry entry;
};

static struct found look(const struct listed *listed, const struct ipaddr *client, time_t now)
{
    struct found best = {.place = -1};
    uint32_t places = end_of(listed);
    for (uint32_t i = 0; i < places; i++) {
        const struct listed_entry entry = listed->entries[i];
        if (entry.as == LISTED_NOT || is_over(&entry, now) || !network_holds(&entry.network, client))
            continue;
        if (best.place < 0 || entry.network.prefix > best.entry.network.prefix)
            best = (struct found){(int)i, entry};
    }
    return best;
}

/* Did nothing change since `before`? Where the master is in the middle of a change, it gets its turn first. */
static bool is_unchanged(const struct listed *listed, uint32_t before)
{
    atomic_thread_fence(memory_order_acquire);
    if (before % 2 == 0 && before == atomic_load_explicit(&listed->sequence, memory_order_relaxed))
        return true;
    sched_yield();
    return false;
}

enum listed_as listed_find(const struct listed *listed, const struct ipaddr *client, time_t now,
                           struct listed_entry *entry_out, char reason_out[LISTED_REASON_MAX])
{
    char reason[LISTED_REASON_MAX] = "";
    if (listed == NULL || atomic_load_explicit(&listed->end, memory_order_relaxed) == 0)
        return LISTED_NOT;
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&listed->sequence, memory_order_acquire);
        struct found found = look(listed, client, now);
        if (found.place >= 0)
            memcpy(reason, listed->reasons[found.place], sizeof(reason));
        if (!is_unchanged(listed, before))
            continue;
        if (found.place < 0)
            return LISTED_NOT;
        if (entry_out != NULL)
            *entry_out = found.entry;
        if (reason_out != NULL)
            memcpy(reason_out, reason, sizeof(reason));
        return (enum listed_as)found.entry.as;
    }
    return LISTED_NOT;
}

bool listed_read(const struct listed *listed, int place, time_t now, struct listed_entry *entry_out,
                 char reason_out[LISTED_REASON_MAX])
{
    for (int i = 0; listed != NULL && place < (int)end_of(listed) && i < READ_TRIES; i++) {
        uint32_t before = atomic_load_explicit(&listed->sequence, memory_order_acquire);
        *entry_out = listed->entries[place];
        memcpy(reason_out, listed->reasons[place], LISTED_REASON_MAX);
        if (is_unchanged(listed, before))
            return entry_out->as != LISTED_NOT && !is_over(entry_out, now);
    }
    return false;
}
