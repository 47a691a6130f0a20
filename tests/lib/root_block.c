/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "tests/lib/root_block.h"

static const struct option_group listener_groups[] = {{session_option_rows, offsetof(struct root_listener, session)},
                                                      {0}};
static const struct block listener_block = {.name = "listener",
                                            .size = sizeof(struct root_listener),
                                            .titled = true,
                                            .groups = listener_groups,
                                            .title_offset = offsetof(struct root_listener, name)};
enum { POLICY_ROW = 4 };
static struct option rows[] = {
    {.name = "hostname", .type = OPTION_HOSTNAME, .offset = offsetof(struct root, hostname)},
    {.name = "listener", .type = OPTION_BLOCK, .offset = offsetof(struct root, listeners), .block = &listener_block},
    {.name = "backend", .type = OPTION_BLOCK, .offset = offsetof(struct root, backends), .block = &backend_block},
    {.name = "scoreboard",
     .type = OPTION_BLOCK,
     .offset = offsetof(struct root, scoreboard),
     .block = &scoreboard_block},
    [POLICY_ROW] = {.name = "policy", .type = OPTION_BLOCK, .offset = offsetof(struct root, policies)},
    {0}};
static const struct option_group groups[] = {{rows, 0}, {resolver_option_rows, offsetof(struct root, resolver)}, {0}};
static const struct block block = {.size = sizeof(struct root), .groups = groups};

const struct block *root_block(void)
{
    rows[POLICY_ROW].block = policy_block();
    return &block;
}
