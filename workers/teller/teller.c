/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/control_send.h"
#include "common/scoreboard.h"
#include "common/store_options.h"

#include "workers/teller/teller_internal.h"

enum { OPEN_MS = 1000, OPEN_AGAIN_MS = 20 };

/* -- the answer */

void teller_flush(struct teller *t)
{
    if (!control_send(t->fd, &t->out, t->setup->deadline_ms))
        _exit(0);
}

bool teller_has_room(const struct teller *t)
{
    return buffer_room(&t->out) >= CONTROL_RECORD_MAX;
}

struct buffer *teller_record(struct teller *t, const char *kind)
{
    if (!teller_has_room(t))
        teller_flush(t);
    control_begin(&t->out, kind);
    return &t->out;
}

_Noreturn void teller_end(struct teller *t)
{
    control_end(teller_record(t, "ok"));
    teller_flush(t);
    _exit(0);
}

_Noreturn void teller_complain(struct teller *t, const char *why, const char *try)
{
    struct buffer *to = teller_record(t, "error");
    control_string(to, "why", why);
    control_string(to, "try", try);
    control_end(to);
    teller_flush(t);
    _exit(0);
}

bool teller_is_word(const struct teller *t, int word, const char *wanted)
{
    return word < t->setup->word_count && slice_equal(t->setup->words[word], slice_of(wanted));
}

void teller_time(struct buffer *to, const char *name, uint32_t at_s)
{
    if (at_s != 0)
        control_number(to, name, at_s);
}

/* -- the store */

/* One look before the sandbox: a place in the readers' table is taken by calls that are not on its list. */
static void open_shelf(struct teller *t)
{
    const struct store_options *store = t->setup->store;
    struct shelf_size size;
    const char *why = NULL;
    t->opened = SHELF_NONE;
    if (store == NULL || store->directory == NULL)
        return;
    int64_t until_ms = clock_deadline(OPEN_MS);
    while ((t->opened = shelf_open_to_read(&t->shelf, store->directory, &why)) == SHELF_FAILED && clock_ms() < until_ms)
        clock_poll(NULL, 0, clock_deadline(OPEN_AGAIN_MS)); /* its end was being written, say */
    snprintf(t->why, sizeof(t->why), "%s", why != NULL ? why : "");
    if (t->opened != SHELF_DONE)
        t->shelf = NULL;
    else if (shelf_measure(t->shelf, &size))
        t->file_bytes = size.file_bytes;
}

_Noreturn void teller_complain_of_shelf(struct teller *t, enum shelf_result result, const char *why)
{
    static const struct {
        const char *what, *try;
    } words[] = {
        [SHELF_NONE] = {"there is no store yet: the storekeeper makes it when it starts", "posternctl status"},
        [SHELF_FULL] = {"the store cannot be read", "room on its disk; posternctl store check"},
        [SHELF_FAILED] = {"the store cannot be read", "posternd's log, the directory and its disk"},
        [SHELF_DAMAGED] = {"the store is damaged", "a restart of posternd sets it aside and begins anew; what another "
                                                   "host exported fills that: posternctl store import"},
        [SHELF_FOREIGN] = {"the store is of another version of posternd", "the log says what became of it"},
    };
    static const char UNREADABLE[] = "the store cannot be read just now", AGAIN[] = "the same again";
    bool is_known = (size_t)result < sizeof(words) / sizeof(words[0]) && words[result].what != NULL;
    char text[TELLER_WHY_MAX + 64];
    bool has_why = why != NULL && why[0] != '\0';
    snprintf(text, sizeof(text), "%s%s%s", is_known ? words[result].what : UNREADABLE, has_why ? ": " : "",
             has_why ? why : "");
    teller_complain(t, text, is_known ? words[result].try : AGAIN);
}

void teller_need_shelf(struct teller *t)
{
    if (t->shelf == NULL)
        teller_complain_of_shelf(t, t->opened, t->why);
}

void teller_walk(struct teller *t, struct slice prefix, shelf_see *see, void *context)
{
    struct store_key from = {.size = 0};
    enum shelf_result result = SHELF_DONE;
    teller_need_shelf(t);
    while (result == SHELF_DONE && clock_ms() < t->setup->deadline_ms) {
        if (!teller_has_room(t))
            teller_flush(t);
        result = shelf_walk(t->shelf, &from, prefix, TELLER_SLICE, see, context);
    }
    if (result == SHELF_DONE)
        teller_complain(t, "that takes too long", NULL);
    if (result != SHELF_NONE)
        teller_complain_of_shelf(t, result, NULL);
}

/* -- the storekeeper */

_Noreturn void teller_complain_of_keeper(struct teller *t)
{
    const struct store_head *head = &t->setup->board->store->head;
    bool fails = atomic_load_explicit(&head->state, memory_order_relaxed) == STORE_FAILING;
    teller_complain(t,
                    fails ? "the disk takes nothing: the storekeeper cannot write"
                          : "the storekeeper does not answer: nothing can be changed",
                    "posternctl status, and posternd's log");
}

static bool is_there(const struct teller *t, int64_t wait_ms)
{
    const struct store_board *board = t->setup->board->store;
    return t->ask >= 0 && board != NULL && store_is_alive(board, wait_ms);
}

static struct store_answer ask(struct teller *t, struct store_request *request, int64_t wait_ms)
{
    if (!is_there(t, wait_ms))
        return (struct store_answer){STORE_UNSURE, 0};
    return store_ask(t->setup->board->store, t->ask, t->setup->place, request, clock_deadline(wait_ms));
}

void teller_need_keeper(struct teller *t)
{
    if (!is_there(t, TELLER_ANSWER_MS))
        teller_complain(t, "no storekeeper is there: nothing can be changed", "posternctl status, and posternd's log");
}

bool teller_settle(struct teller *t, int64_t wait_ms)
{
    const struct store_board *board = t->setup->board->store;
    struct store_request request;
    if (t->shelf == NULL || board == NULL ||
        atomic_load_explicit(&board->head.state, memory_order_relaxed) != STORE_WORKING)
        return false; /* it would wait for its disk to take something */
    store_request_init(&request, STORE_FLUSH, slice_make("", 0));
    return ask(t, &request, wait_ms).outcome == STORE_DONE;
}

void teller_must_settle(struct teller *t)
{
    if (!teller_settle(t, TELLER_ANSWER_MS))
        teller_complain_of_keeper(t);
}

struct store_answer teller_change(struct teller *t, struct store_request *request)
{
    struct store_answer answer = ask(t, request, TELLER_ANSWER_MS);
    if (answer.outcome == STORE_UNSURE && teller_settle(t, TELLER_ANSWER_MS))
        answer = ask(t, request, TELLER_ANSWER_MS);
    return answer;
}

struct store_answer teller_put(struct teller *t, const struct store_key *key, const struct store_record *record)
{
    struct store_request request;
    store_request_init(&request, STORE_PUT, store_key_slice(key));
    memcpy(request.value, record, sizeof(request.value));
    return teller_change(t, &request);
}

/* -- keys */

static bool network_at(const struct teller *t, struct slice word, int number, struct network *out)
{
    struct ipaddr address;
    if (!ipaddr_parse(word, &address))
        return number == 0 && network_parse(word, out);
    int prefix = prefixes_at(t->setup->greylisted, address.family, number);
    if (prefix >= 0)
        *out = network_of(&address, (unsigned)prefix);
    return prefix >= 0;
}

bool teller_client(const struct teller *t, struct slice word, int number, struct store_key *client_out)
{
    struct network network;
    char text[NETWORK_TEXT_MAX];
    client_out->size = 0;
    if (network_at(t, word, number, &network)) {
        network_print(&network, text);
        store_key_of(client_out, STORE_ALLOWANCE, slice_of(text));
        return true;
    }
    struct slice name = slice_without_dot(word); /* as sender_domain.h has it */
    bool is_domain = slice_has(name, '.') && !slice_has(name, '/') && !slice_has(name, '@') &&
                     !network_parse(word, &network) && name.size <= STORE_PART_MAX;
    if (number == 0 && is_domain)
        store_key_of(client_out, STORE_ALLOWANCE, name);
    return client_out->size > 0;
}

bool teller_concerns(const struct network *asked, struct slice key)
{
    struct network network;
    return network_parse(teller_part(key, 1), &network) &&
           (network_holds(asked, &network.address) || network_holds(&network, &asked->address));
}

struct slice teller_part(struct slice key, int number)
{
    struct slice part = slice_take_until(&key, ' ');
    while (number-- > 0)
        part = slice_take_until(&key, ' ');
    return part;
}

/* -- the child */

/* LMDB trusts what it maps: of a file that is damaged inside, or a disk that does not read, it may die. Who asked hears
 * what that means, and then it does. */
static struct {
    int fd;
} dying = {.fd = -1};

static void tell_last(int number)
{
    static const char text[] = "error why=\"the store is damaged: its pages lead to nowhere\" try=\"a restart of "
                               "posternd, which sets it aside and begins anew; its log\"\n";
    (void)number;
    (void)send(dying.fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void prepare_to_die(const struct teller *t)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT};
    struct sigaction action = {.sa_handler = tell_last, .sa_flags = (int)SA_RESETHAND};
    dying.fd = t->fd;
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        sigaction(numbers[i], &action, NULL);
}

/* Descriptors get the numbers that the sandbox's rules go by. */
static void confine(struct teller *t)
{
    static const char nobody[1];
    const struct teller_setup *setup = t->setup;
    bool moved = setup->sandbox_mode == SANDBOX_OFF ||
                 (sandbox_make_way(&t->fd) && (t->ask < 0 || sandbox_set_listener_apart(&t->ask)));
    if (!moved || !sandbox_enter(setup->sandbox, setup->sandbox_mode, SANDBOX_WORKER, nobody, sizeof(nobody)))
        teller_complain(t, "the sandbox cannot be entered", NULL);
}

_Noreturn void teller_main(const struct teller_setup *setup)
{
    static const struct {
        const char *name;
        teller_verb *verb;
    } verbs[] = {{"greylist", teller_greylist}, {"reputation", teller_reputation}, {"store", teller_store}};
    struct teller *t = calloc(1, sizeof(*t));
    if (t == NULL)
        _exit(1);
    t->setup = setup;
    t->fd = setup->fd;
    t->ask = setup->ask;
    t->now = clock_wall();
    buffer_init(&t->out, t->memory, sizeof(t->memory));
    prepare_to_die(t);
    open_shelf(t);
    confine(t);
    dying.fd = t->fd; /* it may have another number now */
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (strcmp(verbs[i].name, setup->verb) == 0)
            verbs[i].verb(t);
    teller_complain(t, "that is no verb of the memory's", NULL);
}
