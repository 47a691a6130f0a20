/* SPDX-License-Identifier: ISC
 *
 * talker - one connection of the swarm: from an address of its own, octets out, replies in; it says what happens to the
 * kind of talker that it is.
 *
 * Everything is asynchronous, in one epoll. Of a reply its code is kept and nothing else. A talker may end itself in
 * any of its kind's functions.
 */
#ifndef BENCH_TALKER_H
#define BENCH_TALKER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/bench/wheel.h"

struct talker;

struct kind {
    void (*connected)(struct talker *t);
    void (*heard)(struct talker *t, int code); /* a whole reply */
    void (*lost)(struct talker *t);            /* the other side ended it, or it could not be connected */
    void (*rung)(struct talker *t);            /* its alarm */
};

/* What all talkers of a swarm share. */
struct room {
    struct sockaddr_in address; /* they connect there */
    int epoll;
    struct wheel wheel;
    int open;         /* now */
    long unconnected; /* could not even begin */
};

struct talker {
    struct alarm alarm; /* first: the wheel knows nothing else */
    const struct kind *kind;
    struct room *room;
    int fd;         /* -1: it has ended */
    bool connected; /* as this side sees it: the other need not have accepted it yet */
    char code[4];   /* the begin of the line that is heard */
    size_t column;
    const char *out;
    size_t out_size;
};

int64_t now_us(void);
/* False: there is no connection, and lost() was not called. */
bool talker_begin(struct talker *t, const struct kind *kind, struct room *room, uint32_t own_address);
void talker_say(struct talker *t, const char *octets, size_t size); /* they must stay where they are */
void talker_ring_at(struct talker *t, int64_t us);
void talker_end(struct talker *t);
void talker_go_on(struct talker *t, uint32_t events);

#endif
