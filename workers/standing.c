/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/clock.h"

#include "workers/session.h"
#include "workers/standing.h"
#include "workers/store_client.h"

static bool has_reputation(const struct service *service, const struct scoreboard *board, const struct endpoint *client)
{
    return board != NULL && board->reputations.words != NULL && service->scoreboard != NULL &&
           client->kind == ENDPOINT_IP;
}

static uint64_t place_of(const struct service *service, const struct scoreboard *board, const struct endpoint *client)
{
    struct network network = scoreboard_network(service->scoreboard, &client->address);
    return scoreboard_reputation_of(board, &network);
}

struct reputation standing_known_of(const struct service *service, const struct scoreboard *board,
                                    const struct endpoint *client)
{
    if (!has_reputation(service, board, client))
        return (struct reputation){0};
    return reputation_find(&board->reputations, place_of(service, board, client), clock_wall());
}

enum standing standing_of(const struct service *service, const struct scoreboard *board, const struct endpoint *client)
{
    struct reputation known = standing_known_of(service, board, client);
    return reputation_standing(&known);
}

void standing_look(struct session *s)
{
    s->standing = standing_of(s->service, s->setup->board, &s->client);
}

/* -- learning -- */

/* What each deed weighs, in sixteenths of a point, and the most that a session can add by it. Two messages make a good
 * name, or the first one of who waited for it patiently: what sends junk has no time, what sends mail comes again, and
 * shall not be held again. A session of a thousand makes it no better than one of four. No kind of bad deed makes a bad
 * name (four points) in one session by itself: a dead list of recipients, a broken program or a lost line is not what
 * junk looks like, which comes again or goes wrong in several ways. */
struct weight {
    uint32_t each, most;
};
static const struct weight DELIVERED = {REPUTATION_ONE, 4 * REPUTATION_ONE};
static const struct weight WAITED = {REPUTATION_ONE, REPUTATION_ONE};
static const struct weight REFUSED_MESSAGE = {REPUTATION_ONE, 3 * REPUTATION_ONE};
static const struct weight REFUSED_RECIPIENT = {REPUTATION_ONE / 4, 3 * REPUTATION_ONE};
static const struct weight ERROR = {REPUTATION_ONE / 2, 2 * REPUTATION_ONE};
static const struct weight EARLY_TALK = {2 * REPUTATION_ONE, 2 * REPUTATION_ONE};
static const struct weight LEFT_MESSAGE = {REPUTATION_ONE, REPUTATION_ONE};
static const struct weight LEFT_HELD = {2 * REPUTATION_ONE, 2 * REPUTATION_ONE};
static const struct weight WORN_OUT = {2 * REPUTATION_ONE, 2 * REPUTATION_ONE};
static const struct weight SPOILT = {REPUTATION_ONE, 16 * REPUTATION_ONE}; /* an administrator's own measure */
static const struct weight SAT_IDLE = {REPUTATION_ONE, REPUTATION_ONE};

enum { PATIENT_MS = 2000 }; /* held for so long in a session */

static uint32_t weigh(const struct weight *weight, int count)
{
    if (count <= 0)
        return 0;
    uint64_t all = (uint64_t)weight->each * (uint64_t)count;
    return all < weight->most ? (uint32_t)all : weight->most;
}

static struct reputation sum_up(const struct session *s)
{
    const struct deeds *deeds = &s->deeds;
    /* A list of some hundred recipients that are all put off at first is what it is. */
    bool wore_out = deeds->wore_out && !deeds->greylisted;
    /* A list with dead addresses is a good client's, too: those that were accepted speak for it. */
    int recipients = deeds->refused_recipients - deeds->accepted_recipients;
    return (struct reputation){
        .good = weigh(&DELIVERED, deeds->delivered) + weigh(&WAITED, deeds->delivered > 0 && s->held_ms >= PATIENT_MS),
        .bad = weigh(&REFUSED_MESSAGE, deeds->refused_messages) + weigh(&REFUSED_RECIPIENT, recipients) +
               weigh(&ERROR, s->errors - deeds->errors_before) +
               weigh(&EARLY_TALK, s->spoke_early || deeds->spoke_early) + weigh(&LEFT_MESSAGE, deeds->left_message) +
               weigh(&LEFT_HELD, deeds->left_held) + weigh(&WORN_OUT, wore_out) + weigh(&SPOILT, deeds->spoilt) +
               weigh(&SAT_IDLE, deeds->sat_idle && deeds->delivered == 0 && !deeds->put_off),
    };
}

bool standing_is_earned(const struct session *s)
{
    struct reputation own = sum_up(s);
    return reputation_standing(&own) == STANDING_GOOD;
}

/* The same for longer than the scoreboard lives. */
static void tell_store(const struct session *s, const struct reputation *more)
{
    struct network network = scoreboard_network(s->service->scoreboard, &s->client.address);
    struct store_key key;
    store_key_network(&key, STORE_NETWORK, &network);
    store_client_learn(s, &key, more);
}

void standing_learn(const struct session *s)
{
    struct scoreboard *board = s->setup->board;
    struct reputation more = sum_up(s);
    struct table_counts counts = {0};
    if ((more.good == 0 && more.bad == 0) || s->auth != NULL || s->client_untold ||
        !has_reputation(s->service, board, &s->client))
        return;
    reputation_learn(&board->reputations, place_of(s->service, board, &s->client), &more, clock_wall(), &counts);
    slot_add_counts(board, &counts);
    tell_store(s, &more);
}
