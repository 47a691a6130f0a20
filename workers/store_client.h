/* SPDX-License-Identifier: ISC
 *
 * store_client - a session's questions to the memory on disk (common/store.h), and what is learnt said to it.
 *
 * All that a session waits for answers, together, is bounded by store { deadline }. Where there is no store, or nobody
 * answers, everything is UNSURE, and nothing is said. Nothing is asked or said for who only looks (posternctl explain).
 */
#ifndef POSTERN_WORKERS_STORE_CLIENT_H
#define POSTERN_WORKERS_STORE_CLIENT_H

#include "common/store_record.h"

struct session;

/* A worker's end. */
struct store_client {
    int fd;            /* the socket, -1: there is none */
    uint32_t place;    /* where answers come */
    int64_t waited_ms; /* in this session */
};

void store_client_begin(struct store_client *client); /* a session; NULL is fine */
struct store_answer store_client_ask(const struct session *s, struct store_request *request);
void store_client_tell(const struct session *s, struct store_request *request);
/* So much more good and bad came of this network or domain. */
void store_client_learn(const struct session *s, const struct store_key *key, const struct reputation *more);

#endif
