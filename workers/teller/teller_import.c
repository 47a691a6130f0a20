/* SPDX-License-Identifier: ISC
 *
 * posternctl store import: lines of another host's export, read from the connection behind the request until who asks
 * has no more to say. Each is merged with what is on disk here (merge.h). A line that is wrong is told by its number,
 * and left out; the others are taken all the same.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/must.h"
#include "common/scoreboard.h"
#include "common/siphash.h"

#include "workers/teller/merge.h"
#include "workers/teller/teller_internal.h"

enum {
    IDLE_MS = 60000,      /* between two pieces of it */
    BAD_TOLD_MAX = 20,    /* what is wrong with more lines than that is not told, but counted */
    ASKED_EVERY = 32,     /* so few are under way at once that the sessions' questions find room beside them */
    SETTLED_EVERY = 1024, /* far less than the storekeeper can keep before it must write */
    BEAT_LOOK_MS = 20,
    RECENT = 4 * SETTLED_EVERY,
    IN_BYTES = 16 * STORE_LINE_MAX
};

struct import {
    struct teller *t;
    struct buffer in;
    char memory[IN_BYTES];
    uint64_t recent[RECENT]; /* hashes of keys that may not be on disk yet; 0: none */
    bool skipping;           /* the rest of a line that is too long */
    uint64_t lost_before;    /* by the storekeeper */
    int64_t line, taken, kept, over, bad;
};

/* -- a line */

static void tell_bad(struct import *import, const char *why)
{
    if (import->bad++ >= BAD_TOLD_MAX)
        return;
    struct buffer *to = teller_record(import->t, "bad");
    control_number(to, "line", import->line);
    control_string(to, "why", why);
    control_end(to);
}

static void settle(struct import *import)
{
    teller_must_settle(import->t);
    memset(import->recent, 0, sizeof(import->recent));
}

/* Its place among those that were put since it was settled last: itself, or none. There is room for all of them. */
static uint64_t *recent_of(struct import *import, const struct store_key *key, uint64_t *hash_out)
{
    static const uint8_t no_secret[SIPHASH_KEY_BYTES] = {0};
    uint64_t at = siphash(no_secret, key->text, key->size);
    *hash_out = at | 1;
    while (import->recent[at % RECENT] != 0 && import->recent[at % RECENT] != *hash_out)
        at++;
    return &import->recent[at % RECENT];
}

/* It stands twice in what two hosts exported, say: what it is merged with has to be on disk. */
static void settle_if_recent(struct import *import, const struct store_key *key)
{
    uint64_t hash;
    if (*recent_of(import, key, &hash) != 0)
        settle(import);
}

static void note_recent(struct import *import, const struct store_key *key)
{
    uint64_t hash, *place = recent_of(import, key, &hash);
    *place = hash;
}

/* Its answer is waited for now and then only: questions come to their turn in the order in which they were asked. */
static void put(struct import *import, const struct store_key *key, const struct store_record *record)
{
    struct store_request request;
    store_request_init(&request, STORE_PUT, store_key_slice(key));
    memcpy(request.value, record, sizeof(request.value));
    note_recent(import, key);
    import->taken++;
    if (import->taken % ASKED_EVERY != 0 && store_tell(import->t->ask, &request))
        return;
    if (teller_put(import->t, key, record).outcome == STORE_UNSURE)
        teller_complain_of_keeper(import->t);
    if (import->taken % SETTLED_EVERY == 0)
        settle(import);
}

static void take_record(struct import *import, const struct store_key *key, struct store_record *record)
{
    struct teller *t = import->t;
    struct store_record there, merged;
    enum store_kind kind;
    if (store_record_is_over(record, t->now) || !store_kind_of(store_key_slice(key), &kind)) {
        import->over++;
        return;
    }
    merge_by_now(kind, record, t->now);
    settle_if_recent(import, key);
    enum shelf_result result = shelf_find(t->shelf, store_key_slice(key), &there);
    if (result == SHELF_NONE)
        put(import, key, record);
    else if (result != SHELF_DONE)
        teller_complain_of_shelf(t, result, NULL);
    else if (merge_records(kind, &there, record, t->now, &merged))
        put(import, key, &merged);
    else
        import->kept++;
}

static void take_line(struct import *import, struct slice line)
{
    struct store_key key;
    struct store_record record;
    import->line++;
    if (slice_trim(line).size == 0)
        return;
    const char *why = line.size > STORE_LINE_MAX ? "the line is too long" : store_line_parse(line, &key, &record);
    if (why == NULL)
        take_record(import, &key, &record);
    else
        tell_bad(import, why);
}

/* -- the connection */

/* One that is too long is counted, and dropped as it comes. */
static void drop_long(struct import *import)
{
    if (!import->skipping) {
        import->line++;
        tell_bad(import, "the line is too long");
    }
    import->skipping = true;
    buffer_clear(&import->in);
}

static void take_lines(struct import *import)
{
    for (;;) {
        struct slice unread = buffer_unread(&import->in);
        const char *end = unread.size > 0 ? memchr(unread.at, '\n', unread.size) : NULL;
        size_t size = end != NULL ? (size_t)(end - unread.at) : unread.size;
        if (size > STORE_LINE_MAX && end == NULL)
            drop_long(import);
        if (end == NULL)
            return;
        if (!import->skipping)
            take_line(import, slice_make(unread.at, size));
        import->skipping = false;
        buffer_consume(&import->in, size + 1);
    }
}

/* False: there is no more to come. */
static bool read_some(struct import *import)
{
    struct teller *t = import->t;
    struct pollfd wanted = {.fd = t->fd, .events = POLLIN};
    int64_t until_ms = clock_deadline(IDLE_MS);
    if (until_ms > t->setup->deadline_ms)
        until_ms = t->setup->deadline_ms;
    if (clock_poll(&wanted, 1, until_ms) <= 0)
        teller_complain(t, "no further line came in time; those before it are taken",
                        "the same again: what is there already is left as it is");
    buffer_compact(&import->in);
    ssize_t got = read(t->fd, import->in.memory + import->in.end, buffer_room(&import->in));
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return false;
    import->in.end += (size_t)got;
    return true;
}

/* Whatever cut it off may have cut a number of it, too. */
static void refuse_half_line(struct import *import)
{
    if (buffer_unread(&import->in).size == 0 || import->skipping)
        return;
    import->line++;
    tell_bad(import, "its end is missing: the lines were cut off here");
}

static uint64_t lost_so_far(const struct teller *t)
{
    return atomic_load_explicit(&t->setup->board->store->head.lost, memory_order_relaxed);
}

/* It says with that what it has lost. */
static void await_beat(const struct teller *t)
{
    const struct store_head *head = &t->setup->board->store->head;
    int64_t now_ms = clock_ms(), until_ms = clock_deadline(TELLER_ANSWER_MS);
    while (atomic_load_explicit(&head->beat_ms, memory_order_relaxed) <= now_ms && clock_ms() < until_ms)
        clock_poll(NULL, 0, clock_deadline(BEAT_LOOK_MS));
}

static _Noreturn void end(struct import *import)
{
    struct teller *t = import->t;
    char why[64];
    settle(import);
    await_beat(t);
    struct buffer *to = teller_record(t, "imported");
    control_number(to, "taken", import->taken);
    control_number(to, "kept", import->kept);
    control_number(to, "over", import->over);
    control_number(to, "bad", import->bad);
    control_end(to);
    if (lost_so_far(t) != import->lost_before)
        teller_complain(t, "the storekeeper has lost changes meanwhile", "the same again; posternctl status");
    if (import->bad == 0)
        teller_end(t);
    snprintf(why, sizeof(why), "lines that are none of a store's were left out: %lld", (long long)import->bad);
    teller_complain(t, why, "posternctl store export: its lines, as they came");
}

void teller_import(struct teller *t)
{
    static struct import import; /* of the one that this process is for */
    import.t = t;
    buffer_init(&import.in, import.memory, sizeof(import.memory));
    teller_need_keeper(t);
    teller_need_shelf(t);
    import.lost_before = lost_so_far(t);
    settle(&import);                                /* what is merged with is what is on disk */
    must(buffer_put(&import.in, t->setup->behind)); /* less than a request's line */
    do
        take_lines(&import);
    while (read_some(&import));
    refuse_half_line(&import);
    end(&import);
}
