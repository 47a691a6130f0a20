/* SPDX-License-Identifier: ISC
 *
 * sender - a mail server as it should be: it waits as long as the RFC asks, one message a connection, a pause between
 * them. Who is refused counts that, and comes again after the pause.
 */
#ifndef BENCH_SENDER_H
#define BENCH_SENDER_H

#include "tests/bench/talker.h"

enum { SENDERS_MAX = 1000 };

/* Milliseconds, one for each that was measured. */
struct times {
    double *ms;
    size_t count, room;
};

struct senders {
    struct room *room;
    int count;
    int64_t pause_us, patience_us;
    long messages; /* each sends so many, 0: there is no end */
    const char *message;
    long delivered, refused, dropped, gave_up;
    struct times banner, delivery;
    int done; /* have sent all their messages */
    struct sender *each;
};

/* How it went, once the window is over. */
struct senders_found {
    int unfinished;          /* attempts that wait for something now */
    int never;               /* senders without any message delivered */
    double first_ms;         /* until the first message of each was delivered, from its first attempt on: the most */
    double rate_from_second; /* of all, messages a second, each from its first delivery on */
    double delivery_ms;      /* the longest, counted from connect() */
};

void senders_begin(struct senders *s, struct room *room, size_t size);
/* Those that wait now are counted with the time that they have waited. */
struct senders_found senders_end(struct senders *s);
double times_percentile(struct times *t, int percent);

#endif
