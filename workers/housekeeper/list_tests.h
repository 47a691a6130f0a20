/* SPDX-License-Identifier: ISC
 *
 * list_tests - asks every DNS list of every policy for the entries that each has to have, and must not have (RFC 5782
 * section 5), and writes down what it found: the scoreboard's list_tests, which workers heed.
 *
 * Lists of addresses: 127.0.0.2 and 127.0.0.1, those of IPv6 alone ::FFFF:127.0.0.2 and ::FFFF:127.0.0.1; lists of
 * names: TEST and INVALID. At the start all of them, then each at dnsbl_test_interval, spread over it; one that failed
 * a minute after, then after two, four .., and so is one of which workers say that it answers errors. A list is broken
 * when it lists nothing, everything, or answers an error; each change is logged once. One that does not answer stays as
 * it was: that may be the resolver's fault. Zones without room on the scoreboard are not tested.
 */
#ifndef POSTERN_WORKERS_HOUSEKEEPER_LIST_TESTS_H
#define POSTERN_WORKERS_HOUSEKEEPER_LIST_TESTS_H

#include <poll.h>

#include "common/scoreboard.h"
#include "workers/housekeeper/housekeeper.h"
#include "workers/lists/list_answer.h"

enum list_question { LIST_MUST, LIST_MUST_NOT, LIST_QUESTIONS };

struct list_tests {
    struct scoreboard *board;
    struct dns *dns; /* NULL: there is nothing to test */
    const struct block_list *policies;
    int64_t interval_ms;
    int64_t look_ms; /* when to look at the workers' counts again */
    int count;
    struct list_test {
        const struct list *list;    /* the first with this zone */
        struct dnslist_test *place; /* on the scoreboard */
        int64_t next_ms;
        int open; /* questions without an answer yet */
        enum list_answer heard[LIST_QUESTIONS];
        uint32_t error;  /* an answer that is one; 0: none was */
        uint64_t errors; /* that workers had counted when it was last looked at */
    } tests[DNSLISTS_MAX];
};

/* `tests` stays where it is: answers come to it. False: no memory. */
bool list_tests_open(struct list_tests *tests, const struct housekeeping *work, struct scoreboard *board,
                     int64_t now_ms);
void list_tests_close(struct list_tests *tests);

struct pollfd list_tests_poll(const struct list_tests *tests); /* fd -1: none */
int64_t list_tests_next_ms(const struct list_tests *tests);    /* when to call list_tests_step at the latest */
void list_tests_step(struct list_tests *tests, int64_t now_ms);

#endif
