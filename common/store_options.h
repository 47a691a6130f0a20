/* SPDX-License-Identifier: ISC
 *
 * store_options - postern.conf's store { }: where the memory on disk lies, how large it may be, how long it is waited
 * for.
 */
#ifndef POSTERN_COMMON_STORE_OPTIONS_H
#define POSTERN_COMMON_STORE_OPTIONS_H

#include "common/config.h"

struct store_options {
    const char *directory; /* NULL: there is no store */
    int64_t size_bytes;    /* of the file, at most */
    int64_t deadline_ms;   /* of a session's question */
};

extern const struct block store_block; /* fills struct store_options */

#endif
