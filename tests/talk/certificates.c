/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "tests/talk/certificates.h"

enum { RSA_BITS = 2048, PATH_SIZE = 300 };

struct recipe {
    const char *name;
    const char *subject; /* common name, and the name in subjectAltName */
    const char *issuer;  /* of an earlier row; NULL: signs itself */
    bool authority, rsa, expired;
};

/* clang-format off */
static const struct recipe recipes[] = {
    {"ca",         "Test CA",       .authority = true},
    {"other-ca",   "Another CA",    .authority = true},
    {"mx",         "mx.test",       "ca"},
    {"mx-rsa",     "mx.test",       "ca", .rsa = true},
    {"other",      "other.test",    "ca"},
    {"wild",       "*.wild.test",   "ca"},
    {"inside",     "inside.test",   "ca"},
    {"inside-rsa", "inside.test",   "ca", .rsa = true},
    {"wrong-name", "elsewhere.test", "ca"},
    {"expired",    "inside.test",   "ca", .expired = true},
    {"stranger",   "inside.test",   "other-ca"},
    {"self",       "inside.test"},
    {"client",     "client.test",   "ca"},
};
/* clang-format on */

enum { RECIPES = sizeof recipes / sizeof *recipes };

struct made {
    X509 *certificate;
    EVP_PKEY *key;
};

static int find(const char *name)
{
    for (int i = 0; i < RECIPES; i++)
        if (strcmp(recipes[i].name, name) == 0)
            return i;
    return -1;
}

bool certificates_known(const char *name)
{
    return find(name) >= 0;
}

void certificates_path(const char *directory, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.pem", directory, name);
}

static bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool added = extension && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

static bool name_it(X509 *certificate, const struct recipe *recipe, X509 *issuer)
{
    char names[100];
    X509_NAME *subject = X509_get_subject_name(certificate);
    const unsigned char *text = (const unsigned char *)recipe->subject;
    snprintf(names, sizeof names, "DNS:%s", recipe->subject);
    return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, text, -1, -1, 0) == 1 &&
           X509_set_issuer_name(certificate, issuer ? X509_get_subject_name(issuer) : subject) == 1 &&
           add_extension(certificate, issuer ? issuer : certificate, NID_basic_constraints,
                         recipe->authority ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
           (recipe->authority || add_extension(certificate, certificate, NID_subject_alt_name, names));
}

static bool date_it(X509 *certificate, bool expired)
{
    return ASN1_TIME_set_string(X509_getm_notBefore(certificate), "20200101000000Z") == 1 &&
           ASN1_TIME_set_string(X509_getm_notAfter(certificate), expired ? "20210101000000Z" : "20491231235959Z") == 1;
}

static bool make_one(int number, struct made *all)
{
    const struct recipe *recipe = &recipes[number];
    struct made *own = &all[number];
    const struct made *issuer = recipe->issuer ? &all[find(recipe->issuer)] : NULL;
    own->key = recipe->rsa ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
    own->certificate = X509_new();
    return own->key && own->certificate && X509_set_version(own->certificate, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set(X509_get_serialNumber(own->certificate), number + 1) == 1 &&
           date_it(own->certificate, recipe->expired) &&
           name_it(own->certificate, recipe, issuer ? issuer->certificate : NULL) &&
           X509_set_pubkey(own->certificate, own->key) == 1 &&
           X509_sign(own->certificate, issuer ? issuer->key : own->key, EVP_sha256()) > 0;
}

static bool write_one(const char *directory, int number, const struct made *made)
{
    char path[PATH_SIZE];
    certificates_path(directory, recipes[number].name, path, sizeof path);
    FILE *file = fopen(path, "we");
    if (!file)
        return false;
    bool written = PEM_write_X509(file, made->certificate) == 1 &&
                   PEM_write_PrivateKey(file, made->key, NULL, NULL, 0, NULL, NULL) == 1;
    return fclose(file) == 0 && written;
}

bool certificates_make(const char *directory)
{
    struct made all[RECIPES] = {{0}};
    bool good = true;
    for (int i = 0; i < RECIPES && good; i++)
        good = make_one(i, all) && write_one(directory, i, &all[i]);
    for (int i = 0; i < RECIPES; i++) {
        X509_free(all[i].certificate);
        EVP_PKEY_free(all[i].key);
    }
    return good;
}

void certificates_remove(const char *directory)
{
    for (int i = 0; i < RECIPES; i++) {
        char path[PATH_SIZE];
        certificates_path(directory, recipes[i].name, path, sizeof path);
        unlink(path);
    }
    rmdir(directory);
}

static X509 *read_one(const char *directory, const char *name)
{
    char path[PATH_SIZE];
    certificates_path(directory, name, path, sizeof path);
    FILE *file = fopen(path, "re");
    X509 *certificate = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    if (file)
        fclose(file);
    return certificate;
}

/* SHA-256 of SubjectPublicKeyInfo, as DANE's 3 1 1 has it. */
static bool print_pin(FILE *to, const char *directory, const char *name)
{
    unsigned char *der = NULL, digest[EVP_MAX_MD_SIZE];
    unsigned digest_size = 0;
    X509 *certificate = read_one(directory, name);
    int size = certificate ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der) : 0;
    bool good = size > 0 && EVP_Digest(der, (size_t)size, digest, &digest_size, EVP_sha256(), NULL) == 1;
    for (unsigned i = 0; i < digest_size && good; i++)
        fprintf(to, "%02x", digest[i]);
    OPENSSL_free(der);
    X509_free(certificate);
    return good;
}

/* What stands at a '$'; the octets of it that were understood, 0: none. */
static size_t expand_one(FILE *to, const char *at, const char *directory)
{
    static const char files[] = "$certificates", pin[] = "$pin(";
    char name[64];
    if (strncmp(at, files, sizeof files - 1) == 0) {
        fputs(directory, to);
        return sizeof files - 1;
    }
    if (strncmp(at, pin, sizeof pin - 1) != 0)
        return 0;
    size_t size = strcspn(at + sizeof pin - 1, ")");
    snprintf(name, sizeof name, "%.*s", (int)size, at + sizeof pin - 1);
    return certificates_known(name) && print_pin(to, directory, name) ? sizeof pin - 1 + size + 1 : 0;
}

char *certificates_expand(const char *text, const char *directory)
{
    char *expanded = NULL;
    size_t expanded_size = 0;
    FILE *to = open_memstream(&expanded, &expanded_size);
    bool good = to != NULL;
    while (good && *text) {
        size_t taken = *text == '$' ? expand_one(to, text, directory) : 1;
        good = taken > 0;
        if (*text != '$')
            fputc(*text, to);
        text += taken;
    }
    if (to)
        fclose(to);
    if (good)
        return expanded;
    free(expanded);
    return NULL;
}
