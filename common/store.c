/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/store.h"

enum { PAGE_BYTES = 4096, SECONDS_BITS = 24 };

size_t store_board_bytes(int slot_count)
{
    size_t places = ((size_t)slot_count + STORE_CHILDREN) * sizeof(struct store_place);
    return sizeof(struct store_board) + (places + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

const char *store_state_name(enum store_state state)
{
    static const char *const names[STORE_STATES] = {
        [STORE_NONE] = "none", [STORE_WORKING] = "working", [STORE_FAILING] = "failing"};
    return state < STORE_STATES ? names[state] : "unknown";
}

bool store_is_alive(const struct store_board *board, int64_t deadline_ms)
{
    int64_t age = clock_ms() - atomic_load_explicit(&board->head.beat_ms, memory_order_relaxed);
    return atomic_load_explicit(&board->head.state, memory_order_relaxed) != STORE_NONE &&
           age <= deadline_ms + STORE_BEAT_MS;
}

const char *store_words(const struct store_board *board, int64_t deadline_ms)
{
    if (store_is_alive(board, deadline_ms))
        return store_state_name(atomic_load_explicit(&board->head.state, memory_order_relaxed));
    bool has_begun = atomic_load_explicit(&board->head.beat_ms, memory_order_relaxed) != 0;
    return has_begun ? "not answering" : "not begun";
}

/* -- who asks */

void store_request_init(struct store_request *request, enum store_deed deed, struct slice key)
{
    memset(request, 0, STORE_REQUEST_HEAD);
    request->deed = deed;
    request->place = STORE_NO_PLACE;
    request->key_size = (uint32_t)(key.size < STORE_KEY_MAX ? key.size : STORE_KEY_MAX);
    if (key.size > 0) /* memcpy takes no null pointer */
        memcpy(request->key, key.at, request->key_size);
}

static bool send_it(int fd, const struct store_request *request)
{
    size_t size = STORE_REQUEST_HEAD + request->key_size;
    return send(fd, request, size, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)size;
}

bool store_tell(int fd, struct store_request *request)
{
    request->place = STORE_NO_PLACE;
    return fd >= 0 && send_it(fd, request);
}

/* The socket is shared by all: when it is full it is so for a moment, or nobody reads it. */
static bool send_until(int fd, const struct store_request *request, int64_t deadline_ms)
{
    while (!send_it(fd, request)) {
        struct pollfd writable = {.fd = fd, .events = POLLOUT};
        if ((errno != EAGAIN && errno != EINTR) || clock_poll(&writable, 1, deadline_ms) <= 0)
            return false;
    }
    return true;
}

static struct store_answer read_answer(const struct store_place *place)
{
    uint32_t what = atomic_load_explicit(&place->what, memory_order_relaxed);
    enum store_outcome outcome = what >> SECONDS_BITS;
    if (outcome >= STORE_OUTCOMES)
        return (struct store_answer){STORE_UNSURE, 0};
    return (struct store_answer){outcome, what & STORE_SECONDS_MAX};
}

/* Was what was read the answer to that? Another question that names this place may be answered at any time. */
static bool is_still(const struct store_place *place, uint32_t nonce)
{
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(&place->nonce, memory_order_relaxed) == nonce;
}

/* Not counted up: the answer to a question that was given up may still come, and is none to the next. */
static uint32_t make_nonce(uint32_t before)
{
    uint32_t nonce = 0;
    if (getrandom(&nonce, sizeof(nonce), GRND_NONBLOCK) != sizeof(nonce))
        nonce = (uint32_t)clock_wall_us();
    while (nonce == 0 || nonce == before)
        nonce++;
    return nonce;
}

struct store_answer store_ask(const struct store_board *board, int fd, uint32_t place, struct store_request *request,
                              int64_t deadline_ms)
{
    const struct store_answer unsure = {STORE_UNSURE, 0};
    const struct store_place *at = &board->places[place];
    request->place = place;
    request->nonce = make_nonce(atomic_load_explicit(&at->nonce, memory_order_acquire));
    if (fd < 0 || !send_until(fd, request, deadline_ms))
        return unsure;
    for (;;) {
        uint32_t seen = atomic_load_explicit(&at->nonce, memory_order_acquire);
        if (seen == request->nonce) {
            struct store_answer answer = read_answer(at);
            return is_still(at, seen) ? answer : unsure;
        }
        if (!clock_await_change(&at->nonce, seen, deadline_ms))
            return unsure;
    }
}

/* -- who answers */

bool store_is_request(const struct store_request *request, size_t size, int slot_count)
{
    uint32_t places = (uint32_t)slot_count + STORE_CHILDREN;
    return size >= STORE_REQUEST_HEAD && request->deed > 0 && request->deed < STORE_DEEDS &&
           request->key_size <= STORE_KEY_MAX && size == STORE_REQUEST_HEAD + request->key_size &&
           (request->place == STORE_NO_PLACE || request->place < places);
}

void store_note_longest(_Atomic uint64_t *longest_us, int64_t took_us)
{
    if (took_us > 0 && (uint64_t)took_us > atomic_load_explicit(longest_us, memory_order_relaxed))
        atomic_store_explicit(longest_us, (uint64_t)took_us, memory_order_relaxed);
}

void store_say(struct store_board *board, const struct store_request *request, struct store_answer answer)
{
    if (request->place == STORE_NO_PLACE)
        return;
    struct store_place *place = &board->places[request->place];
    int64_t seconds = answer.seconds < 0 ? 0 : answer.seconds;
    if (seconds > STORE_SECONDS_MAX)
        seconds = STORE_SECONDS_MAX;
    uint32_t what = (uint32_t)answer.outcome << SECONDS_BITS | (uint32_t)seconds;
    atomic_store_explicit(&place->nonce, 0, memory_order_relaxed); /* nobody's, while it changes */
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&place->what, what, memory_order_relaxed);
    atomic_store_explicit(&place->nonce, request->nonce, memory_order_release);
    clock_tell_change(&place->nonce);
}
