/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "common/store_options.h"

/* clang-format off */
static const struct option rows[] = {
    {"directory", OPTION_PATH, offsetof(struct store_options, directory), NULL, NULL,
     "Where the memory on disk lies: a directory for it alone, /var/lib/postern/memory say, on a local file system. One "
     "that is not there is made at the start, for the workers' user. Not set: nothing outlives the scoreboard, and there "
     "is no greylist."},
    {"size", OPTION_SIZE, offsetof(struct store_options, size_bytes), "1G", "16M..1024G",
     "How large its file may become; 1G has room for some five million entries. When it is nearly full the oldest that "
     "nobody came back for go first. It can grow with a reload, and never shrinks."},
    {"deadline", OPTION_TIME, offsetof(struct store_options, deadline_ms), "1s", "100ms..30s",
     "How long a session waits for an answer. After that it goes on as if nothing were remembered: mail never waits for "
     "the memory."},
    {0},
};
/* clang-format on */

static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
const struct block store_block = {
    .name = "store",
    .meaning = "The memory on disk: what the greylist has seen, reputations, traps.",
    .size = sizeof(struct store_options),
    .groups = groups,
};
