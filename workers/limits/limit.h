/* SPDX-License-Identifier: ISC
 *
 * limit - one limit of a policy, for one key, on the scoreboard: asked, charged, given back.
 *
 * Nothing here fails: where a table has no room or a race was lost the limit lets pass.
 */
#ifndef POSTERN_WORKERS_LIMITS_LIMIT_H
#define POSTERN_WORKERS_LIMITS_LIMIT_H

#include "common/scoreboard.h"
#include "workers/limits/limit_key.h"

/* A limit of the session's policy, and whom it counts for. */
struct limit_case {
    const struct session *s;
    const struct path *recipient;
    const struct limit *limit;
    size_t index;
    struct limit_key key;
};

struct limit_answer {
    bool over;
    int64_t wait_ms; /* until it would be allowed; 0: nobody knows */
    int rate;        /* the one that makes wait the longest; -1: `concurrent` */
};

/* False: this limit has nothing to say about this session now (its key is not known, the client is left alone). */
bool limit_find(const struct session *s, size_t index, const struct path *recipient, struct limit_case *out);

/* All rates of it. With RATE_TAKE either all are charged or, when one is over, none. */
struct limit_answer limit_ask(const struct limit_case *c, enum rate_way way, uint64_t amount);
/* `concurrent`: the session takes its seat, and keeps it unless it is one too many; with `stays` even then. */
struct limit_answer limit_sit(const struct limit_case *c, bool stays);
void limit_rise(const struct limit_case *c);

/* For who only looks: what is charged to a rate of it, and how many sessions have a seat. */
int64_t limit_charged(const struct limit_case *c, size_t rate);
int limit_seats(const struct limit_case *c);

uint64_t limit_entry(const struct limit_case *c, size_t rate); /* the hash of the entry of a rate of it */

#endif
