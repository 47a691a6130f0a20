/* SPDX-License-Identifier: ISC */
#include <stdbool.h>

#include "common/berths.h"

/* A word: the place and one more, so that zero is nobody; a state; since when. */
enum { STATE_SHIFT = 8, SINCE_SHIFT = 16, PLACE_MASK = 0xFF, STATE_MASK = 0xFF };
enum state { WAITS = 1, CLAIMS, STAYS };

static uint64_t word_of(int place, enum state state, int64_t since_ms)
{
    return (uint64_t)since_ms << SINCE_SHIFT | (uint64_t)state << STATE_SHIFT | (uint64_t)(place + 1);
}

static bool is_at(uint64_t word, int place)
{
    return (word & PLACE_MASK) == (uint64_t)(place + 1);
}

static enum state state_of(uint64_t word)
{
    return (enum state)(word >> STATE_SHIFT & STATE_MASK);
}

static uint64_t read_word(const struct berths *b, int i)
{
    return atomic_load_explicit(&b->words[i], memory_order_relaxed);
}

/* Asked for after the claim was made: whoever comes later to a slot behind it sees the claim. */
static int end_of(const struct berths *b)
{
    return BERTHS_PROBES + orders_slots_end(b->orders, b->slot_count);
}

/* What is seen of all others. Whoever came in the same millisecond is earlier in a lower word. */
struct sight {
    int stay, claim_earlier, claim_later, wait_earlier;
};

static void see(const struct berths *b, const struct berth_wish *wish, int i, struct sight *sight)
{
    uint64_t word = read_word(b, i), since = word >> SINCE_SHIFT, own_since = (uint64_t)wish->since_ms;
    bool earlier = since < own_since || (since == own_since && i < b->own);
    if (i == b->own || !is_at(word, wish->place))
        return;
    switch (state_of(word)) {
    case WAITS:
        sight->wait_earlier += earlier;
        break;
    case CLAIMS:
        *(earlier ? &sight->claim_earlier : &sight->claim_later) += 1;
        break;
    case STAYS:
        sight->stay++;
        break;
    default: /* damage */
        break;
    }
}

static struct sight look(const struct berths *b, const struct berth_wish *wish)
{
    struct sight sight = {0};
    atomic_thread_fence(memory_order_seq_cst);
    int end = end_of(b);
    see(b, wish, wish->place, &sight);
    for (int i = BERTHS_PROBES; i < end; i++)
        see(b, wish, i, &sight);
    return sight;
}

static void say(const struct berths *b, uint64_t word)
{
    if (read_word(b, b->own) != word)
        atomic_store(&b->words[b->own], word);
}

static struct berth_answer behind(const struct berths *b, const struct berth_wish *wish, int before)
{
    say(b, word_of(wish->home, WAITS, wish->since_ms));
    return (struct berth_answer){BERTH_BEHIND, before - (int)wish->max};
}

static struct berth_answer take(const struct berths *b, const struct berth_wish *wish)
{
    say(b, word_of(wish->place, STAYS, wish->since_ms));
    return (struct berth_answer){.berth = BERTH_TAKEN};
}

static struct berth_answer settle(const struct berths *b, const struct berth_wish *wish)
{
    struct sight sight = look(b, wish);
    int earlier = sight.stay + sight.claim_earlier;
    if (earlier + sight.claim_later < wish->max)
        return take(b, wish);
    if (earlier < wish->max)
        return (struct berth_answer){.berth = BERTH_ALMOST};
    return behind(b, wish, earlier);
}

struct berth_answer berths_ask(const struct berths *b, const struct berth_wish *wish)
{
    uint64_t claim = word_of(wish->place, CLAIMS, wish->since_ms);
    if (wish->max == 0)
        return take(b, wish);
    if (read_word(b, b->own) != claim) {
        struct sight sight = look(b, wish);
        int before = sight.stay + sight.claim_earlier + sight.wait_earlier;
        if (before >= wish->max)
            return behind(b, wish, before);
        say(b, claim);
    }
    return settle(b, wish);
}

void berths_leave(const struct berths *b)
{
    say(b, 0);
}

struct berth_count berths_count(const struct berths *b, int place)
{
    struct berth_count count = {0};
    int end = end_of(b);
    for (int i = BERTHS_PROBES; i < end; i++) {
        uint64_t word = read_word(b, i);
        if (!is_at(word, place))
            continue;
        count.sessions += state_of(word) == STAYS;
        count.waiting += state_of(word) == WAITS || state_of(word) == CLAIMS;
    }
    return count;
}
