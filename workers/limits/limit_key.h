/* SPDX-License-Identifier: ISC
 *
 * limit_key - for whom a limit counts in this session: a client, a network, a sender .., or several of them.
 *
 * As octets each part has its kind and its length before it, so that no two combinations are ever the same. Names are
 * in small letters and domains without a last dot; of a long one a keyed hash stands for it.
 */
#ifndef POSTERN_WORKERS_LIMITS_LIMIT_KEY_H
#define POSTERN_WORKERS_LIMITS_LIMIT_KEY_H

#include "common/hits.h"
#include "workers/limits/limit_options.h"

enum { LIMIT_PART_MAX = 255, LIMIT_KEY_MAX = LIMIT_PERS * (LIMIT_PART_MAX + 2) };

struct limit_key {
    size_t size;
    char octets[LIMIT_KEY_MAX];
};

/* False: a part of it is not known (yet), or is not there. `recipient` may be NULL. */
bool limit_key_find(const struct limit *limit, const struct session *s, const struct path *recipient,
                    struct limit_key *out);
/* The same for people: "192.0.2.0/24+user@example.org"; what is too long is cut. */
void limit_key_print(const struct limit *limit, const struct session *s, const struct path *recipient,
                     char text[HIT_KEY_MAX]);

#endif
