/* SPDX-License-Identifier: ISC
 *
 * tls_certificates - keys, certificates and OCSP responses for tests, made at run time: nothing that expires lies in
 * the tree. All files are in one directory of the test's own. Whatever fails ends the test.
 */
#ifndef POSTERN_TESTS_UNIT_TLS_CERTIFICATES_H
#define POSTERN_TESTS_UNIT_TLS_CERTIFICATES_H

#include <fcntl.h>
#include <limits.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CERTIFICATE_EC, CERTIFICATE_RSA };

struct made {
    X509 *certificate;
    EVP_PKEY *key;
    const struct made *signer; /* NULL: itself */
};

struct wish {
    const char *common_name; /* NULL: none */
    const char *names;       /* "DNS:mx.example.org,DNS:*.example.net"; NULL: none */
    int kind;
    int days;                  /* valid for, from yesterday on; 0: 30; negative: it has expired */
    const struct made *signer; /* NULL: itself */
    bool is_ca;
};

static inline void made_must(bool good, const char *what)
{
    if (!good) {
        fprintf(stderr, "tls_certificates: %s failed\n", what);
        abort();
    }
}

static inline void made_extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    made_must(extension != NULL && X509_add_ext(certificate, extension, -1) == 1, value);
    X509_EXTENSION_free(extension);
}

static inline void made_date(X509 *certificate, int days)
{
    long day = 24L * 3600, end = days == 0 ? 30 : days;
    X509_gmtime_adj(X509_getm_notBefore(certificate), end < 0 ? (end - 30) * day : -day);
    X509_gmtime_adj(X509_getm_notAfter(certificate), end * day);
}

static inline struct made certificate_make(struct wish wish)
{
    static long serial = 1000;
    struct made made = {X509_new(), NULL, wish.signer};
    made.key = wish.kind == CERTIFICATE_RSA ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
    made_must(made.certificate != NULL && made.key != NULL, "key");
    X509 *issuer = wish.signer != NULL ? wish.signer->certificate : made.certificate;
    X509_NAME *subject = X509_get_subject_name(made.certificate);
    if (wish.common_name != NULL)
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)wish.common_name, -1, -1, 0);
    X509_set_version(made.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
    made_date(made.certificate, wish.days);
    X509_set_pubkey(made.certificate, made.key);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(issuer));
    made_extend(made.certificate, issuer, NID_basic_constraints, wish.is_ca ? "critical,CA:TRUE" : "CA:FALSE");
    if (wish.names != NULL)
        made_extend(made.certificate, issuer, NID_subject_alt_name, wish.names);
    EVP_PKEY *signing = wish.signer != NULL ? wish.signer->key : made.key;
    made_must(X509_sign(made.certificate, signing, EVP_sha256()) > 0, "signature");
    return made;
}

static inline void certificate_clear(struct made *made)
{
    X509_free(made->certificate);
    EVP_PKEY_free(made->key);
    *made = (struct made){NULL, NULL, NULL};
}

/* The path of `name` in `directory`, to be freed by the caller. */
static inline char *made_path(const char *directory, const char *name)
{
    size_t size = strlen(directory) + strlen(name) + 2;
    char *path = malloc(size);
    made_must(path != NULL, "malloc");
    snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static inline FILE *made_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
    made_must(file != NULL, path);
    return file;
}

/* The certificate, its signer unless that is itself, and, with `key`, its key. */
static inline char *certificate_write(const struct made *made, const char *directory, const char *name, bool key)
{
    char *path = made_path(directory, name);
    FILE *file = made_open(path);
    made_must(PEM_write_X509(file, made->certificate) == 1, path);
    if (made->signer != NULL)
        made_must(PEM_write_X509(file, made->signer->certificate) == 1, path);
    if (key)
        made_must(PEM_write_PrivateKey(file, made->key, NULL, NULL, 0, NULL, NULL) == 1, path);
    made_must(fclose(file) == 0, path);
    return path;
}

/* `passphrase` NULL: none. */
static inline char *key_write(const struct made *made, const char *directory, const char *name, const char *passphrase)
{
    char *path = made_path(directory, name);
    FILE *file = made_open(path);
    const EVP_CIPHER *cipher = passphrase != NULL ? EVP_aes_256_cbc() : NULL;
    int size = passphrase != NULL ? (int)strlen(passphrase) : 0;
    made_must(PEM_write_PKCS8PrivateKey(file, made->key, cipher, passphrase, size, NULL, NULL) == 1, path);
    made_must(fclose(file) == 0, path);
    return path;
}

static inline char *text_write(const char *directory, const char *name, const char *text)
{
    char *path = made_path(directory, name);
    FILE *file = made_open(path);
    made_must(fputs(text, file) >= 0 && fclose(file) == 0, path);
    return path;
}

/* The SHA-256 of its public key, as `pin` wants it. */
static inline void certificate_pin(const struct made *made, char pin[65])
{
    unsigned char *spki = NULL, digest[32];
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(made->certificate), &spki);
    made_must(size > 0 && EVP_Digest(spki, (size_t)size, digest, NULL, EVP_sha256(), NULL) == 1, "pin");
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(pin + 2 * i, 3, "%02x", digest[i]);
    OPENSSL_free(spki);
}

struct staple_wish {
    const struct made *of;    /* a certificate that was signed by another */
    int status;               /* V_OCSP_CERTSTATUS_.. */
    long next_update_seconds; /* from now */
    bool unsuccessful;
};

/* NAME.ocsp beside the certificate's file. */
static inline void staple_write(const char *certificate_path, struct staple_wish wish)
{
    char path[PATH_MAX];
    ASN1_TIME *since = X509_gmtime_adj(NULL, -7200), *until = X509_gmtime_adj(NULL, wish.next_update_seconds);
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    OCSP_CERTID *id = OCSP_cert_to_id(NULL, wish.of->certificate, wish.of->signer->certificate);
    made_must(OCSP_basic_add1_status(basic, id, wish.status, 0, since, since, until) != NULL, "status");
    made_must(OCSP_basic_sign(basic, wish.of->signer->certificate, wish.of->signer->key, EVP_sha256(), NULL, 0) == 1,
              "staple");
    OCSP_RESPONSE *response = OCSP_response_create(
        wish.unsuccessful ? OCSP_RESPONSE_STATUS_TRYLATER : OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    snprintf(path, sizeof(path), "%s.ocsp", certificate_path);
    FILE *file = made_open(path);
    unsigned char *der = NULL;
    int size = i2d_OCSP_RESPONSE(response, &der);
    made_must(size > 0 && fwrite(der, (size_t)size, 1, file) == 1 && fclose(file) == 0, path);
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    OCSP_CERTID_free(id);
    ASN1_TIME_free(since);
    ASN1_TIME_free(until);
}

#endif
