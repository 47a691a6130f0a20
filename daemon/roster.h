/* SPDX-License-Identifier: ISC
 *
 * roster - the master's private table of its workers: slot -> who is there.
 *
 * The only truth that the master acts on (L7): written after fork and after waitpid, by nobody else; signals go to pids
 * in here alone. No pidfds: the pid of a child that was not waited for cannot be given to another process, and they
 * would cost a descriptor for each worker.
 */
#ifndef POSTERN_DAEMON_ROSTER_H
#define POSTERN_DAEMON_ROSTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct roster_entry {
    pid_t pid; /* 0: the slot is free */
    uint32_t generation;
    int crew; /* its place in the generation */
    int64_t started_ms;
    int told; /* the last signal that the master sent it, 0: none */
    /* The slot's own, whoever is there: before that no client is blamed for what happens to its worker. */
    int64_t no_blame_before_ms;
};

struct roster {
    struct roster_entry *entries;
    int size;
    int end; /* from here on nobody is: the table is as large as the scoreboard, which is mostly empty */
};

/* Slots [first, first + count). */
struct slot_range {
    int first, count;
};

bool roster_open(struct roster *roster, int size); /* false with errno */
void roster_close(struct roster *roster);
/* No child sees it, and pays for no page of it, but those that are forked while it is shown. */
void roster_show_to_children(const struct roster *roster, bool shown);

void roster_add(struct roster *roster, int slot, const struct roster_entry *entry);
struct roster_entry roster_remove(struct roster *roster, int slot); /* what was there */

/* Once in a while for each slot: what its worker says of its client is rumour, and a crash costs an attacker little. */
enum { ROSTER_BLAME_PAUSE_MS = 60000 };
bool roster_may_blame(struct roster *roster, int slot, int64_t now_ms);

int roster_find(const struct roster *roster, pid_t pid);                 /* the slot, or -1 */
int roster_free_slot(const struct roster *roster, int first, int count); /* the lowest of them, or -1 */
int roster_alive(const struct roster *roster, int first, int count);
int roster_total(const struct roster *roster);
int roster_of_generation(const struct roster *roster, uint32_t generation);
/* The first `count` slots in a row where nobody is, and none of those that are taken: -1 when there are none. */
int roster_find_room(const struct roster *roster, int count, const struct slot_range *taken, int taken_count);

void roster_signal_all(struct roster *roster, int signal_number);
void roster_signal_generation(struct roster *roster, uint32_t generation, int signal_number);

#endif
