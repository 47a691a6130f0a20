/* SPDX-License-Identifier: ISC */
#include "common/clock.h"
#include "common/keyword.h"
#include "common/scoreboard.h"
#include "workers/heard.h"

static struct heard *heard_of(struct scoreboard *board, const struct server *server)
{
    if (board == NULL || server->heard_slot < 0 || server->heard_slot >= SCOREBOARD_SERVERS_MAX)
        return NULL;
    return &board->heard[server->heard_slot];
}

void heard_remember(struct scoreboard *board, const struct server *server, const struct extensions *offers)
{
    struct heard *heard = heard_of(board, server);
    if (heard == NULL)
        return;
    uint32_t now = keyword_epoch(clock_ms());
    uint64_t bits = (offers->keywords & KEYWORDS_REMEMBERED) | KEYWORD_HEARD;
    uint64_t limit = offers->size_limit;
    uint64_t word = atomic_load(&heard->keywords);
    if (keyword_epoch_of(word) == now) {
        bits &= word;
        limit = keyword_smaller_limit(limit, atomic_load(&heard->size_limit));
    } else {
        atomic_store(&heard->previous_keywords, word);
        atomic_store(&heard->previous_size_limit, atomic_load(&heard->size_limit));
    }
    uint64_t wanted = (uint64_t)now << 32 | bits;
    if (wanted != word)
        atomic_store(&heard->keywords, wanted);
    if (atomic_load(&heard->size_limit) != limit)
        atomic_store(&heard->size_limit, limit);
}

bool heard_recall(struct scoreboard *board, const struct backend *backend, struct extensions *offers_out)
{
    struct keyword_memory all = {0};
    int64_t now_ms = clock_ms();
    for (size_t i = 0; i < backend->servers.count; i++) {
        struct heard *heard = heard_of(board, block_at(&backend->servers, i));
        if (heard == NULL || keyword_is_distrusted(heard, now_ms))
            return false;
        struct keyword_memory one = keyword_recall(heard, now_ms);
        if (one.known)
            keyword_merge(&all, one.keywords, one.size_limit);
    }
    *offers_out = (struct extensions){.keywords = all.keywords, .size_limit = all.size_limit};
    return all.known;
}

void heard_distrust(struct scoreboard *board, const struct backend *backend)
{
    for (size_t i = 0; i < backend->servers.count; i++) {
        struct heard *heard = heard_of(board, block_at(&backend->servers, i));
        if (heard != NULL)
            atomic_store(&heard->distrust_until_ms, (uint64_t)(clock_ms() + KEYWORD_DISTRUST_MS));
    }
}
