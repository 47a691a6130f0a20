/* SPDX-License-Identifier: ISC
 *
 * What a worker may say to the storekeeper: any question, about any key, with any numbers, on a ledger with a real
 * file. One that is none is found out; a key that no record has, or none of that deed, changes nothing; nobody is put
 * off for longer than the question said, nor as a stranger twice; what was put is there, what was deleted is not; an
 * answer is in its own place alone.
 *
 * A line is a question, DEED PLACE NUMBER NUMBER NUMBER NUMBER NUMBER NUMBER KEY; or ~ and a datagram as it is; or
 * +SECONDS, -SECONDS: the clock is set; or !: what changed goes to disk. The numbers are the request's, or the record.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/store_record.h"
#include "tests/fuzz/target.h"
#include "workers/storekeeper/deeds.h"

enum { SLOTS = 3, PLACES = SLOTS + STORE_CHILDREN, FILE_BYTES = 8 << 20, SECONDS_BITS = 24, PATH_ROOM = 64 };
static const time_t BEGINNING = 1800000000, END = 4200000000;

static struct keeper {
    struct shelf *shelf;
    struct ledger ledger;
    struct store_board *board;
    time_t now;
    bool has_written;
} keeper;

/* What the machine would lose is no matter here. */
int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

/* -- once for all inputs */

/* Its names are taken away at once: nothing is left behind, however this ends. */
static void open_keeper(void)
{
    static const char *const names[] = {"memory.mdb", "memory.mdb-lock"};
    char directory[] = "/tmp/postern-fuzz-deeds-XXXXXX", path[PATH_ROOM];
    law(mkdtemp(directory) != NULL, "no directory");
    law(shelf_open(&keeper.shelf, directory, FILE_BYTES, NULL) == SHELF_DONE, "the shelf cannot be opened");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", directory, names[i]);
        unlink(path);
    }
    rmdir(directory);
    law(ledger_open(&keeper.ledger, keeper.shelf), "no memory");
    keeper.board = aligned_alloc(_Alignof(struct store_board), store_board_bytes(SLOTS));
    law(keeper.board != NULL, "no memory");
    memset(keeper.board, 0, store_board_bytes(SLOTS));
}

static void commit(void)
{
    uint64_t mark = ledger_mark(&keeper.ledger);
    if (ledger_launch(&keeper.ledger) > 0) {
        law(ledger_land(&keeper.ledger, true, NULL) == SHELF_DONE, "what changed cannot be written");
        keeper.has_written = true;
    }
    law(ledger_waiting(&keeper.ledger) == 0, "something waits after it was written");
    law(ledger_has_passed(&keeper.ledger, mark), "what is on disk is not said to be");
}

static bool forget(void *context, struct slice key, const struct store_record *record)
{
    enum store_kind kind;
    (void)context;
    (void)record;
    law(store_kind_of(key, &kind), "a key of no kind is on disk: %.*s", SLICE_ARGS(key));
    law(ledger_put(&keeper.ledger, key, NULL), "no room to forget");
    return true;
}

/* Each input finds nothing. */
static void forget_all(void)
{
    struct store_key from = {.size = 0};
    commit();
    if (!keeper.has_written)
        return;
    law(shelf_walk(keeper.shelf, &from, slice_of(""), PENDING_CHANGES_MAX, forget, NULL) == SHELF_NONE,
        "what was written cannot be read");
    commit();
    keeper.has_written = false;
}

/* -- a question */

static void check_is_request(const struct store_request *request, size_t size)
{
    law(size >= STORE_REQUEST_HEAD && size <= sizeof(*request), "a question of %zu octets", size);
    law(request->key_size == size - STORE_REQUEST_HEAD, "a key of another size than it says");
    law(request->deed >= STORE_ATTEMPT && request->deed <= STORE_FLUSH, "deed %u", request->deed);
    law(request->place == STORE_NO_PLACE || request->place < PLACES, "place %u", request->place);
}

/* Does a key of this letter belong to the deed? */
static bool may_name(enum store_deed deed, struct slice key)
{
    static const char *const letters[STORE_DEEDS] = {
        [STORE_ATTEMPT] = "g", [STORE_DELIVERED] = "g", [STORE_LEARN] = "nd",     [STORE_TRAPPED] = "t",
        [STORE_ASK] = "t",     [STORE_PUT] = "gandt",   [STORE_DELETE] = "gandt", [STORE_FLUSH] = ""};
    enum store_kind kind;
    return store_kind_of(key, &kind) && strchr(letters[deed], key.at[0]) != NULL;
}

/* In its place, and in no other; what is read there is an answer to what was asked. */
static void check_place(const struct store_request *request, struct store_answer answer)
{
    store_say(keeper.board, request, answer);
    for (uint32_t i = 0; i < PLACES; i++) {
        struct store_place *place = &keeper.board->places[i];
        uint32_t what = atomic_load(&place->what), nonce = atomic_load(&place->nonce);
        atomic_store(&place->what, 0);
        atomic_store(&place->nonce, 0);
        if (i != request->place) {
            law(what == 0 && nonce == 0, "an answer for %u in place %u", request->place, i);
            continue;
        }
        law(nonce == request->nonce && what >> SECONDS_BITS == answer.outcome, "not the answer");
        law((answer.outcome != STORE_FIRST && answer.outcome != STORE_EARLY) || request->deed != STORE_ATTEMPT ||
                (what & STORE_SECONDS_MAX) <= request->delay_s,
            "told to wait for longer than it takes");
    }
}

static void check_wait(const struct store_request *request, struct store_answer answer)
{
    bool waits = answer.outcome == STORE_FIRST || answer.outcome == STORE_EARLY;
    law(!waits || (answer.seconds >= 0 && answer.seconds <= request->delay_s), "put off for %lld of %u seconds",
        (long long)answer.seconds, request->delay_s);
    if (answer.outcome == STORE_FIRST && request->window_s > 0)
        law(deeds_do(&keeper.ledger, request, keeper.now).outcome != STORE_FIRST, "a stranger twice");
}

static void check_put(const struct store_request *request, struct slice key)
{
    struct store_record record;
    law(ledger_find(&keeper.ledger, key, &record) == LEDGER_FOUND, "what was put is not there");
    if (key.at[0] != 'n' && key.at[0] != 'd')
        law(memcmp(&record, request->value, sizeof(record)) == 0, "another record was put");
}

static void check_done(const struct store_request *request, struct slice key, struct store_answer answer)
{
    struct store_record record;
    if (request->deed == STORE_ATTEMPT)
        check_wait(request, answer);
    if (request->deed == STORE_PUT && answer.outcome == STORE_DONE)
        check_put(request, key);
    if (request->deed == STORE_DELETE)
        law(ledger_find(&keeper.ledger, key, &record) == LEDGER_NONE, "what was deleted is there");
}

static void ask(const struct store_request *request, size_t size)
{
    if (!store_is_request(request, size, SLOTS))
        return;
    check_is_request(request, size);
    if (request->deed == STORE_FLUSH) {
        commit();
        return;
    }
    struct slice key = slice_make(request->key, request->key_size);
    uint64_t before = ledger_waiting(&keeper.ledger);
    struct store_answer answer = deeds_do(&keeper.ledger, request, keeper.now);
    uint64_t after = ledger_waiting(&keeper.ledger);
    law((unsigned)answer.outcome < STORE_OUTCOMES, "outcome %d", (int)answer.outcome);
    law(after == before || after == before + 1, "one question changed %llu records",
        (unsigned long long)after - before);
    if (!may_name(request->deed, key))
        law(after == before && answer.outcome == STORE_UNSURE, "done for no key of its own: %.*s", SLICE_ARGS(key));
    else
        check_done(request, key, answer);
    law(request->deed != STORE_ASK || after == before, "a mere question changed something");
    check_place(request, answer);
}

/* -- lines */

static uint32_t take_number(struct slice *line)
{
    uint64_t number = 0;
    slice_to_number(slice_take_word(line), &number);
    return (uint32_t)number;
}

static enum store_deed take_deed(struct slice *line)
{
    static const char *const names[STORE_DEEDS] = {[STORE_ATTEMPT] = "attempt", [STORE_DELIVERED] = "delivered",
                                                   [STORE_LEARN] = "learn",     [STORE_TRAPPED] = "trapped",
                                                   [STORE_ASK] = "ask",         [STORE_PUT] = "put",
                                                   [STORE_DELETE] = "delete",   [STORE_FLUSH] = "flush"};
    struct slice word = slice_take_word(line);
    for (int deed = 1; deed < STORE_DEEDS; deed++)
        if (slice_equal(word, slice_of(names[deed])))
            return (enum store_deed)deed;
    return (enum store_deed)0;
}

static void ask_in_words(struct slice line)
{
    static uint32_t nonce;
    struct store_request request;
    uint32_t numbers[6];
    enum store_deed deed = take_deed(&line);
    uint32_t place = take_number(&line);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        numbers[i] = take_number(&line);
    law_take_octet(&line); /* one blank; others are the key's */
    store_request_init(&request, deed, line);
    request.place = place;
    request.nonce = ++nonce;
    request.delay_s = numbers[0];
    request.window_s = numbers[1];
    request.lifetime_s = numbers[2];
    request.allow_after = numbers[3];
    request.good = numbers[4];
    request.bad = numbers[5];
    memcpy(request.value, numbers, sizeof(request.value));
    ask(&request, STORE_REQUEST_HEAD + request.key_size);
}

static void ask_as_it_is(struct slice octets)
{
    struct store_request request = {.deed = 0};
    size_t size = octets.size < sizeof(request) ? octets.size : sizeof(request);
    if (size > 0)
        memcpy(&request, octets.at, size);
    ask(&request, octets.size);
}

static void set_clock(char way, uint32_t seconds)
{
    keeper.now += way == '+' ? (time_t)seconds : -(time_t)seconds;
    keeper.now = keeper.now < 1 ? 1 : keeper.now > END ? END : keeper.now;
}

static void take_line(struct slice line)
{
    struct slice rest = line.size > 0 ? slice_make(line.at + 1, line.size - 1) : line;
    switch (line.size > 0 ? line.at[0] : '\0') {
    case '~':
        ask_as_it_is(rest);
        break;
    case '+':
    case '-':
        set_clock(line.at[0], take_number(&rest));
        break;
    case '!':
        commit();
        break;
    default:
        ask_in_words(line);
    }
}

FUZZ
{
    if (keeper.shelf == NULL)
        open_keeper();
    keeper.now = BEGINNING;
    while (input.size > 0)
        take_line(slice_take_until(&input, '\n'));
    forget_all();
}
