/* SPDX-License-Identifier: ISC
 *
 * tls_socket - OpenSSL's way to a socket: a BIO that waits only when it is told to, for a short while, and raises no
 * SIGPIPE, whatever the descriptor's flags (BIO_s_socket uses write(2), which does both), and that remembers what the
 * socket said last.
 */
#ifndef POSTERN_COMMON_TLS_SOCKET_H
#define POSTERN_COMMON_TLS_SOCKET_H

#include <openssl/bio.h>
#include <stdbool.h>

/* Reads of one operation, two for each record: OpenSSL goes on by itself while there is something that brings nothing
 * (HelloRequests in a handshake), and who waits must look at his deadline. After so many the socket says "not now". */
enum { TLS_SOCKET_READS_MAX = 32 };

struct tls_socket {
    int fd;
    int reads;    /* since the operation began, which sets it to 0 */
    bool dozing;  /* the next read may wait (clock_recv), and is the last that does */
    bool drained; /* the last read found nothing */
    bool ended;   /* FIN */
    int error;    /* errno of the first failure, 0: none */
};

BIO_METHOD *tls_socket_method(void); /* to be freed by BIO_meth_free, after all its BIOs. NULL: out of memory */
BIO *tls_socket_bio(BIO_METHOD *method, struct tls_socket *socket); /* `socket` must outlive it. NULL: as above */

#endif
