/* SPDX-License-Identifier: ISC
 *
 * loop - one process of the sink: all its connections in one epoll, until SIGTERM or SIGINT.
 *
 * False with the cause on stderr when it cannot begin. The signals must be blocked already.
 */
#ifndef SINK_LOOP_H
#define SINK_LOOP_H

#include <stdbool.h>

#include "tests/sink/house.h"

bool loop_run(const struct house *house);

#endif
