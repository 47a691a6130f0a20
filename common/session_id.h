/* SPDX-License-Identifier: ISC
 *
 * session_id - the name of a session in log, Received and posternctl: base 32 of the microsecond it began and of its
 * slot: unique for a host, short enough to be read out on the phone. Pure.
 */
#ifndef POSTERN_COMMON_SESSION_ID_H
#define POSTERN_COMMON_SESSION_ID_H

#include <stdbool.h>
#include <stdint.h>

#include "common/slice.h"

enum { SESSION_ID_BYTES = 16 }; /* 11 digits of time, 4 of the slot, and the NUL */

void session_id_print(uint64_t number, int slot, char text_out[SESSION_ID_BYTES]);
/* False: that is no id. */
bool session_id_parse(struct slice text, uint64_t *number_out, int *slot_out);

#endif
