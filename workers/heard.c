/* SPDX-License-Identifier: ISC */
#include <string.h>

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

/* A word that is as it should be is only read: all workers share its cache line. */
static void store(_Atomic uint64_t *word, uint64_t wanted)
{
    if (atomic_load(word) != wanted)
        atomic_store(word, wanted);
}

static void leave_half_hour(struct heard *heard, uint64_t word)
{
    atomic_store(&heard->before.keywords, word);
    for (int i = 0; i < KEYWORD_NUMBERS; i++)
        atomic_store(&heard->before.numbers[i], atomic_load(&heard->lately.numbers[i]));
}

void heard_remember(struct scoreboard *board, const struct server *server, const struct extensions *offers)
{
    struct heard *heard = heard_of(board, server);
    if (heard == NULL)
        return;
    uint32_t now = keyword_epoch(clock_ms());
    uint64_t bits = (offers->keywords & KEYWORDS_REMEMBERED) | KEYWORD_HEARD;
    uint64_t word = atomic_load(&heard->lately.keywords);
    bool begins = keyword_epoch_of(word) != now;
    if (begins)
        leave_half_hour(heard, word);
    store(&heard->lately.keywords, (uint64_t)now << 32 | (begins ? bits : bits & word));
    for (int i = 0; i < KEYWORD_NUMBERS; i++) {
        uint64_t number = offers->numbers[i], known = atomic_load(&heard->lately.numbers[i]);
        store(&heard->lately.numbers[i], begins ? number : keyword_number_merge((enum keyword_number)i, number, known));
    }
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
            keyword_merge(&all, one.keywords, one.numbers);
    }
    *offers_out = (struct extensions){.keywords = all.keywords};
    memcpy(offers_out->numbers, all.numbers, sizeof(offers_out->numbers));
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
