/* SPDX-License-Identifier: ISC */
#include <openssl/x509v3.h>
#include <string.h>

#include "common/tls_internal.h"

void tls_put_printable(char *to, size_t room, const void *from, size_t size)
{
    const char *octets = from;
    size_t count = size < room ? size : room - 1;
    for (size_t i = 0; i < count; i++)
        to[i] = octets[i] >= ' ' && octets[i] <= '~' ? octets[i] : '?';
    to[count] = '\0';
}

void tls_put_hex(char *to, size_t room, const unsigned char *octets, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < size && at + 2 < room; i++) {
        to[at++] = digits[octets[i] >> 4];
        to[at++] = digits[octets[i] & 15];
    }
    to[at] = '\0';
}

static bool put_common_name(char *to, size_t room, const X509 *certificate)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = NULL;
    if (at < 0)
        return false;
    int size = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    if (size > 0)
        tls_put_printable(to, room, text, (size_t)size);
    OPENSSL_free(text);
    return size > 0;
}

void tls_put_subject(char *to, size_t room, const X509 *certificate)
{
    to[0] = '\0';
    if (put_common_name(to, room, certificate))
        return;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && to[0] == '\0'; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS)
            tls_put_printable(to, room, ASN1_STRING_get0_data(name->d.dNSName),
                              (size_t)ASN1_STRING_length(name->d.dNSName));
    }
    GENERAL_NAMES_free(names);
}

static void describe_peer(const struct tls *tls, struct tls_facts *out)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const X509 *certificate = SSL_get0_peer_certificate(tls->ssl);
    if (certificate == NULL)
        return;
    out->peer_given = true;
    out->peer_verified = tls->checks_peer && SSL_get_verify_result(tls->ssl) == X509_V_OK;
    tls_put_subject(out->peer_name, sizeof(out->peer_name), certificate);
    if (X509_digest(certificate, EVP_sha256(), digest, &size) == 1)
        tls_put_hex(out->peer_fingerprint, sizeof(out->peer_fingerprint), digest, size);
}

void tls_describe(const struct tls *tls, struct tls_facts *out)
{
    *out = (struct tls_facts){.version = "", .cipher = ""};
    if (!tls->established)
        return;
    const char *name = SSL_is_server(tls->ssl) ? SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name) : NULL;
    out->version = SSL_get_version(tls->ssl);
    out->cipher = SSL_get_cipher_name(tls->ssl);
    out->bits = SSL_get_cipher_bits(tls->ssl, NULL);
    out->resumed = SSL_session_reused(tls->ssl) == 1;
    if (name != NULL)
        tls_put_printable(out->server_name, sizeof(out->server_name), name, strlen(name));
    describe_peer(tls, out);
}
