/* SPDX-License-Identifier: ISC
 *
 * tls_internal - what the TLS units share and nobody else sees: OpenSSL's types stay in here.
 */
#ifndef POSTERN_COMMON_TLS_INTERNAL_H
#define POSTERN_COMMON_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include "common/ticket_keys.h"
#include "common/tls.h"
#include "common/tls_socket.h"

enum { TLS_RECORD_BYTES = 16384 }; /* RFC 8446 section 5.1 */

struct tls {
    SSL *ssl;
    const struct ticket_keys *keys; /* NULL: no tickets */
    struct tls_socket socket;
    bool checks_peer; /* the peer's certificate is compared with something, and the verdict means something */
    bool established;
    bool fatal;            /* OpenSSL must not be asked any more (SSL_get_error(3)) */
    enum tls_step reading; /* TLS_DONE until it has ended, for good */
    enum tls_step writing;
    int error; /* errno of TLS_FAILED */
    char why[TLS_WHY_MAX];
    size_t staged_most;            /* so much of `staged` was ever used */
    char staged[TLS_RECORD_BYTES]; /* pieces on their way into one record */
};

/* NULL: out of memory. `method` must outlive it. */
struct tls *tls_new(SSL_CTX *context, BIO_METHOD *method);
/* For a connection that must not be: its handshake will fail with this text. */
void tls_refuse(struct tls *tls, const char *why);

/* What every context has, whichever side: versions, modes and options. NULL: out of memory. */
SSL_CTX *tls_context_new(const SSL_METHOD *method);

/* False, so that what finds the fault can end with it. */
bool tls_blame(struct tls_fault *fault, const char *option, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* In words, from the socket or OpenSSL's queue of errors, unless a reason is known already. */
void tls_explain(struct tls *tls, int ssl_error);
/* Why the peer's certificate (may be NULL) is not taken: X509_V_ERR_.. */
void tls_explain_certificate(struct tls *tls, const X509 *certificate, int verdict);
/* The oldest entry of OpenSSL's queue, which is emptied. */
const char *tls_library_says(void);

/* Printable ASCII, all else becomes '?'; always ended by NUL. */
void tls_put_printable(char *to, size_t room, const void *from, size_t size);
/* The common name, or its first DNS name where it has none; printable, "" when there is neither. */
void tls_put_subject(char *to, size_t room, const X509 *certificate);
/* As many octets as fit; room for the NUL too. */
void tls_put_hex(char *to, size_t room, const unsigned char *octets, size_t size);

/* Seals and opens tickets by the connection's keys: for SSL_CTX_set_tlsext_ticket_key_evp_cb. */
int tls_ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                        int sealing);

/* Handshakes with itself over a BIO pair, in both versions, so that all that OpenSSL sets up at the first one is set up
 * before fork. What fails here is silent: real handshakes will say it. */
void tls_warm_server(SSL_CTX *context);
void tls_warm_client(SSL_CTX *context);

#endif
