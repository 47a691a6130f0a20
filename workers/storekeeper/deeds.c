/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "workers/storekeeper/attempt.h"
#include "workers/storekeeper/deeds.h"

/* Points halve each day: of the most that there can be nothing is left after so many (common/reputation.h). */
enum { REPUTATION_LASTS_S = 15 * 24 * 60 * 60 };

static const struct store_answer UNSURE = {STORE_UNSURE, 0}, DONE = {STORE_DONE, 0};

struct deed {
    struct ledger *ledger;
    const struct store_request *request;
    struct slice key;
    enum store_kind kind;
    time_t now;
};

static struct attempt_terms terms_of(const struct store_request *request)
{
    return (struct attempt_terms){request->delay_s, request->window_s, request->lifetime_s, request->allow_after};
}

/* -- the greylist */

/* False: the disk could not say. `*known_out` NULL: there is none, or it is over. */
static bool look_up(const struct deed *deed, struct slice key, struct store_record *record,
                    const struct store_record **known_out)
{
    enum ledger_found found = ledger_find(deed->ledger, key, record);
    bool is_there = found == LEDGER_FOUND && !store_record_is_over(record, deed->now);
    *known_out = is_there ? record : NULL;
    return found != LEDGER_BROKEN;
}

static bool is_allowed(const struct deed *deed, const struct attempt_terms *terms)
{
    struct store_key key;
    struct store_record record;
    const struct store_record *known;
    return store_key_allowance(&key, deed->key) && look_up(deed, store_key_slice(&key), &record, &known) &&
           known != NULL && attempt_is_allowed(terms, known, deed->now);
}

/* What would make room for others before it comes again, which senders do within some of its delays. */
static bool is_soon_forgotten(const struct deed *deed, const struct attempt_terms *terms)
{
    enum { COMES_WITHIN = 4 };
    return !ledger_keeps_for(deed->ledger, (uint64_t)COMES_WITHIN * terms->delay_s);
}

/* What cannot be written down, or is soon forgotten, must not be deferred: nobody would remember that it was here. */
static struct store_answer do_attempt(const struct deed *deed)
{
    struct attempt_terms terms = terms_of(deed->request);
    struct store_record record, next;
    const struct store_record *known;
    bool changed;
    if (is_allowed(deed, &terms))
        return (struct store_answer){STORE_PASS, STORE_BY_ALLOWANCE};
    if (!look_up(deed, deed->key, &record, &known))
        return UNSURE;
    struct store_answer answer = attempt_decide(&terms, known, deed->now, &next, &changed);
    if (answer.outcome == STORE_FIRST && is_soon_forgotten(deed, &terms))
        return UNSURE;
    if (changed && !ledger_put(deed->ledger, deed->key, &next) && answer.outcome == STORE_FIRST)
        return UNSURE;
    return answer;
}

static struct store_answer do_delivered(const struct deed *deed)
{
    struct attempt_terms terms = terms_of(deed->request);
    struct store_key key;
    struct store_record record, next;
    const struct store_record *known;
    if (terms.allow_after == 0 || !store_key_allowance(&key, deed->key))
        return DONE;
    if (!look_up(deed, store_key_slice(&key), &record, &known))
        return UNSURE;
    if (attempt_delivered(&terms, known, deed->now, &next))
        ledger_put(deed->ledger, store_key_slice(&key), &next);
    return DONE;
}

/* -- reputations */

static struct store_answer do_learn(const struct deed *deed)
{
    struct reputation more = {deed->request->good, deed->request->bad};
    struct store_record record;
    const struct store_record *known;
    bool damaged;
    if (!look_up(deed, deed->key, &record, &known))
        return UNSURE;
    uint32_t now_s = store_seconds(deed->now);
    struct store_record next = known != NULL ? *known : (struct store_record){.first_s = now_s};
    next.reputation = reputation_add(next.reputation, &more, deed->now, &damaged);
    next.last_s = now_s;
    next.expires_s = store_seconds(deed->now + REPUTATION_LASTS_S);
    next.count += next.count < UINT32_MAX;
    return ledger_put(deed->ledger, deed->key, &next) ? DONE : UNSURE;
}

/* -- traps */

/* It ends no sooner than it would have: another policy remembers for longer, the administrator for ever. */
static struct store_answer do_trapped(const struct deed *deed)
{
    struct store_record record;
    const struct store_record *known;
    if (!look_up(deed, deed->key, &record, &known))
        return UNSURE;
    uint32_t now_s = store_seconds(deed->now);
    uint32_t expires_s = store_seconds(deed->now + deed->request->lifetime_s);
    struct store_record next = known != NULL ? *known : (struct store_record){.first_s = now_s};
    next.last_s = now_s;
    next.expires_s = known != NULL ? store_later_end(known->expires_s, expires_s) : expires_s;
    next.count += next.count < UINT32_MAX;
    return ledger_put(deed->ledger, deed->key, &next) ? DONE : UNSURE;
}

static struct store_answer do_ask(const struct deed *deed)
{
    struct store_record record;
    const struct store_record *known;
    if (!look_up(deed, deed->key, &record, &known))
        return UNSURE;
    if (known == NULL)
        return (struct store_answer){STORE_FIRST, 0};
    return (struct store_answer){STORE_PASS, known->expires_s == 0 ? STORE_SECONDS_MAX : known->expires_s - deed->now};
}

/* -- the administrator's */

/* The time in a reputation's value goes round in half a year. */
static void bound_life(struct store_record *record, time_t now)
{
    uint32_t most_s = store_seconds(now + REPUTATION_LASTS_S);
    if (record->expires_s == 0 || record->expires_s > most_s)
        record->expires_s = most_s;
}

static struct store_answer do_put(const struct deed *deed)
{
    struct store_record record;
    memcpy(&record, deed->request->value, sizeof(record));
    if (store_kind_is_reputation(deed->kind))
        bound_life(&record, deed->now);
    return ledger_put(deed->ledger, deed->key, &record) ? DONE : UNSURE;
}

static struct store_answer do_delete(const struct deed *deed)
{
    struct store_record record;
    enum ledger_found found = ledger_find(deed->ledger, deed->key, &record);
    if (found == LEDGER_NONE)
        return (struct store_answer){STORE_FIRST, 0};
    return found == LEDGER_FOUND && ledger_put(deed->ledger, deed->key, NULL) ? (struct store_answer){STORE_PASS, 0}
                                                                              : UNSURE;
}

/* -- */

#define OF(kind) (1u << (kind))
#define OF_ANY   (OF(STORE_KINDS) - 1)

static const struct {
    unsigned kinds; /* of keys that it may name */
    struct store_answer (*function)(const struct deed *deed);
} DEEDS[STORE_DEEDS] = {
    [STORE_ATTEMPT] = {OF(STORE_GREY), do_attempt},
    [STORE_DELIVERED] = {OF(STORE_GREY), do_delivered},
    [STORE_LEARN] = {OF(STORE_NETWORK) | OF(STORE_DOMAIN), do_learn},
    [STORE_TRAPPED] = {OF(STORE_TRAP), do_trapped},
    [STORE_ASK] = {OF(STORE_TRAP), do_ask},
    [STORE_PUT] = {OF_ANY, do_put},
    [STORE_DELETE] = {OF_ANY, do_delete},
};

struct store_answer deeds_do(struct ledger *ledger, const struct store_request *request, time_t now)
{
    struct deed deed = {
        .ledger = ledger, .request = request, .key = slice_make(request->key, request->key_size), .now = now};
    if (DEEDS[request->deed].function == NULL || !store_kind_of(deed.key, &deed.kind) ||
        (DEEDS[request->deed].kinds & OF(deed.kind)) == 0)
        return UNSURE;
    return DEEDS[request->deed].function(&deed);
}
