/* SPDX-License-Identifier: ISC
 *
 * store - how the others speak with the storekeeper, who alone writes what is remembered on disk (workers/storekeeper):
 * a question is one datagram of a SEQPACKET socket, an answer two words of a region of the scoreboard.
 *
 * The socket's writing end is shared by all workers, its reading end is the storekeeper's. Each worker has a place in
 * the region (its slot's) that the storekeeper alone writes: no number, then what the answer is, then the number of the
 * question. Whoever asked waits for that number until his deadline, and goes on as if nobody remembered anything
 * (UNSURE) when it does not come: mail never waits for the memory. The storekeeper writes the time into the region
 * several times a second; where that is older than the deadline nobody asks (store_is_alive), so a storekeeper that
 * stands still costs each worker one deadline at most.
 *
 * What a compromised worker can do: fill the socket, so that the others go on without a memory; say anything of
 * anybody (spoil the greylist and reputations, which alone defer or delay); and answer for another worker's question,
 * whose number it would have to guess. The storekeeper takes nothing from a question for a length or a place unchecked.
 */
#ifndef POSTERN_COMMON_STORE_H
#define POSTERN_COMMON_STORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/slice.h"

enum {
    STORE_KEY_MAX = 480, /* octets; store_record.h says what a key looks like */
    STORE_BEAT_MS = 250, /* the storekeeper writes the time this often at least */
    STORE_CHILDREN = 64, /* places behind those of the slots, for children that act for posternctl */
    STORE_SECONDS_MAX = (1 << 24) - 1
};
#define STORE_NO_PLACE UINT32_MAX /* no answer is wanted */
enum { STORE_BY_ALLOWANCE = 1 };  /* with STORE_PASS to a STORE_ATTEMPT; 0: it has waited */

/* What is asked, and of which keys: */
enum store_deed {
    STORE_ATTEMPT = 1, /* g: somebody tries; may he? Written down. DONE never; PASS, FIRST, EARLY */
    STORE_DELIVERED,   /* g: a message was delivered, which counts for the client's allowance */
    STORE_LEARN,       /* n, d: so much good and bad more */
    STORE_TRAPPED,     /* t: wrote to a trap, is remembered for lifetime_s */
    STORE_ASK,         /* t: PASS, with the seconds that are left: remembered; FIRST: not */
    STORE_PUT,         /* any: this record, whatever was there (posternctl) */
    STORE_DELETE,      /* any: PASS: it was there; FIRST: it was not */
    STORE_FLUSH,       /* no key: DONE when all that was said before is on disk */
    STORE_DEEDS
};

enum store_outcome {
    STORE_UNSURE, /* nobody can say: no storekeeper, no room, too late */
    STORE_PASS,   /* known and waited; STORE_BY_ALLOWANCE seconds: of a client that need not wait any more */
    STORE_FIRST,  /* never seen; `seconds` to wait */
    STORE_EARLY,  /* seen, but too short ago; `seconds` to wait */
    STORE_DONE,
    STORE_OUTCOMES
};

struct store_answer {
    enum store_outcome outcome;
    int64_t seconds; /* 0.. STORE_SECONDS_MAX */
};

/* The datagram is this without what is behind the key. All integers are the host's: both ends are on it. */
struct store_request {
    uint32_t deed;  /* enum store_deed */
    uint32_t place; /* slot, or slot count + child's number; STORE_NO_PLACE */
    uint32_t nonce; /* of this question, never 0 */
    uint32_t key_size;
    uint32_t delay_s, window_s, lifetime_s; /* STORE_ATTEMPT, STORE_DELIVERED; lifetime_s: STORE_TRAPPED, too */
    uint32_t allow_after; /* deliveries, an hour apart at least, that earn an allowance; 0: none does */
    uint32_t good, bad;   /* STORE_LEARN: sixteenths of points (reputation.h) */
    uint8_t value[24];    /* STORE_PUT: a record (store_record.h) */
    char key[STORE_KEY_MAX];
};
#define STORE_REQUEST_HEAD offsetof(struct store_request, key)

/* The region: a page for what the storekeeper says of itself, then the places. */
enum store_state {
    STORE_NONE,    /* no storekeeper has begun, or no store is configured */
    STORE_WORKING, /* what it is told is on disk a moment later */
    STORE_FAILING, /* it answers, and remembers in memory what it can; the disk takes nothing (why: in the log) */
    STORE_STATES
};
enum store_kind { STORE_GREY, STORE_ALLOWANCE, STORE_NETWORK, STORE_DOMAIN, STORE_TRAP, STORE_KINDS };

struct store_head {
    _Atomic int64_t beat_ms;                    /* clock_ms() */
    _Atomic uint32_t state;                     /* enum store_state */
    _Atomic uint64_t records, bytes, bytes_max; /* on disk */
    _Atomic uint64_t waiting;                   /* changes that are not on disk yet */
    _Atomic uint64_t commits, longest_commit_us;
    _Atomic uint64_t longest_answer_us;        /* of one question, from reading it to its answer */
    _Atomic uint64_t attempts[STORE_OUTCOMES]; /* how STORE_ATTEMPTs were answered */
    _Atomic uint64_t purged;                   /* records that were over */
    _Atomic uint64_t evicted;                  /* that were not, but for which there was no room */
    _Atomic uint64_t lost;                     /* changes that were never written down */
};
struct store_place {
    _Atomic uint32_t what;  /* outcome << 24 | seconds */
    _Atomic uint32_t nonce; /* of the question that it answers; a futex */
};
struct store_board {
    _Alignas(4096) struct store_head head;
    _Alignas(4096) struct store_place places[]; /* slots, then STORE_CHILDREN */
};

size_t store_board_bytes(int slot_count);
const char *store_state_name(enum store_state state); /* "none", "working", "failing" */
/* For people: what it is, or "not answering" where its beat is older than the deadline, "not begun" where there was
 * none ever. */
const char *store_words(const struct store_board *board, int64_t deadline_ms);

/* -- who asks. `fd`: the writing end, -1: there is no store. */

/* Has the storekeeper written the time within `deadline_ms` (a duration), and a beat? */
bool store_is_alive(const struct store_board *board, int64_t deadline_ms);
/* A request about this key, all else zero; one that is too long is cut (store_record.h makes none). */
void store_request_init(struct store_request *request, enum store_deed deed, struct slice key);
/* Wants no answer; never waits. False: it was not taken. */
bool store_tell(int fd, struct store_request *request);
/* Sends and waits for the answer in `place`, until the deadline (absolute) at the latest. */
struct store_answer store_ask(const struct store_board *board, int fd, uint32_t place, struct store_request *request,
                              int64_t deadline_ms);

/* -- who answers */

/* Is a datagram of so many octets a question: whole, a known deed, a key of a size that is true, a place that exists?
 */
bool store_is_request(const struct store_request *request, size_t size, int slot_count);
void store_note_longest(_Atomic uint64_t *longest_us, int64_t took_us);
/* No-op for STORE_NO_PLACE. */
void store_say(struct store_board *board, const struct store_request *request, struct store_answer answer);

#endif
