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
#include "common/sandbox.h"

struct scoreboard;

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
    int wake; /* write one octet, non-blocking: the master should look at this pool now; full is as good */
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

#endif
