/* SPDX-License-Identifier: ISC
 *
 * What the deed units share.
 */
#ifndef POSTERN_DAEMON_DEED_INTERNAL_H
#define POSTERN_DAEMON_DEED_INTERNAL_H

#include "daemon/deed.h"

/* The error into the answer; false. */
bool deed_refuse(struct deed *deed, const char *why, const char *try);

/* False: refused, as deed_do. */
typedef bool deed_function(struct deed *deed);
deed_function deed_block, deed_allow, deed_forget;

#endif
