/* SPDX-License-Identifier: ISC
 *
 * berths - how many sessions are with an inside server, and who is next where it takes no more: derived, never counted.
 *
 * A word for each slot says at which server (by its place on the scoreboard) its session is, or waits to be, and since
 * when it waits. Who wants a berth claims it first and then looks at all words: it is his when all who are there and
 * all who claim are no more than there may be. As each claims before he looks, the last one to claim sees all others,
 * so there is never one too many. Of claims that are too many, the later ones are taken back and the earlier ones stand
 * until they were: somebody always gets on. Who sees before that so many are before him, there or waiting, claims
 * nothing: berths are had in the order of coming, and nobody waits for ever while others pass.
 *
 * The housekeeper's probes have words of their own, before those of the slots: one for each server. Nothing needs
 * repair when somebody dies but that his word is cleared.
 */
#ifndef POSTERN_COMMON_BERTHS_H
#define POSTERN_COMMON_BERTHS_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/orders.h"

enum { BERTHS_PROBES = 64 /* SCOREBOARD_SERVERS_MAX */ };

/* What one process sees of them. */
struct berths {
    _Atomic uint64_t *words; /* BERTHS_PROBES, then one for each slot */
    int slot_count;
    const struct orders *orders; /* how many of them to look at */
    int own;                     /* its own word */
};

/* What is wanted. */
struct berth_wish {
    int place;        /* of the server */
    int64_t max;      /* that may be there; 0: any number */
    int64_t since_ms; /* waiting: the order of coming */
    int home;         /* the place of the server at which it is seen to wait */
};

enum berth {
    BERTH_BEHIND, /* others go first */
    BERTH_ALMOST, /* the claim stands, later ones have to be taken back: ask again in a moment */
    BERTH_TAKEN
};

struct berth_answer {
    enum berth berth;
    int before; /* BERTH_BEHIND: so many more than may be there are before it */
};

/* Asked again and again, until it is taken or the wish is given up by berths_leave. */
struct berth_answer berths_ask(const struct berths *berths, const struct berth_wish *wish);
void berths_leave(const struct berths *berths); /* the connection is closed, or nothing is wanted any more */

/* For display: sessions there, and sessions that wait; probes are neither. */
struct berth_count {
    int sessions, waiting;
};
struct berth_count berths_count(const struct berths *berths, int place);

#endif
