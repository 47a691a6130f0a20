/* SPDX-License-Identifier: ISC
 *
 * serve - a session from the accepted connection to its log line.
 *
 * Greets, lets the dialog have its turns, and cleans up: whatever happened, both ends are closed, the line is written
 * and the memory is ready for the next one when it returns.
 */
#ifndef POSTERN_WORKERS_SERVE_H
#define POSTERN_WORKERS_SERVE_H

#include "workers/session.h"

/* Takes `outside_fd` and closes it. `memory` may hold an earlier session; its zero is valid. */
void serve_session(struct session *memory, const struct session_setup *setup, int outside_fd,
                   const struct endpoint *peer, const struct endpoint *local);

#endif
