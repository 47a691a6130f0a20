/* SPDX-License-Identifier: ISC
 *
 * root_block - postern.conf as tests of the session have it: listeners with what is their sessions' alone, backends and
 * policies. What the master needs of it is not there, and nothing has to be.
 */
#ifndef POSTERN_TESTS_LIB_ROOT_BLOCK_H
#define POSTERN_TESTS_LIB_ROOT_BLOCK_H

#include "common/config.h"
#include "workers/service.h"

struct root_listener {
    const char *name;
    struct session_options session;
};

/* Lists of struct root_listener, backend and policy. */
struct root {
    const char *hostname; /* NULL: not set */
    struct scoreboard_options scoreboard;
    struct resolver_options resolver;
    struct block_list listeners, backends, policies;
};

const struct block *root_block(void); /* for config_load: fills a struct root */

#endif
