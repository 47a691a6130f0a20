/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/must.h"
#include "common/scoreboard.h"

#include "workers/storekeeper/restore.h"
#include "workers/storekeeper/writer.h"

enum { STACK_BYTES = 256 << 10, RESTORE_SLICE = 4096, READERS_MS = 60000 };

/* -- the news */

static void set_news(struct writer *w, enum writer_state state, const char *why)
{
    must(pthread_mutex_lock(&w->lock) == 0);
    w->news.state = state;
    snprintf(w->news.why, sizeof(w->news.why), "%s", why != NULL ? why : "");
    must(pthread_mutex_unlock(&w->lock) == 0);
}

struct writer_news writer_news(struct writer *writer)
{
    must(pthread_mutex_lock(&writer->lock) == 0);
    struct writer_news news = writer->news;
    must(pthread_mutex_unlock(&writer->lock) == 0);
    return news;
}

static bool has_stopped(struct writer *w)
{
    return writer_news(w).state >= WRITER_DAMAGED;
}

/* -- commits */

static struct store_head *head_of(const struct writer *w)
{
    return &w->board->store->head;
}

static void note_size(struct writer *w)
{
    struct shelf_size size;
    if (!shelf_measure(w->ledger->shelf, &size))
        return;
    w->pressure = purge_pressure(w->purge, &size);
    if (w->pressure > PURGE_PRESSURE_PERCENT && w->clean_ms > clock_ms() + WRITER_HURRY_MS)
        w->clean_ms = clock_ms(); /* not when the next round would begin */
    atomic_store_explicit(&head_of(w)->records, size.records, memory_order_relaxed);
    atomic_store_explicit(&head_of(w)->bytes, size.bytes_used, memory_order_relaxed);
    atomic_store_explicit(&head_of(w)->bytes_max, size.bytes_max, memory_order_relaxed);
}

static void take_result(struct writer *w, enum shelf_result result, const char *why)
{
    switch (result) {
    case SHELF_DONE:
    case SHELF_NONE:
        set_news(w, WRITER_WORKING, NULL);
        return;
    case SHELF_FULL:
    case SHELF_FAILED:
        set_news(w, WRITER_FAILING, why);
        return;
    case SHELF_REOPEN:
        set_news(w, WRITER_BROKEN, why);
        return;
    case SHELF_DAMAGED:
    case SHELF_FOREIGN:
        set_news(w, WRITER_DAMAGED, why);
        return;
    }
}

/* Also where nothing is to be written: what somebody waits for may have been, without that. */
static enum shelf_result write_down(struct writer *w, size_t count, bool sync, const char **why_out)
{
    if (count == 0)
        return ledger_sync(w->ledger);
    int64_t began_us = clock_us();
    enum shelf_result result = ledger_land(w->ledger, sync, why_out);
    if (result == SHELF_DONE) {
        store_note_longest(&head_of(w)->longest_commit_us, clock_us() - began_us);
        atomic_fetch_add_explicit(&head_of(w)->commits, 1, memory_order_relaxed);
    }
    return result;
}

static void commit(struct writer *w, int64_t now_ms)
{
    const char *why = NULL;
    w->commit_ms = now_ms + WRITER_COMMIT_MS;
    bool sync = atomic_exchange(&w->is_to_sync, 0) != 0;
    size_t count = ledger_launch(w->ledger);
    if (count == 0 && !sync)
        return;
    enum shelf_result result = write_down(w, count, sync, &why);
    take_result(w, result, why);
    note_size(w);
    if (result == SHELF_DONE)
        return;
    w->commit_ms = clock_ms() + WRITER_RETRY_MS;
    if (sync)
        atomic_store(&w->is_to_sync, 1);
}

/* -- cleaning */

static int64_t next_slice_ms(const struct writer *w, bool is_round_over, int64_t now_ms)
{
    if (w->pressure > PURGE_PRESSURE_PERCENT)
        return now_ms + WRITER_HURRY_MS;
    return now_ms + (is_round_over ? WRITER_ROUND_MS : WRITER_CLEAN_MS);
}

static void clean(struct writer *w, int64_t now_ms)
{
    struct purge_done done;
    const char *why = NULL;
    if (now_ms < w->clean_ms)
        return;
    enum shelf_result result = purge_slice(w->purge, w->ledger->shelf, clock_wall(), w->pressure, &done, &why);
    if (result == SHELF_DAMAGED || result == SHELF_FOREIGN || result == SHELF_REOPEN)
        take_result(w, result, why); /* what else fails is tried again, and commits will tell */
    atomic_fetch_add_explicit(&head_of(w)->purged, done.over, memory_order_relaxed);
    atomic_fetch_add_explicit(&head_of(w)->evicted, done.evicted, memory_order_relaxed);
    ledger_note_evicted(w->ledger, done.youngest_s, now_ms);
    if (done.over + done.evicted > 0)
        note_size(w);
    w->clean_ms = next_slice_ms(w, done.is_round_over, clock_ms());
}

static void check_readers(struct writer *w, int64_t now_ms)
{
    if (now_ms < w->readers_ms)
        return;
    w->readers_ms = now_ms + READERS_MS;
    shelf_check_readers(w->ledger->shelf);
}

/* -- back into the scoreboard */

static bool restore_one(void *context, struct slice key, const struct store_record *record)
{
    restore_reputation(context, key, record, clock_wall());
    return true;
}

static void restore(struct writer *w)
{
    char prefix[] = {store_kind_letter(w->restoring), ' '};
    enum shelf_result result = shelf_walk(w->ledger->shelf, &w->restored, slice_make(prefix, sizeof(prefix)),
                                          RESTORE_SLICE, restore_one, w->board);
    if (result == SHELF_DONE)
        return;
    if (result != SHELF_NONE)
        take_result(w, result, "cannot be read");
    w->restored.size = 0;
    w->restoring = result == SHELF_NONE && w->restoring == STORE_NETWORK ? STORE_DOMAIN : STORE_KINDS;
}

/* -- the thread */

static void step(struct writer *w, int64_t now_ms)
{
    if (now_ms >= w->commit_ms || (ledger_is_half_full(w->ledger) && writer_news(w).state == WRITER_WORKING))
        commit(w, now_ms);
    if (w->restoring != STORE_KINDS && !has_stopped(w))
        restore(w);
    else if (!has_stopped(w))
        clean(w, now_ms);
    check_readers(w, now_ms);
}

static void pause_until_due(struct writer *w, uint32_t calls)
{
    int64_t due_ms = w->commit_ms < w->clean_ms ? w->commit_ms : w->clean_ms;
    if (w->restoring == STORE_KINDS && clock_await_change(&w->calls, calls, due_ms))
        w->commit_ms = writer_news(w).state == WRITER_WORKING ? 0 : w->commit_ms;
}

/* The process's own share of what may be done from here on; each thread has to enter for itself. */
static bool enter(const struct writer *w)
{
    const struct storekeeper_setup *setup = w->setup;
    return sandbox_enter(setup->sandbox, setup->sandbox_mode, SANDBOX_STOREKEEPER, NULL, 0);
}

static void *run(void *context)
{
    struct writer *w = context;
    while (atomic_load(&w->is_open) == 0)
        clock_await_change(&w->is_open, 0, CLOCK_NEVER);
    if (!enter(w))
        set_news(w, WRITER_BROKEN, strerrorname_np(errno));
    note_size(w);
    while (!has_stopped(w) && atomic_load(&w->leave) == 0) {
        uint32_t calls = atomic_load(&w->calls);
        step(w, clock_ms());
        pause_until_due(w, calls);
    }
    return NULL;
}

bool writer_begin(struct writer *writer, const struct storekeeper_setup *setup, struct ledger *ledger)
{
    pthread_attr_t attributes;
    *writer = (struct writer){.ledger = ledger, .board = setup->board, .setup = setup, .restoring = STORE_NETWORK};
    writer->purge = purge_new();
    if (writer->purge == NULL)
        return false;
    errno = pthread_mutex_init(&writer->lock, NULL);
    if (errno == 0)
        errno = pthread_attr_init(&attributes);
    if (errno != 0)
        return false;
    errno = pthread_attr_setstacksize(&attributes, STACK_BYTES);
    if (errno == 0)
        errno = pthread_create(&writer->thread, &attributes, run, writer);
    int error = errno;
    pthread_attr_destroy(&attributes);
    errno = error;
    return error == 0;
}

void writer_let_go(struct writer *writer)
{
    atomic_store(&writer->is_open, 1);
    clock_tell_change(&writer->is_open);
}

void writer_call(struct writer *writer)
{
    atomic_fetch_add(&writer->calls, 1);
    clock_tell_change(&writer->calls);
}

void writer_sync(struct writer *writer)
{
    atomic_store(&writer->is_to_sync, 1);
    writer_call(writer);
}

/* -- the end */

/* In the caller's thread, when the other is gone: from then on there is one. */
static void commit_rest(struct writer *w, int64_t until_ms)
{
    do
        commit(w, clock_ms());
    while (!has_stopped(w) && writer_news(w).state == WRITER_WORKING && ledger_waiting(w->ledger) > 0 &&
           clock_ms() < until_ms);
}

void writer_leave(struct writer *writer, int64_t wait_ms)
{
    int64_t until_ms = clock_deadline(wait_ms);
    atomic_store(&writer->leave, 1);
    writer_call(writer);
    must(pthread_join(writer->thread, NULL) == 0);
    if (!has_stopped(writer))
        commit_rest(writer, until_ms);
    purge_free(&writer->purge);
}
