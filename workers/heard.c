/* SPDX-License-Identifier: ISC */
#include "common/clock.h"
#include "common/scoreboard.h"
#include "workers/heard.h"

/* A word of keywords: the half hour that it holds for, and the bits heard in it; 0 is nothing heard. Two half hours are
 * kept, so that "the last hour" needs no clean-up. */
enum { EPOCH_MS = 30 * 60 * 1000, DISTRUST_MS = 10 * 60 * 1000 };
#define KEYWORD_BITS 0x7fffffffu
#define HEARD        0x80000000u

/* Those that make sense to remember: what an EHLO of ours may pass on. */
static const uint32_t REMEMBERED = KEYWORD_SIZE | KEYWORD_8BITMIME | KEYWORD_SMTPUTF8 | KEYWORD_DSN;

static uint32_t epoch_now(void)
{
    return (uint32_t)(clock_ms() / EPOCH_MS) + 1;
}

static uint32_t epoch_of(uint64_t word)
{
    return (uint32_t)(word >> 32);
}

static uint64_t smaller_limit(uint64_t a, uint64_t b)
{
    if (a == 0 || b == 0)
        return a + b;
    return a < b ? a : b;
}

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
    uint32_t now = epoch_now();
    uint64_t bits = (offers->keywords & REMEMBERED) | HEARD;
    uint64_t limit = offers->size_limit;
    uint64_t word = atomic_load(&heard->keywords);
    if (epoch_of(word) == now) {
        bits &= word;
        limit = smaller_limit(limit, atomic_load(&heard->size_limit));
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

struct memory {
    bool known;
    struct extensions offers;
};

static void merge(struct memory *memory, uint64_t word, uint64_t limit, uint32_t now)
{
    if ((word & HEARD) == 0 || epoch_of(word) > now || now - epoch_of(word) > 1)
        return;
    uint32_t bits = (uint32_t)word & KEYWORD_BITS & REMEMBERED;
    memory->offers.keywords = memory->known ? memory->offers.keywords & bits : bits;
    memory->offers.size_limit = smaller_limit(memory->offers.size_limit, limit);
    memory->known = true;
}

static bool is_distrusted(const struct heard *heard)
{
    uint64_t until = atomic_load(&heard->distrust_until_ms);
    uint64_t now = (uint64_t)clock_ms();
    return until > now && until - now <= DISTRUST_MS;
}

bool heard_recall(struct scoreboard *board, const struct backend *backend, struct extensions *offers_out)
{
    struct memory memory = {0};
    uint32_t now = epoch_now();
    for (size_t i = 0; i < backend->servers.count; i++) {
        struct heard *heard = heard_of(board, block_at(&backend->servers, i));
        if (heard == NULL || is_distrusted(heard))
            return false;
        merge(&memory, atomic_load(&heard->keywords), atomic_load(&heard->size_limit), now);
        merge(&memory, atomic_load(&heard->previous_keywords), atomic_load(&heard->previous_size_limit), now);
    }
    *offers_out = memory.offers;
    return memory.known;
}

void heard_distrust(struct scoreboard *board, const struct backend *backend)
{
    for (size_t i = 0; i < backend->servers.count; i++) {
        struct heard *heard = heard_of(board, block_at(&backend->servers, i));
        if (heard != NULL)
            atomic_store(&heard->distrust_until_ms, (uint64_t)(clock_ms() + DISTRUST_MS));
    }
}
