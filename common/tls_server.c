/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <openssl/err.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/tls_certificate.h"
#include "common/tls_file.h"
#include "common/tls_internal.h"
#include "common/tls_server.h"

/* Certificates for the same names, of keys of different kinds, share a context, and OpenSSL chooses among them. */
struct tls_server {
    BIO_METHOD *method;
    struct tls_certificate *certificates;
    SSL_CTX **contexts; /* of the certificate at the same place */
    size_t count;
    bool checks_clients;
    const struct ticket_keys *keys; /* NULL: no tickets */
};

static SSL_CTX *find_context(const struct tls_server *server, const char *name)
{
    for (size_t i = 0; i < server->count; i++) {
        if (tls_certificate_is_for(&server->certificates[i], name))
            return server->contexts[i];
    }
    for (size_t i = 0; i < server->count; i++) {
        if (tls_certificate_is_for_wildcard(&server->certificates[i], name))
            return server->contexts[i];
    }
    return NULL;
}

/* Never an alert: mail would not come at all, and who asks for an unknown name does not verify it mostly. */
static int choose_by_name(SSL *ssl, int *alert, void *argument)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    SSL_CTX *found = name != NULL ? find_context(argument, name) : NULL;
    (void)alert;
    if (found == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    if (found != SSL_get_SSL_CTX(ssl))
        SSL_set_SSL_CTX(ssl, found);
    return SSL_TLSEXT_ERR_OK;
}

static int send_staple(SSL *ssl, void *argument)
{
    const struct tls_server *server = argument;
    const X509 *chosen = SSL_get_certificate(ssl);
    for (size_t i = 0; i < server->count; i++) {
        const struct tls_staple *staple = &server->certificates[i].staple;
        if (server->certificates[i].leaf != chosen || !tls_staple_is_fresh(staple, clock_wall()))
            continue;
        unsigned char *copy = OPENSSL_memdup(staple->der, staple->size); /* becomes the connection's */
        if (copy == NULL)
            break;
        SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->size);
        return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* Nobody is refused for his certificate; the verdict stays where SSL_get_verify_result finds it. What OpenSSL has to
 * say of it besides must not stay in its queue: SSL_get_error would take it for a failure of the handshake, as soon as
 * that has to wait for the network. */
static int accept_any(int good, X509_STORE_CTX *store)
{
    (void)good;
    (void)store;
    ERR_clear_error();
    return 1;
}

/* A session that another configuration verified, did not ask, or gave another cipher, must not be resumed under this
 * one: tickets outlive a reload, and listeners share their keys. So the context of a session
 * (SSL_CTX_set_session_id_context(3)) is what clients are asked for and verified by, and the ciphers. */
static bool set_session_context(SSL_CTX *context, const struct tls_server_options *options, const struct tls_file *ca)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    const char *ciphers = options->ciphers != NULL ? options->ciphers : "", *asks = options->ask_client ? "1" : "0";
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    bool good = hash != NULL && EVP_DigestInit_ex2(hash, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(hash, asks, 1) == 1 && EVP_DigestUpdate(hash, ciphers, strlen(ciphers) + 1) == 1 &&
                EVP_DigestUpdate(hash, ca->octets, ca->size) == 1 && EVP_DigestFinal_ex(hash, digest, &size) == 1 &&
                SSL_CTX_set_session_id_context(context, digest, size) == 1;
    EVP_MD_CTX_free(hash);
    return good;
}

static bool ask_clients(SSL_CTX *context, const struct tls_server_options *options, struct tls_fault *fault)
{
    struct tls_file ca = {0};
    if (options->client_ca != NULL && !tls_file_read(&ca, options->client_ca))
        return tls_blame(fault, "client_ca", "%s cannot be read: %s", options->client_ca, strerror(errno));
    bool good = set_session_context(context, options, &ca);
    tls_file_clear(&ca);
    if (!good)
        return tls_blame(fault, "mode", "%s", tls_library_says());
    if (options->ask_client)
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any);
    if (options->client_ca != NULL && SSL_CTX_load_verify_file(context, options->client_ca) != 1)
        return tls_blame(fault, "client_ca", "%s: no certificate in it can be read: %s", options->client_ca,
                         tls_library_says());
    return true;
}

static bool prepare(struct tls_server *server, SSL_CTX *context, const struct tls_server_options *options,
                    struct tls_fault *fault)
{
    int least = options->min_version == TLS_VERSION_1_3 ? TLS1_3_VERSION : TLS1_2_VERSION;
    SSL_CTX_set_min_proto_version(context, least);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_dh_auto(context, 1);
    SSL_CTX_set_tlsext_servername_callback(context, choose_by_name);
    SSL_CTX_set_tlsext_servername_arg(context, server);
    SSL_CTX_set_tlsext_status_cb(context, send_staple);
    SSL_CTX_set_tlsext_status_arg(context, server);
    if (options->ciphers != NULL && SSL_CTX_set_cipher_list(context, options->ciphers) != 1)
        return tls_blame(fault, "ciphers",
                         "OpenSSL knows no cipher of \"%s\" (openssl ciphers -v '..' shows what it "
                         "makes of it)",
                         options->ciphers);
    return ask_clients(context, options, fault);
}

/* Where certificate `at` can go along; NULL: it needs a context of its own. */
static SSL_CTX *find_company(const struct tls_server *server, size_t at)
{
    const struct tls_certificate *own = &server->certificates[at];
    SSL_CTX *found = NULL;
    for (size_t i = 0; i < at; i++) {
        const struct tls_certificate *other = &server->certificates[i];
        if (!tls_certificate_same_names(own, other))
            continue;
        if (tls_certificate_kind(own) == tls_certificate_kind(other)) {
            tls_certificate_warn(own->file, "never used: an earlier certificate has the same names and kind of key");
            return NULL;
        }
        found = server->contexts[i];
    }
    return found;
}

static SSL_CTX *make_context(struct tls_server *server, const struct tls_server_options *options,
                             struct tls_fault *fault)
{
    SSL_CTX *context = tls_context_new(TLS_server_method());
    if (context == NULL)
        tls_blame(fault, "mode", "%s", tls_library_says());
    else if (prepare(server, context, options, fault))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static bool add_certificate(struct tls_server *server, size_t at, const struct tls_server_options *options,
                            struct tls_fault *fault)
{
    struct tls_certificate *c = &server->certificates[at];
    const char *key = options->keys.count > 0 ? options->keys.items[at] : NULL;
    if (!tls_certificate_load(c, options->certificates.items[at], key, fault))
        return false;
    server->count = at + 1;
    SSL_CTX *company = find_company(server, at);
    if (company != NULL)
        SSL_CTX_up_ref(company);
    server->contexts[at] = company != NULL ? company : make_context(server, options, fault);
    if (server->contexts[at] == NULL)
        return false;
    return SSL_CTX_use_cert_and_key(server->contexts[at], c->leaf, c->key, c->chain, 0) == 1 ||
           tls_blame(fault, "certificate", "%s cannot be used: %s", c->file, tls_library_says());
}

/* A connection begins in the first context, and takes its tickets from there whatever name is asked for. Here, not in
 * each worker, which would pay pages for it; a connection without keys does without (tls_server_begin). */
static void prepare_tickets(SSL_CTX *first)
{
    SSL_CTX_clear_options(first, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(first, 1);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(first, tls_ticket_callback);
}

static bool set_up(struct tls_server *server, const struct tls_server_options *options, struct tls_fault *fault)
{
    size_t count = options->certificates.count;
    server->method = tls_socket_method();
    server->certificates = calloc(count, sizeof(*server->certificates));
    server->contexts = calloc(count, sizeof(SSL_CTX *));
    server->checks_clients = options->ask_client && options->client_ca != NULL;
    if (server->method == NULL || server->certificates == NULL || server->contexts == NULL)
        return tls_blame(fault, "mode", "out of memory");
    for (size_t i = 0; i < count; i++) {
        if (!add_certificate(server, i, options, fault))
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || server->contexts[i] != server->contexts[i - 1])
            tls_warm_server(server->contexts[i]);
    }
    prepare_tickets(server->contexts[0]);
    return true;
}

struct tls_server *tls_server_new(const struct tls_server_options *options, struct tls_fault *fault)
{
    *fault = (struct tls_fault){0};
    if (options->mode == TLS_MODE_NONE)
        return NULL;
    ERR_clear_error();
    struct tls_server *server = calloc(1, sizeof(*server));
    if (server == NULL)
        tls_blame(fault, "mode", "out of memory");
    else if (!set_up(server, options, fault))
        tls_server_free(&server);
    ERR_clear_error();
    return server;
}

void tls_server_free(struct tls_server **server)
{
    struct tls_server *s = *server;
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->count; i++) {
        SSL_CTX_free(s->contexts[i]);
        tls_certificate_clear(&s->certificates[i]);
    }
    free(s->contexts);
    free(s->certificates);
    BIO_meth_free(s->method);
    free(s);
    *server = NULL;
}

void tls_server_use_tickets(struct tls_server *server, const struct ticket_keys *keys)
{
    server->keys = keys;
}

/* Without a key OpenSSL would send an empty ticket, which TLS 1.3 does not know (RFC 8446 section 4.6.1). */
static bool has_key(const struct ticket_keys *keys)
{
    struct ticket_key key;
    bool found = keys != NULL && ticket_keys_newest(keys, &key);
    explicit_bzero(&key, sizeof(key));
    return found;
}

struct tls *tls_server_begin(struct tls_server *server)
{
    struct tls *tls = tls_new(server->contexts[0], server->method);
    if (tls == NULL)
        return NULL;
    tls->checks_peer = server->checks_clients;
    if (has_key(server->keys)) {
        tls->keys = server->keys;
    } else {
        SSL_set_options(tls->ssl, SSL_OP_NO_TICKET);
        SSL_set_num_tickets(tls->ssl, 0);
    }
    SSL_set_accept_state(tls->ssl);
    return tls;
}

bool tls_server_expiry(const struct tls_server *server, struct tls_expiry *out)
{
    if (server == NULL || server->count == 0)
        return false;
    *out = (struct tls_expiry){.not_after = INT64_MAX};
    for (size_t i = 0; i < server->count; i++) {
        int64_t ends = tls_certificate_not_after(&server->certificates[i]);
        if (ends < out->not_after)
            *out = (struct tls_expiry){server->certificates[i].file, ends};
    }
    return true;
}
