/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/slice.h"
#include "common/tls_certificate.h"
#include "common/tls_file.h"
#include "common/tls_internal.h"

void tls_certificate_warn(const char *file, const char *why)
{
    struct record r;
    record_begin(&r, "certificate");
    record_string(&r, "file", file);
    record_string(&r, "why", why);
    record_send(&r, LEVEL_WARNING);
}

static bool read_leaf(struct tls_certificate *c, BIO *pem, struct tls_fault *fault)
{
    c->leaf = PEM_read_bio_X509_AUX(pem, NULL, NULL, NULL);
    if (c->leaf != NULL)
        return true;
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        return tls_blame(fault, "certificate", "%s has no certificate in it (PEM: -----BEGIN CERTIFICATE-----)",
                         c->file);
    return tls_blame(fault, "certificate", "%s: its first certificate cannot be read: %s", c->file, tls_library_says());
}

static bool read_chain(struct tls_certificate *c, BIO *pem, struct tls_fault *fault)
{
    X509 *next;
    c->chain = sk_X509_new_null();
    while (c->chain != NULL && (next = PEM_read_bio_X509(pem, NULL, NULL, NULL)) != NULL) {
        if (sk_X509_push(c->chain, next) == 0) {
            X509_free(next);
            return tls_blame(fault, "certificate", "%s: out of memory", c->file);
        }
    }
    if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
        return true;
    return tls_blame(fault, "certificate", "%s: certificate %d in it cannot be read: %s", c->file,
                     sk_X509_num(c->chain) + 2, tls_library_says());
}

/* Nobody is there who could type a passphrase. */
static int refuse_passphrase(char *text, int room, int writing, void *asked)
{
    (void)text;
    (void)room;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

/* OpenSSL says the same of no key and of one that is damaged. */
static bool has_key(const struct tls_file *file)
{
    static const char label[] = "PRIVATE KEY-----";
    return memmem(file->octets, file->size, label, sizeof(label) - 1) != NULL;
}

static bool read_key(struct tls_certificate *c, const struct tls_file *file, const char *name, struct tls_fault *fault)
{
    bool encrypted = false;
    bool own_file = strcmp(name, c->file) != 0;
    BIO *pem = BIO_new_mem_buf(file->octets, (int)file->size);
    ERR_clear_error();
    if (pem != NULL)
        c->key = PEM_read_bio_PrivateKey(pem, NULL, refuse_passphrase, &encrypted);
    BIO_free(pem);
    if (c->key == NULL && encrypted)
        return tls_blame(fault, "key",
                         "the key in %s is encrypted: it must have no passphrase (openssl pkey takes it "
                         "away)",
                         name);
    if (c->key == NULL && !has_key(file))
        return tls_blame(fault, own_file ? "key" : "certificate", "%s has no private key in it (PEM)%s", name,
                         own_file ? "" : ": say `key`, or append the key to it");
    if (c->key == NULL)
        return tls_blame(fault, "key", "%s cannot be read as a key: %s", name, tls_library_says());
    if (X509_check_private_key(c->leaf, c->key) != 1)
        return tls_blame(fault, "key", "the key in %s does not fit the first certificate in %s%s", name, c->file,
                         own_file ? ": keys stand in the order of the certificates, a chain behind its leaf" : "");
    if (file->for_others)
        tls_certificate_warn(name, "a private key that everybody on this host may read: chmod o= it");
    return true;
}

static bool keep_name(struct tls_certificate *c, const char *name, size_t size)
{
    char *copy = calloc(1, size + 1);
    if (copy == NULL)
        return false;
    for (size_t i = 0; i < size; i++)
        copy[i] = ascii_lower(name[i]);
    c->names[c->name_count++] = copy;
    return true;
}

/* A name with a NUL in it would be a shorter one to strcasecmp. */
static bool is_name(const ASN1_STRING *name)
{
    size_t size = (size_t)ASN1_STRING_length(name);
    return size > 0 && memchr(ASN1_STRING_get0_data(name), '\0', size) == NULL;
}

static bool read_names(struct tls_certificate *c)
{
    char common_name[TLS_NAME_MAX];
    GENERAL_NAMES *all = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);
    int count = sk_GENERAL_NAME_num(all);
    c->names = calloc(count > 0 ? (size_t)count : 1, sizeof(*c->names));
    bool good = c->names != NULL;
    for (int i = 0; i < count && good; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS && is_name(name->d.dNSName))
            good = keep_name(c, (const char *)ASN1_STRING_get0_data(name->d.dNSName),
                             (size_t)ASN1_STRING_length(name->d.dNSName));
    }
    GENERAL_NAMES_free(all);
    if (!good || c->name_count > 0)
        return good;
    tls_put_subject(common_name, sizeof(common_name), c->leaf);
    return common_name[0] == '\0' || keep_name(c, common_name, strlen(common_name));
}

static void warn_of_dates(const struct tls_certificate *c)
{
    if (X509_cmp_current_time(X509_get0_notAfter(c->leaf)) < 0)
        tls_certificate_warn(c->file, "the certificate has expired; it is used, but clients that verify will not come");
    else if (X509_cmp_current_time(X509_get0_notBefore(c->leaf)) > 0)
        tls_certificate_warn(c->file, "the certificate is not valid yet; it is used");
}

static bool read_certificates(struct tls_certificate *c, const struct tls_file *file, struct tls_fault *fault)
{
    BIO *pem = BIO_new_mem_buf(file->octets, (int)file->size);
    ERR_clear_error();
    bool good = pem != NULL && read_leaf(c, pem, fault) && read_chain(c, pem, fault);
    BIO_free(pem);
    return good && (read_names(c) || tls_blame(fault, "certificate", "%s: out of memory", c->file));
}

static bool open_file(struct tls_file *file, const char *option, const char *name, struct tls_fault *fault)
{
    return tls_file_read(file, name) || tls_blame(fault, option, "%s cannot be read: %s", name, strerror(errno));
}

static bool load(struct tls_certificate *c, const char *key_file, struct tls_fault *fault)
{
    struct tls_file file, other = {0};
    if (!open_file(&file, "certificate", c->file, fault))
        return false;
    bool good = read_certificates(c, &file, fault);
    if (good && key_file != NULL)
        good = open_file(&other, "key", key_file, fault) && read_key(c, &other, key_file, fault);
    else if (good)
        good = read_key(c, &file, c->file, fault);
    tls_file_clear(&other);
    tls_file_clear(&file);
    return good;
}

bool tls_certificate_load(struct tls_certificate *c, const char *file, const char *key_file, struct tls_fault *fault)
{
    *c = (struct tls_certificate){.file = file};
    bool good = load(c, key_file, fault);
    ERR_clear_error();
    if (!good) {
        tls_certificate_clear(c);
        return false;
    }
    warn_of_dates(c);
    tls_staple_load(&c->staple, file, c->leaf, sk_X509_value(c->chain, 0));
    return true;
}

void tls_certificate_clear(struct tls_certificate *c)
{
    X509_free(c->leaf);
    sk_X509_pop_free(c->chain, X509_free);
    EVP_PKEY_free(c->key);
    for (size_t i = 0; i < c->name_count; i++)
        free(c->names[i]);
    free(c->names);
    tls_staple_clear(&c->staple);
    *c = (struct tls_certificate){0};
}

bool tls_certificate_is_for(const struct tls_certificate *c, const char *name)
{
    for (size_t i = 0; i < c->name_count; i++) {
        if (strcasecmp(c->names[i], name) == 0)
            return true;
    }
    return false;
}

/* RFC 6125 section 6.4.3: the * is a whole label, the first one, and stands for one. */
bool tls_certificate_is_for_wildcard(const struct tls_certificate *c, const char *name)
{
    const char *domain = strchr(name, '.');
    for (size_t i = 0; i < c->name_count && domain != NULL && domain != name; i++) {
        if (c->names[i][0] == '*' && strcasecmp(c->names[i] + 1, domain) == 0)
            return true;
    }
    return false;
}

bool tls_certificate_same_names(const struct tls_certificate *a, const struct tls_certificate *b)
{
    for (size_t i = 0; i < a->name_count; i++) {
        if (!tls_certificate_is_for(b, a->names[i]))
            return false;
    }
    for (size_t i = 0; i < b->name_count; i++) {
        if (!tls_certificate_is_for(a, b->names[i]))
            return false;
    }
    return true;
}

int tls_certificate_kind(const struct tls_certificate *c)
{
    return EVP_PKEY_get_base_id(c->key);
}

int64_t tls_certificate_not_after(const struct tls_certificate *c)
{
    return tls_seconds_of(X509_get0_notAfter(c->leaf));
}
