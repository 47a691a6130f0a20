/* SPDX-License-Identifier: ISC */
#include "common/scoreboard_options.h"

#include "workers/storekeeper/restore.h"

/* The key is as it was written here: a letter, a blank, and what it is about. 0: nowhere. */
static uint64_t place_of(const struct scoreboard *board, struct slice key)
{
    enum store_kind kind;
    struct network network;
    if (!store_kind_of(key, &kind) || !store_kind_is_reputation(kind))
        return 0;
    slice_drop(&key, 2);
    if (kind == STORE_DOMAIN)
        return scoreboard_reputation_of_domain(board, key);
    return network_parse(key, &network) ? scoreboard_reputation_of(board, &network) : 0;
}

void restore_reputation(const struct scoreboard *board, struct slice key, const struct store_record *record, time_t now)
{
    struct table_counts counts = {0}; /* of no slot's: dropped */
    uint64_t place = store_record_is_over(record, now) ? 0 : place_of(board, key);
    if (place != 0)
        reputation_restore(&board->reputations, place, record->reputation, now, &counts);
}

void restore_forget(const struct scoreboard *board, struct slice key)
{
    uint64_t place = place_of(board, key);
    if (place != 0)
        table_forget(&board->reputations, place);
}
