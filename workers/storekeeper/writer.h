/* SPDX-License-Identifier: ISC
 *
 * writer - the storekeeper's writing thread: commits, the cleaning of the file, and at the start what the disk
 * remembers of networks and domains back into the scoreboard.
 *
 * It alone waits for the disk. It never logs: how it stands is read by the other thread (writer_news). A commit that
 * fails is tried again each WRITER_RETRY_MS, for as long as the process lives; nothing but room is lost by that.
 */
#ifndef POSTERN_WORKERS_STOREKEEPER_WRITER_H
#define POSTERN_WORKERS_STOREKEEPER_WRITER_H

#include "common/worker_setup.h"
#include "workers/storekeeper/ledger.h"
#include "workers/storekeeper/purge.h"

enum {
    WRITER_COMMIT_MS = 250,
    WRITER_RETRY_MS = 1000,
    WRITER_CLEAN_MS = 250,   /* between two slices of the cleaning */
    WRITER_HURRY_MS = 10,    /* .. where room is short */
    WRITER_ROUND_MS = 60000, /* between two rounds */
    WRITER_WHY_MAX = 128
};

enum writer_state {
    WRITER_WORKING,
    WRITER_FAILING, /* tries again */
    WRITER_DAMAGED, /* the file is none any more: it has stopped */
    WRITER_BROKEN   /* has stopped: the file is to be opened anew, or the thread could not be set up */
};
struct writer_news {
    enum writer_state state;
    char why[WRITER_WHY_MAX]; /* "" while it works */
};

struct writer {
    struct ledger *ledger;
    struct scoreboard *board;
    const struct storekeeper_setup *setup;
    pthread_t thread;
    pthread_mutex_t lock; /* of the news */
    struct writer_news news;
    _Atomic uint32_t calls;      /* somebody wants a commit now */
    _Atomic uint32_t is_open;    /* 0: nothing is done yet; the process is not set up */
    _Atomic uint32_t is_to_sync; /* somebody waits for what he said to be safe */
    _Atomic uint32_t leave;      /* commit what there is, and end */
    /* the thread's own */
    struct purge *purge;
    unsigned pressure;                       /* percent */
    struct store_key restored;               /* how far */
    enum store_kind restoring;               /* STORE_KINDS: done */
    int64_t commit_ms, clean_ms, readers_ms; /* when next */
};

/* Begins the thread, which waits for writer_let_go. False with errno. */
bool writer_begin(struct writer *writer, const struct storekeeper_setup *setup, struct ledger *ledger);
void writer_let_go(struct writer *writer); /* the process is set up; the thread enters the sandbox itself */
void writer_call(struct writer *writer);   /* a commit, soon */
void writer_sync(struct writer *writer);   /* .. that outlives the machine, too */
struct writer_news writer_news(struct writer *writer);
/* Commits what there is, as long as that can be done within `wait_ms`. */
void writer_leave(struct writer *writer, int64_t wait_ms);

#endif
