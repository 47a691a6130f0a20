/* SPDX-License-Identifier: ISC
 *
 * caller - one place of the load: it connects, speaks SMTP, sends its messages, leaves, and begins anew while there is
 * something left to send. It shares no code with Postern.
 *
 * It waits for every reply before it goes on, and ends the load with a word about it when one is not what it must be.
 */
#ifndef BENCH_CALLER_H
#define BENCH_CALLER_H

#include <stdint.h>
#include <sys/socket.h>

#include "tests/bench/secure.h"

enum starttls { STARTTLS_NONE, STARTTLS_FULL, STARTTLS_RESUME };

struct times { /* nanoseconds, one for each session */
    uint64_t *ns;
    size_t count;
};

struct load { /* what all callers share */
    struct sockaddr_storage address;
    socklen_t address_size;
    enum starttls starttls;
    SSL_CTX *context;
    uint64_t messages;       /* to be sent */
    uint64_t per_connection; /* at most */
    const char *message;     /* with its final dot */
    size_t message_size;

    uint64_t begun, delivered, sessions, resumed;
    struct times banner; /* from connect() to the whole 220 */
    struct times first;  /* .. to the 250 of the first message */
    struct times whole;  /* .. to the 221 */
};

enum { REPLY_MAX = 4096 };

struct caller {
    struct load *load;
    const struct step *step; /* whose reply is awaited */
    int fd;
    bool secured, shaking_hands, connecting;
    struct secure secure;
    struct secure_place place;
    uint64_t connected_ns, sent_here;
    const char *out; /* not yet written */
    size_t out_size;
    char reply[REPLY_MAX];
    size_t reply_size;
};

/* False: there is nothing left to send. */
bool caller_connect(struct caller *c, struct load *load);
void caller_go_on(struct caller *c); /* its socket is ready; afterwards fd is -1 when the session has ended */
bool caller_wants_out(const struct caller *c);

#endif
