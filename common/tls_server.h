/* SPDX-License-Identifier: ISC
 *
 * tls_server - TLS towards the outside: what a listener's `tls` block says, and the OpenSSL contexts made of it.
 *
 * Made in the master before fork (keys are root's files), warmed by a handshake with itself, never changed after;
 * another certificate is another tls_server in the next generation of workers. Several certificates: one is chosen by
 * the name that the client asks for (SNI, RFC 6066 section 3), exact before wildcard, and by the kinds of key that it
 * can use; a name that nobody knows gets the first one, never an alert.
 *
 * A staple (OCSP response, DER) lies beside its certificate as FILE.ocsp; none, or one past its time, is not sent.
 */
#ifndef POSTERN_COMMON_TLS_SERVER_H
#define POSTERN_COMMON_TLS_SERVER_H

#include "common/config.h"
#include "common/ticket_keys.h"
#include "common/tls.h"

enum tls_mode { TLS_MODE_NONE, TLS_MODE_MAY, TLS_MODE_REQUIRE, TLS_MODE_IMPLICIT };
enum tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };

struct tls_server_options {
    int mode;                         /* enum tls_mode */
    struct text_list certificates;    /* PEM files, the leaf first, then its chain */
    struct text_list keys;            /* in the same order; none: each lies in its certificate's file */
    int min_version;                  /* enum tls_version */
    const char *ciphers;              /* OpenSSL's cipher list for TLS 1.2; NULL: OpenSSL's own */
    bool ask_client;                  /* for a certificate; nobody is refused for want of it */
    const char *client_ca;            /* PEM file; NULL: what clients show is logged, not verified */
    struct network_list require_from; /* clients that must use TLS although mode = may */
    int64_t handshake_timeout_ms;
};

extern const struct block tls_server_block; /* single, `tls`; fills struct tls_server_options */

struct tls_server;

/* NULL for mode none with fault->option NULL; NULL with the fault otherwise. */
struct tls_server *tls_server_new(const struct tls_server_options *options, struct tls_fault *fault);
void tls_server_free(struct tls_server **server);
/* In a worker: from now on tickets are sealed and opened by these. Without it there are no tickets. */
void tls_server_use_tickets(struct tls_server *server, const struct ticket_keys *keys);
/* One connection. NULL: out of memory. */
struct tls *tls_server_begin(struct tls_server *server);

/* For posternctl: the certificate that ends first. False: none. */
struct tls_expiry {
    const char *file;
    int64_t not_after; /* seconds since 1970 */
};
bool tls_server_expiry(const struct tls_server *server, struct tls_expiry *out);

#endif
