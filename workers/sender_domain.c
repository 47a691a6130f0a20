/* SPDX-License-Identifier: ISC */
#include "common/clock.h"

#include "workers/sender_domain.h"
#include "workers/session.h"
#include "workers/store_client.h"

enum { KIND_AND_BLANK = 2 }; /* before the domain in its key */

/* Then a pass says nothing of who it is. */
static bool lets_anybody_send(const struct spf_answer *answer)
{
    struct slice term = slice_of(answer->why);
    return slice_is_word(term, "all") || slice_is_word(term, "+all");
}

bool sender_domain_passed(const struct session *s, struct slice *domain_out)
{
    const struct spf_trace *spf = &s->transaction.spf;
    *domain_out = slice_without_dot(s->transaction.sender.domain);
    return spf->is_known && spf->identity == SPF_MAILFROM && spf->answer.result == SPF_PASS && s->auth == NULL &&
           domain_out->size > 0 && !lets_anybody_send(&spf->answer);
}

/* Both memories know it by the same name. */
static uint64_t place_of(const struct scoreboard *board, const struct store_key *key)
{
    struct slice domain = store_key_slice(key);
    slice_drop(&domain, KIND_AND_BLANK);
    return scoreboard_reputation_of_domain(board, domain);
}

static bool find_key(const struct session *s, struct store_key *key_out)
{
    const struct scoreboard *board = s->setup->board;
    struct slice domain;
    if (board == NULL || board->reputations.words == NULL || !sender_domain_passed(s, &domain))
        return false;
    store_key_of(key_out, STORE_DOMAIN, domain);
    return true;
}

enum standing sender_domain_standing(const struct session *s)
{
    const struct scoreboard *board = s->setup->board;
    struct store_key key;
    if (!find_key(s, &key))
        return STANDING_UNKNOWN;
    struct reputation known = reputation_find(&board->reputations, place_of(board, &key), clock_wall());
    return reputation_standing(&known);
}

void sender_domain_learn(const struct session *s, const struct outcome *outcome)
{
    struct scoreboard *board = s->setup->board;
    struct table_counts counts = {0};
    struct store_key key;
    bool is_bad = !outcome->delivered && outcome->reply != NULL && reply_class(outcome->reply) == 5;
    struct reputation more = {.good = outcome->delivered ? REPUTATION_ONE : 0, .bad = is_bad ? REPUTATION_ONE : 0};
    if ((more.good == 0 && more.bad == 0) || s->transaction.exempt || !find_key(s, &key))
        return;
    reputation_learn(&board->reputations, place_of(board, &key), &more, clock_wall(), &counts);
    slot_add_counts(board, &counts);
    store_client_learn(s, &key, &more);
}
