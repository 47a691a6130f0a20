/* SPDX-License-Identifier: ISC */
#include "common/log.h"

#include "workers/housekeeper/tickets.h"

/* A time that is still to come was never written by a housekeeper of this boot, and an odd sequence is one who died in
 * the middle: no worker reads these keys until they are rotated again. */
static bool is_damaged(const struct ticket_keys *keys, int64_t now_ms)
{
    return atomic_load(&keys->rotated_ms) > now_ms || atomic_load(&keys->sequence) % 2 != 0;
}

static void tell(const struct ticket_keys *keys, bool rotated)
{
    struct record r;
    record_begin(&r, "ticket-keys");
    record_number(&r, "rotated", atomic_load(&keys->rotated));
    record_string(&r, "error", rotated ? NULL : "no randomness");
    record_send(&r, rotated ? LEVEL_INFO : LEVEL_ERROR);
}

int64_t tickets_step(struct ticket_keys *keys, int64_t lifetime_ms, int64_t now_ms)
{
    int64_t due = atomic_load(&keys->rotated_ms) + lifetime_ms;
    if (now_ms < due && !is_damaged(keys, now_ms))
        return due;
    bool rotated = ticket_keys_rotate(keys);
    tell(keys, rotated);
    return now_ms + (rotated ? lifetime_ms : TICKETS_RETRY_MS);
}
