/* SPDX-License-Identifier: ISC
 *
 * tls_staple - the OCSP response (RFC 6960) that goes out with a certificate (RFC 6066 section 8): it lies beside the
 * certificate as FILE.ocsp, DER, and something else (a timer, the ACME client) keeps it fresh.
 */
#ifndef POSTERN_COMMON_TLS_STAPLE_H
#define POSTERN_COMMON_TLS_STAPLE_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

struct tls_staple {
    unsigned char *der; /* NULL: none */
    size_t size;
    int64_t until; /* seconds since 1970; it is not sent any more after that */
};

/* None is fine; one that is good for nothing is a warning. `issuer` may be NULL: not known. */
void tls_staple_load(struct tls_staple *staple, const char *certificate_file, X509 *leaf, X509 *issuer);
void tls_staple_clear(struct tls_staple *staple);
bool tls_staple_is_fresh(const struct tls_staple *staple, int64_t now);

/* Seconds since 1970; INT64_MIN for what is no time. */
int64_t tls_seconds_of(const ASN1_TIME *time);

#endif
