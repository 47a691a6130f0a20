/* SPDX-License-Identifier: ISC
 *
 * scoreboard - the shared memory of master and workers: one sealed memfd for each region.
 *
 *   tags    a word a slot, in one compact array that every worker may write: who is idle, and who serves whom. Whoever
 *           wants to know how many are idle scans it; nothing is counted up and down, so no crash can spoil a count.
 *   slots   a page a slot: what its worker is doing, for people to read. A worker maps its own page alone.
 *   heard   what each inside server's EHLO offered lately: bits and numbers, never text.
 *   health  what the housekeeper's probes found of each inside server (health.h)
 *   keys    of TLS session tickets (ticket_keys.h)
 *   orders  what the master tells the running workers (orders.h)
 *   listed  whom an administrator blocked or allowed (listed.h)
 *   seats   for each concurrency rule a column, for each slot a word in it: whom its session counts for. Nothing is
 *           counted up and down here either: who wants to know enters himself first, then scans.
 *   berths  for each slot a word: at which inside server its session is, or waits to be (berths.h)
 *   rates   the time stamps of all rate limits (rate.h)
 *   reputations  what is remembered of networks (reputation.h)
 *   hits    who hit a limit lately (hits.h)
 *   totals  what workers that have ended said that they did, written by the master alone (totals.h)
 *   history what each minute of the last day was like, written by the housekeeper alone (history.h)
 *   list_tests   what its self-tests found of DNS lists, and list_counts, what came of the workers' questions there
 *           (dnslists.h)
 *   store   what the storekeeper says of itself, and its answers, written by it alone (store.h)
 *
 * Who may do what with each region is one table in scoreboard.c; the descriptors that a process is left with allow no
 * more. What workers may write is rumour (L7): a worker can write anything there at any time. Readers copy a word once,
 * check its range, and use it for display or for hints that are bounded. No pids, pointers, lengths or indices are ever
 * taken from it. What a compromised worker can do with it: hide or feign idle workers (the master's own limits bound
 * the forks that follow), lie about its own slot, and spoil the remembered keywords (sessions then get 421 until inside
 * is asked anew), rates, reputations (which alone delay or defer, never refuse for good), seats, and berths: it can say
 * that a server is full, and the others wait for max_sessions_wait and defer, or wipe their words, and more than
 * max_sessions get there; what it wrote for another slot holds until that slot's next session ends, or, where nobody is
 * there, until the master has reaped a worker. A worker that runs an
 * attacker's code reaches the pages behind its own as well, by growing its mapping: the sandbox refuses mremap and
 * remap_file_pages. Nothing here relies on that.
 */
#ifndef POSTERN_COMMON_SCOREBOARD_H
#define POSTERN_COMMON_SCOREBOARD_H

#include <stdatomic.h>
#include <sys/types.h>

#include "common/berths.h"
#include "common/dnslists.h"
#include "common/health.h"
#include "common/history.h"
#include "common/hits.h"
#include "common/ipaddr.h"
#include "common/listed.h"
#include "common/orders.h"
#include "common/region.h"
#include "common/reputation.h"
#include "common/session_id.h"
#include "common/siphash.h"
#include "common/slice.h"
#include "common/store.h"
#include "common/table.h"
#include "common/ticket_keys.h"
#include "common/totals.h"

enum {
    SCOREBOARD_SLOTS_MAX = 65536,
    SCOREBOARD_SERVERS_MAX = 64,
    SCOREBOARD_SEATS_MAX = 8, /* columns: concurrency rules of one policy */
    SLOT_BYTES = 4096,
    SLOT_SESSION_ID_MAX = SESSION_ID_BYTES
};

/* tags */
enum tag {
    TAG_NONE = 0,
    TAG_STARTING = 1,
    TAG_IDLE = 2,
    TAG_LEAVING = 3, /* nobody any more, but what it counted is in its slot alone until the master has reaped it */
    TAG_BUSY = 16    /* and above: a hash of the client */
};
#define TAG_HELD UINT32_C(0x80000000) /* beside it: the session is in the tarpit */

enum slot_state { SLOT_EMPTY, SLOT_IDLE, SLOT_BUSY, SLOT_STATES };

/* What a worker says of itself; read through slot_read. Times are clock_ms(). */
struct slot_facts {
    uint32_t generation;
    uint32_t state;            /* enum slot_state */
    uint32_t phase;            /* enum phase of the session */
    uint32_t session_messages; /* delivered in the session so far */
    uint32_t tls;              /* 1: the session's outside leg is in TLS */
    uint32_t held;             /* 1: it is in the tarpit */
    uint32_t standing;         /* enum standing of the client's network */
    int32_t score;
    uint32_t session_errors; /* malformed and misplaced commands, and logins that were refused */
    uint64_t serial;         /* of the session within the worker; grows */
    int64_t worker_since_ms;
    int64_t session_since_ms;
    struct ipaddr client;
    uint16_t client_port;
    char session_id[SLOT_SESSION_ID_MAX];
    /* since the worker began */
    uint64_t sessions, messages, refused_messages, bytes_in;
    uint64_t unheard;                      /* answers to a message that the client had hung up before (RFC 1047) */
    uint64_t held_sessions, held_ms;       /* in the tarpit */
    uint64_t let_go;                       /* sessions that made room for others */
    uint64_t inside_waits, inside_wait_ms; /* for a berth at an inside server */
    uint64_t limited;                      /* verdicts of limits but those that were only watched */
    uint64_t turned_away;                  /* clients for whom there was no room; no sessions */
    uint64_t log_dropped;                  /* lines of the log, as known when its last session ended */
    struct table_counts tables;
};

struct slot {
    _Atomic uint32_t sequence; /* odd while its worker writes */
    struct slot_facts facts;
};

/* What was heard from one inside server in a half hour, in words that are checked one by one (common/keyword.h). */
enum { HEARD_NUMBERS = 8 };
struct heard_words {
    _Atomic uint64_t keywords;
    _Atomic uint64_t numbers[HEARD_NUMBERS];
};
struct heard {
    struct heard_words lately, before;
    _Atomic uint64_t distrust_until_ms; /* a keyword that was remembered was missing: ask at EHLO until then */
};

/* Mapped in this order: the small ones first, which then share a page of page tables. */
enum scoreboard_region {
    REGION_TAGS,
    REGION_SLOTS,
    REGION_HEARD,
    REGION_HEALTH,
    REGION_LIST_TESTS,
    REGION_LIST_COUNTS,
    REGION_KEYS,
    REGION_ORDERS,
    REGION_LISTED,
    REGION_TOTALS,
    REGION_HITS,
    REGION_HISTORY,
    REGION_BERTHS,
    REGION_REPUTATIONS,
    REGION_SEATS,
    REGION_RATES,
    REGION_STORE,
    REGIONS
};

#define SCOREBOARD_ENTRIES_MAX (INT64_C(1) << 26)

/* Goes up whenever what lies in a region means something else than before, though its size may be the same: a program
 * that takes the place of another (daemon/upgrade.h) keeps the scoreboard of the same layout alone. */
enum { SCOREBOARD_LAYOUT = 1 };

/* How large it is, for the master's life. */
struct scoreboard_size {
    int slots;
    int64_t rates, reputations; /* entries */
};

/* Whose process it is. The reader answers posternctl. */
enum scoreboard_role { ROLE_MASTER, ROLE_WORKER, ROLE_HOUSEKEEPER, ROLE_STOREKEEPER, ROLE_READER, ROLES };

struct scoreboard {
    int slot_count;
    struct scoreboard_size size;
    uint8_t hash_key[SIPHASH_KEY_BYTES]; /* of all entries; no secret before who may write them */
    struct region regions[REGIONS];
    /* What this process sees; NULL: not in its role. Written through only where the role allows to. */
    _Atomic uint32_t *tags; /* slot_count words */
    unsigned char *slots;   /* all pages, read-only */
    struct heard *heard;    /* SCOREBOARD_SERVERS_MAX */
    struct health *health;  /* SCOREBOARD_SERVERS_MAX */
    struct dnslist_tests *list_tests;
    struct dnslist_counts *list_counts;
    struct ticket_keys *keys; /* not even the master's after creation */
    struct orders *orders;
    struct listed *listed;
    struct totals_ended *ended;
    struct history *history;
    _Atomic uint32_t *seats;         /* SCOREBOARD_SEATS_MAX columns of slot_count words */
    _Atomic uint64_t *berths;        /* BERTHS_PROBES words of the housekeeper's, then slot_count */
    struct table rates, reputations; /* words NULL: not in this role */
    struct hits *hits;
    struct store_board *store; /* written by the storekeeper alone */
    pid_t hidden_by;           /* the master, whose children have none of its views; 0: they have */
    struct slot *own;          /* a worker's own page */
    int own_slot;
};

/* Master; the first ticket keys are there after. False with errno when memory or descriptors are missing. */
bool scoreboard_create(struct scoreboard *board, const struct scoreboard_size *size);
/* Of these regions, made by another program in the same process: they and their descriptors are the board's from now
 * on. One that is REGION_NONE was unknown there, and is made. False with errno, EPROTO: another layout; then they are
 * as they were. */
bool scoreboard_adopt(struct scoreboard *board, const struct scoreboard_size *size,
                      const uint8_t hash_key[SIPHASH_KEY_BYTES], const struct region regions[REGIONS]);
int64_t scoreboard_layout(void); /* SCOREBOARD_LAYOUT, and what the sizes of the regions do not tell */
const char *scoreboard_region_name(enum scoreboard_region region);
void scoreboard_destroy(struct scoreboard *board);              /* also of one that is all zero */
void scoreboard_clear_slot(struct scoreboard *board, int slot); /* before fork and after death: page zeroed, TAG_NONE */
void scoreboard_set_tag(struct scoreboard *board, int slot, uint32_t tag);

/* Master: no child is born with what it sees, which it would only have to unmap: a tenth of its birth. */
void scoreboard_hide(struct scoreboard *board);
/* The descriptors that a child of this role needs for entering; how many. */
int scoreboard_descriptors(const struct scoreboard *board, enum scoreboard_role role, int fds_out[REGIONS]);
/* In the child, once: what its role allows is mapped, everything else becomes unreachable; all descriptors are closed.
 * False with errno. */
bool scoreboard_enter(struct scoreboard *board, int slot);                     /* a worker */
bool scoreboard_enter_as(struct scoreboard *board, enum scoreboard_role role); /* anybody else but the master */

/* A reader that is asked what a worker would do: a page of its own, which nobody else ever sees, takes in what that
 * would say of itself. All else stays read-only. False with errno. */
bool scoreboard_take_scratch(struct scoreboard *board);

/* Master: what is remembered of the inside server in this place is not true any more, since it is another one's. */
void scoreboard_forget_server(struct scoreboard *board, int server);
void scoreboard_forget_servers(struct scoreboard *board); /* all of them */

/* How many of [first, first+count) are idle or starting, how many are neither TAG_NONE nor TAG_LEAVING, and how many
 * serve somebody whom the tarpit holds. */
struct tag_count {
    int idle, starting, alive, held;
};
struct tag_count scoreboard_count(const struct scoreboard *board, int first, int count);
/* Are so many of them idle or starting? Looks no further than it must. */
bool scoreboard_has_spare(const struct scoreboard *board, int first, int count, int wanted);

/* A worker: its session counts for `whom` in this column, 0: for nobody; and how many of all slots do, its own too. */
void scoreboard_take_seat(struct scoreboard *board, int column, uint32_t whom);
int scoreboard_count_seats(const struct scoreboard *board, int column, uint32_t whom);
void scoreboard_leave_seats(struct scoreboard *board); /* and its berth */

/* This process's view of the berths. Worker: its own word; housekeeper: that of its probe of the server in `place`. */
struct berths scoreboard_berths(const struct scoreboard *board);
struct berths scoreboard_probe_berths(const struct scoreboard *board, int place);
void scoreboard_leave_berth(struct scoreboard *board, int slot); /* nobody is there any more */
void scoreboard_clear_probes(struct scoreboard *board);          /* the housekeeper has ended */

/* The hash of an entry: the name of what is counted, and its key. What is longer than 2000 octets together is cut. */
uint64_t scoreboard_hash(const struct scoreboard *board, struct slice name, struct slice key);

/* What a region costs: its size, what of it is in memory, and the page tables of each process that has seen all of it.
 */
struct region_cost {
    const char *name;
    uint64_t bytes, resident_bytes, page_table_bytes;
};
struct region_cost scoreboard_cost(const struct scoreboard *board, enum scoreboard_region region);

/* Own slot: change facts between the two. */
struct slot_facts *slot_begin(struct scoreboard *board);
void slot_end(struct scoreboard *board);
/* What befell its changes of the tables is added; mostly nothing did. */
void slot_add_counts(struct scoreboard *board, const struct table_counts *counts);
/* Any reader with the master's view. False when it kept changing: bounded retries, show it as unreadable. What comes
 * out is in range: a known state, a family or none, a session id that ends and has no blanks or controls. */
bool slot_read(const struct scoreboard *board, int slot, struct slot_facts *out);

#endif
