/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdlib.h>

#include "common/must.h"

#include "daemon/roster.h"

bool roster_open(struct roster *roster, int size)
{
    *roster = (struct roster){.entries = calloc((size_t)size, sizeof(struct roster_entry)), .size = size};
    return roster->entries != NULL;
}

void roster_close(struct roster *roster)
{
    free(roster->entries);
    *roster = (struct roster){0};
}

static struct roster_entry *entry_at(const struct roster *roster, int slot)
{
    must(slot >= 0 && slot < roster->size);
    return &roster->entries[slot];
}

void roster_add(struct roster *roster, int slot, const struct roster_entry *entry)
{
    must(entry->pid > 1 && entry_at(roster, slot)->pid == 0);
    *entry_at(roster, slot) = *entry;
}

struct roster_entry roster_remove(struct roster *roster, int slot)
{
    struct roster_entry was = *entry_at(roster, slot);
    *entry_at(roster, slot) = (struct roster_entry){0};
    return was;
}

int roster_find(const struct roster *roster, pid_t pid)
{
    for (int slot = 0; slot < roster->size; slot++)
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
    for (int slot = first; slot < first + count; slot++)
        alive += entry_at(roster, slot)->pid != 0;
    return alive;
}

void roster_signal_all(struct roster *roster, int signal_number)
{
    for (int slot = 0; slot < roster->size; slot++) {
        struct roster_entry *entry = &roster->entries[slot];
        if (entry->pid == 0)
            continue;
        kill(entry->pid, signal_number);
        entry->told = signal_number;
    }
}
