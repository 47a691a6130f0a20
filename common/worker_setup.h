/* SPDX-License-Identifier: ISC
 *
 * worker_setup - what the master hands to a worker at fork, and nothing more.
 *
 * The master knows no worker code: daemon/main.c hands worker_main over as a worker_function.
 */
#ifndef POSTERN_COMMON_WORKER_SETUP_H
#define POSTERN_COMMON_WORKER_SETUP_H

#include <stdint.h>

#include "common/net.h"
#include "common/prefixes.h"
#include "common/sandbox.h"
#include "common/store_options.h"

struct scoreboard;
struct scoreboard_options;

enum { WORKER_LISTENERS_MAX = 16 };

/* What the master says on a lifeline, an octet each; one worker takes it, but all who wait are woken. */
enum lifeline {
    LIFELINE_LEAVE = 0, /* whoever takes it leaves */
    LIFELINE_LOOK = 1   /* look for a client: whoever was woken for one may have died of it */
};

struct worker_setup {
    const void *service;      /* the listener's part that is the workers' business (struct service) */
    struct scoreboard *board; /* not entered yet */
    int slot;                 /* own */
    int pool_first;           /* the pool's slots are [pool_first, pool_first + pool_size) */
    int pool_size;
    int min_spare;        /* fewer idle ones than this: wake the master */
    const int *listeners; /* descriptors, non-blocking */
    int listener_count;   /* at most WORKER_LISTENERS_MAX */
    int lifeline;         /* read end: octets of enum lifeline; EOF means all leave */
    /* The pressure pipe of this listener: an octet in it asks the session that was held longest to make room. Both ends
     * are the worker's own open files, non-blocking; -1: none. */
    int pressure_read, pressure_write;
    int wake;  /* write one octet, non-blocking: the master should look at this pool now; full is as good */
    int store; /* questions to the storekeeper (store.h); -1: there is none */
    uint32_t generation;
    const struct sandbox *sandbox; /* NULL: none */
    enum sandbox_mode sandbox_mode;
};

/* Does not return; ends with an enum worker_exit. Privileges are dropped before it is called. */
typedef void worker_function(const struct worker_setup *setup);

/* What the master hands to the housekeeper. */
struct housekeeper_setup {
    const void *housekeeping; /* the configuration's part that is its business (struct housekeeping) */
    struct scoreboard *board; /* not entered yet */
    int lifeline;             /* read end: EOF means leave */
    int ask;                  /* write one octet, non-blocking: a watched file has changed, please renew */
    int watch;                /* inotify, made by the master for directories that only root may read; -1: none */
    uint32_t generation;
    const struct sandbox *sandbox; /* NULL: none */
    enum sandbox_mode sandbox_mode;
};

/* Does not return; ends with an enum worker_exit. */
typedef void housekeeper_function(const struct housekeeper_setup *setup);

/* What became of the storekeeper before says of the file that it leaves. */
enum store_trust {
    STORE_TRUSTED,
    STORE_SUSPECT, /* it crashed: a child shall look through it first */
    STORE_DAMAGED  /* it found that it is none: set it aside */
};

/* What the master hands to the storekeeper. */
struct storekeeper_setup {
    const struct store_options *options;
    struct scoreboard *board; /* not entered yet */
    int lifeline;             /* read end: EOF means leave, when what was said is on disk */
    int questions;            /* reading end of the socket that workers ask by (store.h) */
    enum store_trust trust;
    const struct sandbox *sandbox; /* NULL: none */
    enum sandbox_mode sandbox_mode;
};

/* Does not return; ends with an enum worker_exit. */
typedef void storekeeper_function(const struct storekeeper_setup *setup);

/* What the master hands to the child that answers posternctl explain. */
struct explained_listener {
    const char *name;
    const void *service;       /* as for its workers; NULL: of the program that was here before */
    int pool_first, pool_size; /* and so are these */
    int min_spare;
    struct endpoint at; /* the first address that it listens at */
};
struct explainer_setup {
    const struct explained_listener *listeners; /* in the order of the configuration */
    int listener_count;
    struct scoreboard *board;  /* entered as a reader */
    const struct slice *words; /* of the request, behind its verb: nobody has looked into them */
    int word_count;
    int fd;              /* the answer is written there, as control.h has it */
    int64_t deadline_ms; /* then it is cut */
    const struct sandbox *sandbox;
    enum sandbox_mode sandbox_mode;
};

/* Does not return. Privileges are dropped before it is called. */
typedef void explainer_function(const struct explainer_setup *setup);

/* What the master hands to the child that answers posternctl's questions of the memory on disk. */
struct teller_setup {
    const char *verb;          /* "greylist", "reputation", "store" */
    const struct slice *words; /* of the request, behind its verb: nobody has looked into them */
    int word_count;
    struct slice behind;      /* what came with the request already, behind its line (store import) */
    struct scoreboard *board; /* entered as a reader */
    const struct scoreboard_options *scoreboard;
    const struct store_options *store; /* its directory NULL: none is configured */
    const struct prefixes *greylisted; /* the networks that clients are for the greylist */
    int ask;                           /* questions to the storekeeper (store.h); -1: there is none */
    uint32_t place;                    /* where their answers come */
    int fd;              /* the connection: lines are read there, the answer is written, as control.h has it */
    int64_t deadline_ms; /* then it is cut */
    const struct sandbox *sandbox;
    enum sandbox_mode sandbox_mode;
};

/* Does not return. Privileges are dropped before it is called: it has those of who owns the store. */
typedef void teller_function(const struct teller_setup *setup);

#endif
