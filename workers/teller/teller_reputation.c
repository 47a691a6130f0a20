/* SPDX-License-Identifier: ISC
 *
 * posternctl reputation: of an address, of each network on disk within a wider one, or of a sender's domain; told, or
 * forgotten.
 */
#include "common/scoreboard.h"
#include "common/scoreboard_options.h"

#include "workers/teller/teller_internal.h"

struct subject {
    struct slice word; /* a domain, then */
    bool is_network;
    struct network network;
};

struct asked {
    struct teller *t;
    struct network network; /* all that is within it */
};

static void put_points(struct buffer *to, const struct reputation *points)
{
    control_string(to, "standing", standing_name(reputation_standing(points)));
    control_number(to, "good", points->good / REPUTATION_ONE);
    control_number(to, "bad", points->bad / REPUTATION_ONE);
}

/* What sessions go by. */
static void put_now(struct teller *t, struct slice of, uint64_t hash)
{
    struct reputation known = reputation_find(&t->setup->board->reputations, hash, t->now);
    struct buffer *to = teller_record(t, "reputation");
    control_text(to, "of", of);
    put_points(to, &known);
    control_end(to);
}

static void put_remembered(struct teller *t, struct slice key, const struct store_record *record)
{
    bool damaged;
    struct reputation points = reputation_read(record->reputation, t->now, &damaged);
    struct buffer *to = teller_record(t, "remembered");
    control_text(to, "of", teller_part(key, 1));
    put_points(to, &points);
    control_number(to, "sessions", record->count);
    control_number(to, "first", record->first_s);
    control_number(to, "last", record->last_s);
    teller_time(to, "until", record->expires_s);
    control_end(to);
}

static void put_trapped(struct teller *t, struct slice key, const struct store_record *record)
{
    struct buffer *to = teller_record(t, "trapped");
    control_text(to, "of", teller_part(key, 1));
    control_number(to, "times", record->count);
    control_number(to, "first", record->first_s);
    control_number(to, "last", record->last_s);
    teller_time(to, "until", record->expires_s);
    control_end(to);
}

static bool see_network(void *context, struct slice key, const struct store_record *record)
{
    struct asked *asked = context;
    if (!teller_concerns(&asked->network, key))
        return true;
    put_remembered(asked->t, key, record);
    return teller_has_room(asked->t);
}

static bool see_trapped(void *context, struct slice key, const struct store_record *record)
{
    struct asked *asked = context;
    if (teller_concerns(&asked->network, key) && !store_record_is_over(record, asked->t->now))
        put_trapped(asked->t, key, record);
    return teller_has_room(asked->t);
}

static void tell_network(struct teller *t, const struct network *network)
{
    struct asked asked = {.t = t, .network = *network};
    struct network own = scoreboard_network(t->setup->scoreboard, &network->address);
    char text[NETWORK_TEXT_MAX];
    if (network->prefix >= own.prefix) {
        asked.network = own;
        network_print(&own, text);
        put_now(t, slice_of(text), scoreboard_reputation_of(t->setup->board, &own));
    }
    if (t->shelf == NULL)
        return;
    teller_walk(t, slice_of("n "), see_network, &asked);
    teller_walk(t, slice_of("t "), see_trapped, &asked);
}

static void tell_domain(struct teller *t, struct slice word)
{
    struct store_key key;
    struct store_record record;
    store_key_of(&key, STORE_DOMAIN, slice_without_dot(word));
    struct slice domain = teller_part(store_key_slice(&key), 1);
    put_now(t, domain, scoreboard_reputation_of_domain(t->setup->board, domain));
    if (t->shelf == NULL)
        return;
    enum shelf_result result = shelf_find(t->shelf, store_key_slice(&key), &record);
    if (result == SHELF_DONE)
        put_remembered(t, store_key_slice(&key), &record);
    else if (result != SHELF_NONE)
        teller_complain_of_shelf(t, result, NULL);
}

/* Where a store is configured and cannot be read, who asked is told so behind what is known now. */
static _Noreturn void tell(struct teller *t, const struct subject *subject)
{
    teller_settle(t, TELLER_READ_MS);
    if (subject->is_network)
        tell_network(t, &subject->network);
    else
        tell_domain(t, subject->word);
    if (t->shelf == NULL && t->opened != SHELF_NONE)
        teller_complain_of_shelf(t, t->opened, t->why);
    teller_end(t);
}

/* -- forgotten, on disk and by sessions: the storekeeper sees to both */

struct forgotten {
    int networks, domains, traps;
};

static bool is_within(const void *context, struct slice key)
{
    return teller_concerns(context, key);
}

static struct forgotten forget_network(struct teller *t, const struct network *network)
{
    struct network own = scoreboard_network(t->setup->scoreboard, &network->address);
    const struct network *asked = network->prefix >= own.prefix ? &own : network;
    struct store_key key;
    store_key_network(&key, STORE_NETWORK, asked);
    int own_one = teller_delete_one(t, &key); /* sessions may know of it, and the disk not */
    return (struct forgotten){.networks = own_one + teller_delete(t, slice_of("n "), is_within, asked),
                              .traps = teller_delete(t, slice_of("t "), is_within, asked)};
}

static struct forgotten forget_domain(struct teller *t, struct slice word)
{
    struct store_key key;
    store_key_of(&key, STORE_DOMAIN, slice_without_dot(word));
    return (struct forgotten){.domains = teller_delete_one(t, &key)};
}

static _Noreturn void forget(struct teller *t, const struct subject *subject)
{
    teller_need_keeper(t);
    teller_need_shelf(t);
    teller_must_settle(t);
    struct forgotten forgotten =
        subject->is_network ? forget_network(t, &subject->network) : forget_domain(t, subject->word);
    teller_must_settle(t);
    struct buffer *to = teller_record(t, "deleted");
    control_number(to, "networks", forgotten.networks);
    control_number(to, "domains", forgotten.domains);
    control_number(to, "traps", forgotten.traps);
    control_end(to);
    teller_end(t);
}

void teller_reputation(struct teller *t)
{
    bool forgets = t->setup->word_count == 2 && teller_is_word(t, 0, "forget");
    struct subject subject = {.word = t->setup->words[forgets ? 1 : 0]};
    struct slice word = subject.word;
    subject.is_network = network_parse(word, &subject.network);
    if (!subject.is_network && (!slice_has(word, '.') || slice_has(word, '@') || slice_has(word, '/')))
        teller_complain(t, "that is no address, no network and no domain", "192.0.2.7, 192.0.2.0/24 or example.com");
    if (forgets)
        forget(t, &subject);
    tell(t, &subject);
}
