/* SPDX-License-Identifier: ISC */
#include "common/hits.h"

bool hits_add(struct hits *hits, uint64_t limit_hash, const struct hit *hit, int64_t quiet_s)
{
    (void)hits, (void)limit_hash, (void)hit, (void)quiet_s;
    return false;
}
