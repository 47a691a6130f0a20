/* SPDX-License-Identifier: ISC
 *
 * orders - what the master tells the running workers, mostly what an administrator told it through posternctl: a region
 * of the scoreboard, written by the master alone, read-only for everybody else.
 *
 * A kill names a session, not a worker: the order holds the number of its id, and the worker that finds another number
 * there than its own session's goes on. So the next session is never hit. What ends a session by order is SIGUSR2 after
 * the order was written: the worker's handler compares and shuts its outside connection down.
 */
#ifndef POSTERN_COMMON_ORDERS_H
#define POSTERN_COMMON_ORDERS_H

#include <stdatomic.h>
#include <stddef.h>

#include "common/ipaddr.h"
#include "common/log.h"

enum { ORDERS_TRACES_MAX = 8 };

struct orders_trace {
    struct network network;
    int64_t until_ms; /* clock_ms(); 0: free */
};

struct orders {
    _Atomic uint32_t log_level; /* enum level + 1; 0: as configured */
    _Atomic uint32_t bypass;    /* 1: what checks find is only watched */
    _Atomic uint32_t slots_end; /* nobody works in a slot from here on */
    _Atomic uint32_t sequence;  /* of the traces; odd while they change */
    struct orders_trace traces[ORDERS_TRACES_MAX];
    _Atomic uint64_t kill[]; /* for each slot: the number of the session that is to end; 0: none */
};

size_t orders_bytes(int slot_count);

/* The master. */
void orders_set_log_level(struct orders *orders, bool configured, enum level level);
bool orders_add_trace(struct orders *orders, const struct network *network, int64_t until_ms); /* false: no room */
int orders_drop_traces(struct orders *orders, const struct network *network); /* NULL: all; how many there were */
void orders_set_bypass(struct orders *orders, bool on);
void orders_set_slots_end(struct orders *orders, int end);
void orders_kill(struct orders *orders, int slot, uint64_t session_number);

/* Everybody; `orders` may be NULL: nothing was ordered. */
bool orders_trace_wanted(const struct orders *orders, const struct ipaddr *client, int64_t now_ms);
int orders_list_traces(const struct orders *orders, struct orders_trace out[ORDERS_TRACES_MAX], int64_t now_ms);
bool orders_want_killed(const struct orders *orders, int slot, uint64_t session_number); /* async-signal-safe */
bool orders_bypass(const struct orders *orders);
int orders_slots_end(const struct orders *orders, int slot_count); /* at most slot_count */
/* The level that holds now. */
enum level orders_log_level(const struct orders *orders, enum level configured);

#endif
