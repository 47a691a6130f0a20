/* SPDX-License-Identifier: ISC */
#include "common/must.h"

#include "workers/storekeeper/ledger.h"

enum { HALF_PERCENT = 50, MS_PER_S = 1000, BELIEVED_MIN_S = 60, BELIEVED_MAX_S = 3600 };

static void lock(struct ledger *ledger)
{
    must(pthread_mutex_lock(&ledger->lock) == 0);
}

static void unlock(struct ledger *ledger)
{
    must(pthread_mutex_unlock(&ledger->lock) == 0);
}

bool ledger_open(struct ledger *ledger, struct shelf *shelf)
{
    *ledger = (struct ledger){.shelf = shelf, .now = pending_new(), .flying = pending_new(), .keeps_s = UINT32_MAX};
    return ledger->now != NULL && ledger->flying != NULL && pthread_mutex_init(&ledger->lock, NULL) == 0;
}

void ledger_close(struct ledger *ledger)
{
    pending_free(&ledger->now);
    pending_free(&ledger->flying);
    pthread_mutex_destroy(&ledger->lock);
}

/* -- the answering thread */

static enum ledger_found on_disk(struct ledger *ledger, struct slice key, struct store_record *record_out)
{
    enum shelf_result result = shelf_find(ledger->shelf, key, record_out);
    if (result == SHELF_DONE)
        return LEDGER_FOUND;
    ledger->is_damaged |= result == SHELF_DAMAGED;
    return result == SHELF_NONE ? LEDGER_NONE : LEDGER_BROKEN;
}

/* Under one lock to the end: what flies is seen there until it is seen on disk. */
enum ledger_found ledger_find(struct ledger *ledger, struct slice key, struct store_record *record_out)
{
    enum ledger_found found;
    lock(ledger);
    enum pending_found pending = pending_find(ledger->now, key, record_out);
    if (pending == PENDING_UNKNOWN)
        pending = pending_find(ledger->flying, key, record_out);
    if (pending == PENDING_UNKNOWN)
        found = on_disk(ledger, key, record_out);
    else
        found = pending == PENDING_THERE ? LEDGER_FOUND : LEDGER_NONE;
    unlock(ledger);
    return found;
}

bool ledger_put(struct ledger *ledger, struct slice key, const struct store_record *record)
{
    lock(ledger);
    bool put = pending_put(ledger->now, key, record);
    ledger->lost += !put;
    unlock(ledger);
    return put;
}

uint64_t ledger_waiting(struct ledger *ledger)
{
    lock(ledger);
    uint64_t waiting = pending_count(ledger->now) + pending_count(ledger->flying);
    unlock(ledger);
    return waiting;
}

bool ledger_is_half_full(struct ledger *ledger)
{
    lock(ledger);
    bool full = pending_is_full(ledger->now, HALF_PERCENT);
    unlock(ledger);
    return full;
}

uint64_t ledger_lost(struct ledger *ledger)
{
    lock(ledger);
    uint64_t lost = ledger->lost;
    unlock(ledger);
    return lost;
}

uint64_t ledger_mark(struct ledger *ledger)
{
    lock(ledger);
    uint64_t mark = ledger->launched + (pending_count(ledger->now) > 0);
    unlock(ledger);
    return mark;
}

bool ledger_has_passed(struct ledger *ledger, uint64_t mark)
{
    lock(ledger);
    bool passed = ledger->synced >= mark;
    unlock(ledger);
    return passed;
}

bool ledger_keeps_for(const struct ledger *ledger, uint64_t seconds)
{
    return atomic_load_explicit(&ledger->keeps_s, memory_order_relaxed) >= seconds;
}

/* -- the writing thread */

size_t ledger_launch(struct ledger *ledger)
{
    lock(ledger);
    if (pending_count(ledger->flying) == 0) {
        struct pending *empty = ledger->flying;
        ledger->flying = ledger->now;
        ledger->now = empty;
        ledger->launched += pending_count(ledger->flying) > 0;
    }
    size_t count = pending_count(ledger->flying);
    unlock(ledger);
    return count;
}

/* Sorted under the lock, since others look things up in it meanwhile; written without. */
enum shelf_result ledger_land(struct ledger *ledger, bool sync, const char **why_out)
{
    size_t count;
    lock(ledger);
    const struct shelf_change *changes = pending_sorted(ledger->flying, &count);
    unlock(ledger);
    enum shelf_result result = shelf_write(ledger->shelf, changes, count, why_out);
    if (result == SHELF_DONE && sync)
        result = shelf_sync(ledger->shelf);
    if (result != SHELF_DONE)
        return result;
    lock(ledger);
    pending_clear(ledger->flying);
    ledger->landed = ledger->launched;
    ledger->synced = sync ? ledger->landed : ledger->synced;
    unlock(ledger);
    return result;
}

enum shelf_result ledger_sync(struct ledger *ledger)
{
    enum shelf_result result = shelf_sync(ledger->shelf);
    lock(ledger);
    if (result == SHELF_DONE)
        ledger->synced = ledger->landed;
    unlock(ledger);
    return result;
}

void ledger_note_evicted(struct ledger *ledger, uint32_t youngest_s, int64_t now_ms)
{
    uint32_t keeps_s = atomic_load_explicit(&ledger->keeps_s, memory_order_relaxed);
    if (now_ms >= ledger->keeps_until_ms)
        keeps_s = UINT32_MAX;
    if (youngest_s < keeps_s)
        keeps_s = youngest_s;
    if (youngest_s != UINT32_MAX) {
        int64_t believed_s = keeps_s > BELIEVED_MAX_S ? BELIEVED_MAX_S : keeps_s;
        ledger->keeps_until_ms = now_ms + MS_PER_S * (believed_s < BELIEVED_MIN_S ? BELIEVED_MIN_S : believed_s);
    }
    atomic_store_explicit(&ledger->keeps_s, keeps_s, memory_order_relaxed);
}
