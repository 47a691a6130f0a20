/* SPDX-License-Identifier: ISC
 *
 * control_send - records of control.h on their way to who asked, from a child that may wait for him.
 */
#ifndef POSTERN_COMMON_CONTROL_SEND_H
#define POSTERN_COMMON_CONTROL_SEND_H

#include "common/buffer.h"

/* All of it, by send(2) on a Unix socket. False: he has gone, or does not read; there is no point in going on. */
bool control_send(int fd, struct buffer *out, int64_t deadline_ms);

#endif
