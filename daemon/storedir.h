/* SPDX-License-Identifier: ISC
 *
 * storedir - the directory of the memory on disk, made where it is missing, one level, for the workers' user.
 *
 * Only at the start, while the master may still give it away. That it cannot be made is said in the log, and by the
 * storekeeper again; it never keeps mail waiting.
 */
#ifndef POSTERN_DAEMON_STOREDIR_H
#define POSTERN_DAEMON_STOREDIR_H

#include "common/store_options.h"

#include "daemon/privilege.h"

void storedir_make(const struct store_options *options, const struct identity *identity);

#endif
