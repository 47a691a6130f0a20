/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <sys/mman.h>

#include "common/must.h"

#include "daemon/roster.h"

static size_t bytes_of(int size)
{
    return (size_t)size * sizeof(struct roster_entry);
}

bool roster_open(struct roster *roster, int size)
{
    void *at = mmap(NULL, bytes_of(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *roster = (struct roster){0};
    if (at == MAP_FAILED)
        return false;
    *roster = (struct roster){.entries = at, .size = size};
    roster_show_to_children(roster, false);
    return true;
}

void roster_show_to_children(const struct roster *roster, bool shown)
{
    madvise(roster->entries, bytes_of(roster->size), shown ? MADV_DOFORK : MADV_DONTFORK);
}

void roster_close(struct roster *roster)
{
    if (roster->entries != NULL)
        munmap(roster->entries, bytes_of(roster->size));
    *roster = (struct roster){0};
}

static struct roster_entry *entry_at(const struct roster *roster, int slot)
{
    must(slot >= 0 && slot < roster->size);
    return &roster->entries[slot];
}

void roster_add(struct roster *roster, int slot, const struct roster_entry *entry)
{
    struct roster_entry *at = entry_at(roster, slot);
    must(entry->pid > 1 && at->pid == 0);
    int64_t no_blame_before_ms = at->no_blame_before_ms;
    *at = *entry;
    at->no_blame_before_ms = no_blame_before_ms;
    if (slot >= roster->end)
        roster->end = slot + 1;
}

struct roster_entry roster_remove(struct roster *roster, int slot)
{
    struct roster_entry was = *entry_at(roster, slot);
    *entry_at(roster, slot) = (struct roster_entry){.no_blame_before_ms = was.no_blame_before_ms};
    while (roster->end > 0 && roster->entries[roster->end - 1].pid == 0)
        roster->end--;
    return was;
}

bool roster_may_blame(struct roster *roster, int slot, int64_t now_ms)
{
    struct roster_entry *at = entry_at(roster, slot);
    if (now_ms < at->no_blame_before_ms)
        return false;
    at->no_blame_before_ms = now_ms + ROSTER_BLAME_PAUSE_MS;
    return true;
}

int roster_find(const struct roster *roster, pid_t pid)
{
    for (int slot = 0; slot < roster->end; slot++)
        if (roster->entries[slot].pid == pid)
            return slot;
    return -1;
}

int roster_free_slot(const struct roster *roster, int first, int count)
{
    for (int slot = first; slot < first + count; slot++)
        if (entry_at(roster, slot)->pid == 0)
            return slot;
    return -1;
}

int roster_alive(const struct roster *roster, int first, int count)
{
    int alive = 0;
    if (first + count > roster->end)
        count = roster->end - first; /* behind the end nobody is */
    for (int slot = first; slot < first + count; slot++)
        alive += entry_at(roster, slot)->pid != 0;
    return alive;
}

int roster_total(const struct roster *roster)
{
    return roster_alive(roster, 0, roster->end);
}

int roster_of_generation(const struct roster *roster, uint32_t generation)
{
    int found = 0;
    for (int slot = 0; slot < roster->end; slot++)
        found += roster->entries[slot].pid != 0 && roster->entries[slot].generation == generation;
    return found;
}

/* Where to go on looking when the wanted range meets somebody; its own beginning when it does not. */
static int behind_obstacle(const struct roster *roster, const struct slot_range *wanted, const struct slot_range *taken,
                           int taken_count)
{
    for (int i = 0; i < taken_count; i++)
        if (wanted->first < taken[i].first + taken[i].count && taken[i].first < wanted->first + wanted->count)
            return taken[i].first + taken[i].count;
    for (int slot = wanted->first; slot < wanted->first + wanted->count && slot < roster->end; slot++)
        if (roster->entries[slot].pid != 0)
            return slot + 1;
    return wanted->first;
}

int roster_find_room(const struct roster *roster, int count, const struct slot_range *taken, int taken_count)
{
    struct slot_range wanted = {0, count};
    while (wanted.first + count <= roster->size) {
        int next = behind_obstacle(roster, &wanted, taken, taken_count);
        if (next == wanted.first)
            return next;
        wanted.first = next;
    }
    return -1;
}

static void tell(struct roster_entry *entry, int signal_number)
{
    kill(entry->pid, signal_number);
    entry->told = signal_number;
}

void roster_signal_all(struct roster *roster, int signal_number)
{
    for (int slot = 0; slot < roster->end; slot++)
        if (roster->entries[slot].pid != 0)
            tell(&roster->entries[slot], signal_number);
}

void roster_signal_generation(struct roster *roster, uint32_t generation, int signal_number)
{
    for (int slot = 0; slot < roster->end; slot++) {
        struct roster_entry *entry = &roster->entries[slot];
        if (entry->pid != 0 && entry->generation == generation)
            tell(entry, signal_number);
    }
}
