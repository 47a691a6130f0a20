/* SPDX-License-Identifier: ISC
 *
 * standing - the reputation of a session's client: looked up once, learnt when the session ends.
 *
 * Good is what was delivered; bad is what was refused for good, errors, early talk, a hang-up in the middle of a
 * message, and what a check says (verdict.spoils). What is our own or inside's trouble (4yz, inside lost) costs the
 * client nothing. A network is the client's address under scoreboard { ipv4_prefix ipv6_prefix }. Nothing is known or
 * learnt of a client without an address, of one that a load balancer does not name, and nothing is learnt of one that
 * logged in: what it does then says who has the password, not what the network is. The storekeeper is told as well.
 */
#ifndef POSTERN_WORKERS_STANDING_H
#define POSTERN_WORKERS_STANDING_H

#include "common/reputation.h"

struct endpoint;
struct scoreboard;
struct service;
struct session;

/* Of a client that no session was begun for. */
enum standing standing_of(const struct service *service, const struct scoreboard *board, const struct endpoint *client);

/* The same as points. */
struct reputation standing_known_of(const struct service *service, const struct scoreboard *board,
                                    const struct endpoint *client);

void standing_look(struct session *s); /* whenever the client is known, or another one was named */
void standing_learn(const struct session *s);
/* Would what it did in this session make a good name of an unknown one? */
bool standing_is_earned(const struct session *s);

#endif
