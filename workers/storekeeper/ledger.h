/* SPDX-License-Identifier: ISC
 *
 * ledger - what the storekeeper's two threads share: the memory as a whole, which is what changed lately before what is
 * on disk.
 *
 * Changes are gathered in one pending set. A commit takes it as it is (`flying`), and changes go on in another. Who
 * reads looks at the new ones, at those that fly, then at the disk: all of it under one lock, which is held for
 * microseconds, never over a write to the disk. A commit that fails keeps what flies, and is tried again.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_LEDGER_H
#define POSTERN_WORKERS_STOREKEEPER_LEDGER_H

#include <pthread.h>
#include <stdatomic.h>

#include "workers/storekeeper/pending.h"
#include "workers/storekeeper/shelf.h"

struct ledger {
    struct shelf *shelf;
    pthread_mutex_t lock;
    struct pending *now, *flying; /* flying: what a commit writes; nobody changes it */
    uint64_t lost;                /* changes for which there was no room */
    uint64_t launched, landed;    /* commits */
    uint64_t synced;              /* those of them that outlive the machine */
    bool is_damaged;              /* what was read is none of ours */
    _Atomic uint32_t keeps_s;     /* attempts are evicted when they are so old; UINT32_MAX: none is */
    int64_t keeps_until_ms;       /* .. which holds until then; the writing thread's */
};

bool ledger_open(struct ledger *ledger, struct shelf *shelf); /* false: no memory */
void ledger_close(struct ledger *ledger);                     /* the shelf stays */

/* The answering thread. */
enum ledger_found { LEDGER_NONE, LEDGER_FOUND, LEDGER_BROKEN /* the disk could not be read */ };
enum ledger_found ledger_find(struct ledger *ledger, struct slice key, struct store_record *record_out);
/* record NULL: it goes. False: no room; counted as lost. */
bool ledger_put(struct ledger *ledger, struct slice key, const struct store_record *record);
uint64_t ledger_waiting(struct ledger *ledger); /* changes that are not on disk */
bool ledger_is_half_full(struct ledger *ledger);
uint64_t ledger_lost(struct ledger *ledger);
/* What has been put so far is on disk, and outlives the machine, when this mark has been passed. */
uint64_t ledger_mark(struct ledger *ledger);
bool ledger_has_passed(struct ledger *ledger, uint64_t mark);
/* Will what is put now still be there so much later? Not while a flood of others takes all the room. */
bool ledger_keeps_for(const struct ledger *ledger, uint64_t seconds);

/* The writing thread. What changed becomes what flies, unless something flies already. How much flies then. */
size_t ledger_launch(struct ledger *ledger);
/* What flies goes to disk. SHELF_DONE: it is there, and nothing flies; else it still does. With `sync` it stays there
 * though the machine dies at once. */
enum shelf_result ledger_land(struct ledger *ledger, bool sync, const char **why_out);
/* .. what has landed before. */
enum shelf_result ledger_sync(struct ledger *ledger);
/* Attempts of this age had to go (UINT32_MAX: none had). Believed for as long as it took them to become so old. */
void ledger_note_evicted(struct ledger *ledger, uint32_t youngest_s, int64_t now_ms);

#endif
