/* SPDX-License-Identifier: ISC
 *
 * tls_socket - OpenSSL's way to a socket: a BIO that never waits and raises no SIGPIPE, whatever the descriptor's flags
 * (BIO_s_socket uses write(2), which does both), and that remembers what the socket said last.
 */
#ifndef POSTERN_COMMON_TLS_SOCKET_H
#define POSTERN_COMMON_TLS_SOCKET_H

#include <openssl/bio.h>
#include <stdbool.h>

struct tls_socket {
    int fd;
    bool drained; /* the last read found nothing */
    bool ended;   /* FIN */
    int error;    /* errno of the first failure, 0: none */
};

BIO_METHOD *tls_socket_method(void); /* to be freed by BIO_meth_free, after all its BIOs. NULL: out of memory */
BIO *tls_socket_bio(BIO_METHOD *method, struct tls_socket *socket); /* `socket` must outlive it. NULL: as above */

#endif
