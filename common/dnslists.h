/* SPDX-License-Identifier: ISC
 *
 * dnslists - what is known of the DNS lists that are asked: two regions of the scoreboard.
 *
 *   list_tests   what the housekeeper's self-tests found of each zone; written by it alone. A hint that is heeded: a
 * list that is broken is not asked. list_counts  what came of the workers' questions, of each list; written by them, so
 * it is rumour (L7), for people to read. More errors than before only let the housekeeper test sooner.
 *
 * Found by a hash, of the zone or of the list's name, so that both survive a reload and need no places. What is not
 * there any more the housekeeper clears at its start. Who finds no room (DNSLISTS_MAX) is neither tested nor counted.
 */
#ifndef POSTERN_COMMON_DNSLISTS_H
#define POSTERN_COMMON_DNSLISTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/silence.h"

enum { DNSLISTS_MAX = 64, DNSLIST_WORDS_MAX = 48 };

/* -- tests -- */

enum dnslist_state { DNSLIST_UNKNOWN, DNSLIST_GOOD, DNSLIST_BROKEN, DNSLIST_STATES };

enum dnslist_trouble {
    DNSLIST_FINE,
    DNSLIST_SILENT,        /* no answer: it is not said to be broken for that */
    DNSLIST_LISTS_NOTHING, /* not even what every list has to hold */
    DNSLIST_LISTS_ALL,     /* also what no list may hold */
    DNSLIST_ERRS,          /* an answer that is an error */
    DNSLIST_TROUBLES
};

enum { DNSLIST_SILENT_MANY = 2 }; /* tests without an answer, in a row: nobody waits for such a list */

/* One zone; times are clock_ms(). */
struct dnslist_test {
    _Atomic uint64_t whose;    /* 0: nobody's */
    _Atomic uint32_t state;    /* enum dnslist_state */
    _Atomic uint32_t trouble;  /* enum dnslist_trouble, of the last test */
    _Atomic uint32_t answer;   /* of DNSLIST_ERRS: an IPv4 address, its first octet the highest */
    _Atomic uint32_t failures; /* tests in a row that were not good */
    _Atomic int64_t since_ms;  /* this state */
    _Atomic int64_t tested_ms;
};
struct dnslist_tests {
    struct dnslist_test items[DNSLISTS_MAX];
};

/* A copy in range; zero: never tested. */
struct dnslist_facts {
    enum dnslist_state state;
    enum dnslist_trouble trouble;
    uint32_t answer, failures;
    int64_t since_ms, tested_ms;
};
/* `tests` may be NULL. */
struct dnslist_facts dnslist_read(const struct dnslist_tests *tests, uint64_t whose);
/* Has it been without an answer so often that it is not worth waiting for? */
bool dnslist_is_silent(const struct dnslist_facts *facts);

const char *dnslist_state_name(enum dnslist_state state);
/* "answers 127.255.255.254"; "" where all is well. */
void dnslist_trouble_words(const struct dnslist_facts *facts, char text[DNSLIST_WORDS_MAX]);

/* The housekeeper: its place, made where there is none yet. NULL: no room. */
struct dnslist_test *dnslist_test_of(struct dnslist_tests *tests, uint64_t whose);

/* -- counts -- */

struct dnslist_tally {
    uint64_t asked, hits;
    uint64_t errors;   /* answers that are errors */
    uint64_t failures; /* no answer in time */
    uint64_t took_ms, took_most_ms;
};
struct dnslist_count {
    _Atomic uint64_t whose; /* 0: nobody's */
    _Atomic uint64_t asked, hits, errors, failures, took_ms, took_most_ms;
    _Atomic int64_t told_s; /* wall clock: when an error was last logged */
};
struct dnslist_counts {
    struct dnslist_count items[DNSLISTS_MAX];
    struct silence silence; /* of the name servers, which all of them are asked through */
};

/* Workers; `counts` may be NULL. */
void dnslist_add(struct dnslist_counts *counts, uint64_t whose, const struct dnslist_tally *tally);
/* True: nobody has told of an error of this list for `quiet_s` seconds. */
bool dnslist_may_tell(struct dnslist_counts *counts, uint64_t whose, int64_t now_s, int64_t quiet_s);
/* Readers; zero: nobody asked it. */
struct dnslist_tally dnslist_tally_of(const struct dnslist_counts *counts, uint64_t whose);

/* -- both -- */

/* Of a name, whatever its letters' case, and of what else tells two of the same name apart. Never 0. */
uint64_t dnslist_hash(const char *name, unsigned kind);
/* The housekeeper: whatever is not one of these goes. */
void dnslists_keep(struct dnslist_tests *tests, const uint64_t *zones, struct dnslist_counts *counts,
                   const uint64_t *names, size_t count);

#endif
