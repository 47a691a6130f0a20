/* SPDX-License-Identifier: ISC
 *
 * secure - TLS of the load's sessions, on sockets that never wait.
 *
 * Nothing is verified: what is measured is the other side's work. A resumed session uses the newest ticket its place
 * has got so far; a ticket is kept when no newer one came. secure_read and secure_write give what recv and send give,
 * with errno EAGAIN when the socket has to be waited for: *wants_out_out then says for which direction.
 */
#ifndef BENCH_SECURE_H
#define BENCH_SECURE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <openssl/ssl.h>

struct secure_place { /* where sessions follow each other; all zero is the start */
    SSL_SESSION *ticket;
};

struct secure {
    SSL *ssl;
    bool wants_out; /* of the last call that gave EAGAIN */
};

SSL_CTX *secure_context(void); /* NULL: no memory */
bool secure_begin(struct secure *s, SSL_CTX *context, int fd, struct secure_place *place, bool resume);
int secure_shake_hands(struct secure *s); /* 1: done; 0: wait; -1: failed */
bool secure_was_resumed(const struct secure *s);
ssize_t secure_read(struct secure *s, char *octets, size_t size);
ssize_t secure_write(struct secure *s, const char *octets, size_t size);
void secure_end(struct secure *s); /* of none: nothing */

#endif
