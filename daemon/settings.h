/* SPDX-License-Identifier: ISC
 *
 * settings - postern.conf as a whole: which units' options make up a listener's block and the file, and what only shows
 * when all of it is seen.
 *
 * Knows both sides: the options of the master and those of the workers.
 */
#ifndef POSTERN_DAEMON_SETTINGS_H
#define POSTERN_DAEMON_SETTINGS_H

#include "common/scoreboard_options.h"
#include "common/store_options.h"

#include "workers/housekeeper/housekeeper.h"
#include "workers/service.h"

#include "daemon/listen.h"
#include "daemon/pool.h"
#include "daemon/process.h"

struct listener_block {
    const char *name;
    struct listen_options listen;
    struct pool_options pool;
    struct session_options session;
};

struct root_options {
    struct process_options process;
    struct housekeeper_options housekeeper;
    struct scoreboard_options scoreboard;
    struct store_options store;
    struct resolver_options resolver;
    const char *hostname;
    struct block_list listeners; /* struct listener_block */
    struct block_list backends;  /* struct backend */
    struct block_list policies;  /* struct policy */
};

/* Put together at run time: the block of policies is, from the table of checks. */
struct settings_block {
    struct option rows[7];
    struct option_group groups[5];
    struct block block;
};

void settings_assemble(struct settings_block *root);

#endif
