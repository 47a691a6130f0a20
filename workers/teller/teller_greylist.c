/* SPDX-License-Identifier: ISC
 *
 * posternctl greylist: list, add, delete, stats.
 */
#include <stdio.h>
#include <string.h>

#include "common/scoreboard.h"

#include "workers/teller/teller_internal.h"

enum { PASSED_FOR_S = 36 * 86400 /* the greylist's lifetime, where nobody set another */ };

static const char TRY_CLIENT[] = "192.0.2.7, 192.0.2.0/24, 2001:db8::/64 or example.com";

/* -- list */

struct listing {
    struct teller *t;
    char text[CONTROL_LINE_MAX]; /* in lower case, as keys are */
    size_t size;
    bool is_network; /* then also all that concerns it: logs have addresses, keys networks */
    struct network network;
};

static void take_text(struct listing *listing, struct slice word)
{
    listing->size = word.size < sizeof(listing->text) ? word.size : sizeof(listing->text);
    for (size_t i = 0; i < listing->size; i++)
        listing->text[i] = ascii_lower(word.at[i]);
    listing->is_network = network_parse(word, &listing->network);
}

static bool is_wanted(const struct listing *listing, struct slice key)
{
    return listing->size == 0 || memmem(key.at, key.size, listing->text, listing->size) != NULL ||
           (listing->is_network && teller_concerns(&listing->network, key));
}

static const char *state_of(const struct teller *t, const struct store_record *record)
{
    if (store_record_is_over(record, t->now))
        return "over";
    return record->passed ? "passed" : "waiting";
}

static bool list_entry(void *context, struct slice key, const struct store_record *record)
{
    struct listing *listing = context;
    if (!is_wanted(listing, key))
        return true;
    struct buffer *to = teller_record(listing->t, "grey");
    control_text(to, "client", teller_part(key, 1));
    control_text(to, "sender", teller_part(key, 2));
    control_text(to, "recipient", teller_part(key, 3));
    control_string(to, "state", state_of(listing->t, record));
    control_number(to, "attempts", record->count);
    control_number(to, "first", record->first_s);
    control_number(to, "last", record->last_s);
    teller_time(to, "until", record->expires_s);
    control_end(to);
    return teller_has_room(listing->t);
}

static void put_allowance(struct teller *t, struct slice key, const struct store_record *record)
{
    struct buffer *to = teller_record(t, "allowance");
    bool ordered = record->count == UINT32_MAX;
    control_text(to, "client", teller_part(key, 1));
    control_string(to, "by", ordered ? "order" : "deliveries");
    if (!ordered)
        control_number(to, "deliveries", record->count);
    control_number(to, "first", record->first_s);
    control_number(to, "last", record->last_s);
    teller_time(to, "until", record->expires_s);
    control_end(to);
}

static bool list_allowance(void *context, struct slice key, const struct store_record *record)
{
    struct listing *listing = context;
    if (is_wanted(listing, key) && !store_record_is_over(record, listing->t->now))
        put_allowance(listing->t, key, record);
    return teller_has_room(listing->t);
}

static _Noreturn void list(struct teller *t)
{
    struct listing listing = {.t = t};
    if (t->setup->word_count > 1)
        take_text(&listing, t->setup->words[1]);
    teller_settle(t, TELLER_READ_MS);
    teller_walk(t, slice_of("a "), list_allowance, &listing);
    teller_walk(t, slice_of("g "), list_entry, &listing);
    teller_end(t);
}

/* -- add and delete */

/* With or without its angle brackets; the null sender has them. */
static struct slice without_brackets(struct slice path)
{
    bool has = path.size > 2 && path.at[0] == '<' && path.at[path.size - 1] == '>';
    return has ? slice_make(path.at + 1, path.size - 2) : path;
}

/* What a command is about: the key of a client's allowance, and that of an attempt or what attempts begin with. */
struct meant {
    struct store_key client, key;
};

/* The `number`th that the words mean (of an address there may be several). False: there are no more. Words that say
 * nobody, or nothing, end the child. */
static bool take_key(struct teller *t, int number, struct meant *out)
{
    const struct teller_setup *setup = t->setup;
    char memory[STORE_LINE_MAX];
    struct buffer line;
    struct store_record none;
    bool is_client = setup->word_count >= 2 && teller_client(t, setup->words[1], number, &out->client);
    if (!is_client && number > 0)
        return false;
    if (!is_client)
        teller_complain(t, "which client? That is no network and no domain", TRY_CLIENT);
    buffer_init(&line, memory, sizeof(memory));
    buffer_print(&line, "g %.*s", SLICE_ARGS(teller_part(store_key_slice(&out->client), 1)));
    for (int i = 2; i < setup->word_count; i++) {
        buffer_put_char(&line, ' ');
        buffer_put(&line, without_brackets(setup->words[i]));
    }
    buffer_put_text(&line, "\tfirst=0 last=0 expires=0 passed=no");
    const char *why = line.overflow ? "that is too long" : store_line_parse(buffer_unread(&line), &out->key, &none);
    if (why != NULL)
        teller_complain(t, why, "posternctl greylist list; * for any sender");
    return true;
}

/* A network that no client is would be there, and nobody asked about it. Ends the child. */
static void need_length(struct teller *t)
{
    struct network network;
    char lengths[PREFIXES_TEXT_MAX], why[PREFIXES_TEXT_MAX + 128];
    if (t->setup->word_count < 2 || !slice_has(t->setup->words[1], '/') ||
        !network_parse(t->setup->words[1], &network) || prefixes_have(t->setup->greylisted, &network))
        return;
    prefixes_print(t->setup->greylisted, network.address.family, lengths);
    snprintf(why, sizeof(why), "no client's network is of that length: in the greylist those of IPv%u are %s",
             network.address.family, lengths);
    teller_complain(t, why, "an address in it; for a network of any length access { allow }");
}

static _Noreturn void add(struct teller *t)
{
    bool allows = t->setup->word_count == 2;
    struct listing listing = {.t = t};
    struct meant meant;
    struct store_record record = {.first_s = store_seconds(t->now),
                                  .last_s = store_seconds(t->now),
                                  .expires_s = allows ? 0 : store_seconds(t->now) + PASSED_FOR_S,
                                  .count = allows ? UINT32_MAX : 1,
                                  .passed = allows ? 0 : 1};
    need_length(t);
    for (int i = 0; take_key(t, i, &meant); i++) {
        teller_need_keeper(t);
        if (teller_put(t, allows ? &meant.client : &meant.key, &record).outcome == STORE_UNSURE)
            teller_complain_of_keeper(t);
    }
    teller_must_settle(t);
    for (int i = 0; take_key(t, i, &meant); i++) {
        if (allows)
            put_allowance(t, store_key_slice(&meant.client), &record);
        else
            list_entry(&listing, store_key_slice(&meant.key), &record);
    }
    teller_end(t);
}

/* All that begins so, and not what only begins with the same letters. */
static bool is_of(const void *context, struct slice key)
{
    const struct store_key *wanted = context;
    return key.size == wanted->size || key.at[wanted->size] == ' ';
}

/* Also networks of lengths that were configured once. */
static _Noreturn void delete (struct teller *t)
{
    struct meant meant;
    int entries = 0, allowances = 0;
    for (int i = 0; take_key(t, i, &meant); i++) {
        if (i == 0) {
            teller_need_keeper(t);
            teller_need_shelf(t);
            teller_must_settle(t);
        }
        allowances += t->setup->word_count == 2 ? teller_delete_one(t, &meant.client) : 0;
        entries += teller_delete(t, store_key_slice(&meant.key), is_of, &meant.key);
    }
    if (entries + allowances == 0) {
        need_length(t);
        teller_complain(t, "nothing is remembered of that", "posternctl greylist list");
    }
    teller_must_settle(t);
    struct buffer *to = teller_record(t, "deleted");
    control_number(to, "entries", entries);
    control_number(to, "allowances", allowances);
    control_end(to);
    teller_end(t);
}

/* -- stats */

struct sums {
    time_t now;
    int64_t entries, passed, over, allowances, ordered;
    uint32_t oldest_s;
};

static bool sum_entry(void *context, struct slice key, const struct store_record *record)
{
    struct sums *sums = context;
    (void)key;
    bool over = store_record_is_over(record, sums->now);
    sums->entries++;
    sums->over += over;
    sums->passed += !over && record->passed;
    if (sums->oldest_s == 0 || record->first_s < sums->oldest_s)
        sums->oldest_s = record->first_s;
    return true;
}

static bool sum_allowance(void *context, struct slice key, const struct store_record *record)
{
    struct sums *sums = context;
    (void)key;
    bool over = store_record_is_over(record, sums->now);
    sums->allowances += !over;
    sums->ordered += !over && record->count == UINT32_MAX;
    return true;
}

static void put_count(struct buffer *to, const char *name, const _Atomic uint64_t *number)
{
    control_number(to, name, (int64_t)(atomic_load_explicit(number, memory_order_relaxed) & INT64_MAX));
}

/* Microseconds, as they may be less than a millisecond. */
static void put_keeper(struct teller *t)
{
    if (t->setup->board->store == NULL)
        return;
    const struct store_head *head = &t->setup->board->store->head;
    struct buffer *to = teller_record(t, "storekeeper");
    control_string(to, "state", store_words(t->setup->board->store, TELLER_ANSWER_MS));
    put_count(to, "first", &head->attempts[STORE_FIRST]);
    put_count(to, "early", &head->attempts[STORE_EARLY]);
    put_count(to, "passed", &head->attempts[STORE_PASS]);
    put_count(to, "unsure", &head->attempts[STORE_UNSURE]);
    put_count(to, "waiting", &head->waiting);
    put_count(to, "commits", &head->commits);
    put_count(to, "longest_commit_us", &head->longest_commit_us);
    put_count(to, "longest_answer_us", &head->longest_answer_us);
    put_count(to, "purged", &head->purged);
    put_count(to, "evicted", &head->evicted);
    put_count(to, "lost", &head->lost);
    control_end(to);
}

static void put_file(struct teller *t)
{
    struct shelf_size size;
    if (!shelf_measure(t->shelf, &size))
        return;
    struct buffer *to = teller_record(t, "store");
    control_number(to, "records", (int64_t)size.records);
    control_number(to, "bytes", (int64_t)size.bytes_used);
    control_number(to, "file_bytes", (int64_t)t->file_bytes);
    control_number(to, "bytes_max", (int64_t)size.bytes_max);
    control_end(to);
}

static _Noreturn void stats(struct teller *t)
{
    struct sums sums = {.now = t->now};
    teller_settle(t, TELLER_READ_MS);
    teller_walk(t, slice_of("g "), sum_entry, &sums);
    teller_walk(t, slice_of("a "), sum_allowance, &sums);
    struct buffer *to = teller_record(t, "greylist");
    control_number(to, "entries", sums.entries);
    control_number(to, "waiting", sums.entries - sums.passed - sums.over);
    control_number(to, "passed", sums.passed);
    control_number(to, "over", sums.over);
    teller_time(to, "oldest", sums.oldest_s);
    control_number(to, "allowances", sums.allowances);
    control_number(to, "allowances_by_order", sums.ordered);
    control_end(to);
    put_keeper(t);
    put_file(t);
    teller_end(t);
}

void teller_greylist(struct teller *t)
{
    if (teller_is_word(t, 0, "list"))
        list(t);
    if (teller_is_word(t, 0, "add"))
        add(t);
    if (teller_is_word(t, 0, "delete"))
        delete (t);
    if (teller_is_word(t, 0, "stats"))
        stats(t);
    teller_complain(t, "that is none of what can be done here", "list, add, delete or stats");
}
