/* SPDX-License-Identifier: ISC
 *
 * tls_client - TLS towards the inside servers: what a backend's `tls` block says, and the context made of it.
 *
 * verify = none: any certificate. ca: one that the CA file (or the system's) signed, whatever its name. name: that, and
 * the server's tls_name in it. pin: the SHA-256 of its public key (DANE 3 1 1, RFC 7671) is one of the pins, whatever
 * names and dates it has. Made before fork and warmed, as tls_server.h.
 */
#ifndef POSTERN_COMMON_TLS_CLIENT_H
#define POSTERN_COMMON_TLS_CLIENT_H

#include "common/config.h"
#include "common/tls.h"
#include "common/tls_server.h"

enum tls_verify { TLS_VERIFY_NONE, TLS_VERIFY_CA, TLS_VERIFY_NAME, TLS_VERIFY_PIN };

struct tls_client_options {
    int mode;              /* enum tls_mode: none, may, require, implicit */
    int verify;            /* enum tls_verify */
    const char *ca;        /* PEM file; NULL: the system's */
    struct text_list pins; /* hex SHA-256 of SubjectPublicKeyInfo */
    int64_t handshake_timeout_ms;
};

extern const struct block tls_client_block; /* single, `tls`; fills struct tls_client_options */
bool tls_client_is_pin(const char *text);   /* 64 hex digits, with colons or without */

struct tls_client;

/* NULL for mode none with fault->option NULL; NULL with the fault otherwise. */
struct tls_client *tls_client_new(const struct tls_client_options *options, struct tls_fault *fault);
void tls_client_free(struct tls_client **client);
/* One connection; `name` is the server's (SNI, and what verify = name compares), or NULL. NULL: out of memory. */
struct tls *tls_client_begin(struct tls_client *client, const char *name);

#endif
