/* SPDX-License-Identifier: ISC
 *
 * tls_certificate - one of a server's certificates: the leaf with its chain, its private key, the names that it is for,
 * and the staple beside it. Read before fork; faults name the option, the file and the way out. What is merely odd
 * (expired, a key that others may read) is a warning: event=certificate.
 */
#ifndef POSTERN_COMMON_TLS_CERTIFICATE_H
#define POSTERN_COMMON_TLS_CERTIFICATE_H

#include <openssl/x509.h>

#include "common/tls.h"
#include "common/tls_staple.h"

struct tls_certificate {
    const char *file; /* the configuration's */
    X509 *leaf;
    STACK_OF(X509) * chain;
    EVP_PKEY *key;
    char **names; /* DNS names of the leaf, lower case; its common name where it has none */
    size_t name_count;
    struct tls_staple staple;
};

/* `key_file` NULL: the key is in `file`. On false there is nothing to clear. */
bool tls_certificate_load(struct tls_certificate *c, const char *file, const char *key_file, struct tls_fault *fault);
void tls_certificate_clear(struct tls_certificate *c);

bool tls_certificate_is_for(const struct tls_certificate *c, const char *name);          /* as it stands */
bool tls_certificate_is_for_wildcard(const struct tls_certificate *c, const char *name); /* *.of.its.domain */
bool tls_certificate_same_names(const struct tls_certificate *a, const struct tls_certificate *b);
int tls_certificate_kind(const struct tls_certificate *c);          /* of its key: EVP_PKEY_RSA, EVP_PKEY_EC .. */
int64_t tls_certificate_not_after(const struct tls_certificate *c); /* seconds since 1970 */

void tls_certificate_warn(const char *file, const char *why);

#endif
