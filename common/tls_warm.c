/* SPDX-License-Identifier: ISC */
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "common/tls_internal.h"

enum { ROUNDS_MAX = 20 };

static bool shake_hands(SSL *server, SSL *client)
{
    int server_said = 0, client_said = 0;
    for (int i = 0; i < ROUNDS_MAX && (server_said != 1 || client_said != 1); i++) {
        client_said = SSL_do_handshake(client);
        server_said = SSL_do_handshake(server);
    }
    return server_said == 1 && client_said == 1;
}

static void send_some(SSL *from, SSL *to)
{
    char octets[1024];
    memset(octets, 0, sizeof(octets));
    if (SSL_write(from, octets, sizeof(octets)) > 0)
        SSL_read(to, octets, sizeof(octets));
}

static void meet(SSL *server, SSL *client, int version)
{
    BIO *server_end = NULL, *client_end = NULL;
    if (BIO_new_bio_pair(&server_end, 0, &client_end, 0) != 1)
        return;
    SSL_set_bio(server, server_end, server_end);
    SSL_set_bio(client, client_end, client_end);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    SSL_set_verify(client, SSL_VERIFY_NONE, NULL);
    SSL_set_max_proto_version(client, version);
    if (!shake_hands(server, client))
        return;
    send_some(client, server);
    send_some(server, client);
}

static void warm(SSL_CTX *server_context, SSL_CTX *client_context)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        SSL *server = SSL_new(server_context), *client = SSL_new(client_context);
        if (server != NULL && client != NULL)
            meet(server, client, versions[i]);
        SSL_free(server);
        SSL_free(client);
    }
    ERR_clear_error();
    malloc_trim(0); /* what workers inherit should lie close together */
}

void tls_warm_server(SSL_CTX *context)
{
    SSL_CTX *client = tls_context_new(TLS_client_method());
    if (client != NULL)
        warm(context, client);
    SSL_CTX_free(client);
}

/* Nobody outside this process ever sees it. */
static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *certificate = X509_new();
    if (certificate != NULL && X509_set_pubkey(certificate, key) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), 0) != NULL &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), 60) != NULL && X509_sign(certificate, key, EVP_sha256()) > 0)
        return certificate;
    X509_free(certificate);
    return NULL;
}

void tls_warm_client(SSL_CTX *context)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *certificate = key != NULL ? make_certificate(key) : NULL;
    SSL_CTX *server = certificate != NULL ? tls_context_new(TLS_server_method()) : NULL;
    if (server != NULL && SSL_CTX_use_cert_and_key(server, certificate, key, NULL, 1) == 1)
        warm(server, context);
    SSL_CTX_free(server);
    X509_free(certificate);
    EVP_PKEY_free(key);
    ERR_clear_error();
}
