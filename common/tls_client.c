/* SPDX-License-Identifier: ISC */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/tls_client.h"
#include "common/tls_internal.h"

enum { PIN_BYTES = 32 }; /* SHA-256 */

/* RFC 6698 section 7: DANE-EE, SubjectPublicKeyInfo, SHA-256. */
enum { DANE_USAGE = 3, DANE_SELECTOR = 1, DANE_MATCHING = 1 };

struct tls_client {
    BIO_METHOD *method;
    SSL_CTX *context;
    enum tls_verify verify;
    unsigned char (*pins)[PIN_BYTES];
    size_t pin_count;
};

/* Where systems keep the CAs that they trust, all in one file. Not a directory of them: OpenSSL would open its files
 * during handshakes, and a worker may open none. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt", /* Debian, Alpine, Arch */
    "/etc/pki/tls/certs/ca-bundle.crt",   /* Red Hat */
    "/etc/ssl/ca-bundle.pem",             /* SUSE */
    "/etc/ssl/cert.pem",                  /* the BSDs */
};

static const char *system_bundle(void)
{
    for (size_t i = 0; i < sizeof(bundles) / sizeof(bundles[0]); i++) {
        if (access(bundles[i], R_OK) == 0)
            return bundles[i];
    }
    return NULL;
}

static bool load_ca(struct tls_client *client, const char *ca, struct tls_fault *fault)
{
    const char *file = ca != NULL ? ca : system_bundle();
    if (file == NULL)
        return tls_blame(fault, "ca",
                         "this host has no file with CAs (Debian: package ca-certificates): say ca = /path");
    if (access(file, R_OK) != 0)
        return tls_blame(fault, "ca", "%s cannot be read: %s", file, strerror(errno));
    if (SSL_CTX_load_verify_file(client->context, file) == 1)
        return true;
    return tls_blame(fault, "ca", "%s: no certificate in it can be read: %s", file, tls_library_says());
}

static int digit_of(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c != '\0' ? strchr(digits, ascii_lower(c)) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

/* 64 hex digits, colons between them as you like. */
static bool parse_pin(const char *text, unsigned char pin[PIN_BYTES])
{
    size_t count = 0;
    memset(pin, 0, PIN_BYTES);
    for (; *text != '\0'; text++) {
        int digit = digit_of(*text);
        if (*text == ':')
            continue;
        if (digit < 0 || count == 2 * (size_t)PIN_BYTES)
            return false;
        pin[count / 2] = (unsigned char)(pin[count / 2] * 16 + digit);
        count++;
    }
    return count == 2 * (size_t)PIN_BYTES;
}

bool tls_client_is_pin(const char *text)
{
    unsigned char pin[PIN_BYTES];
    return parse_pin(text, pin);
}

static bool load_pins(struct tls_client *client, const struct text_list *pins, struct tls_fault *fault)
{
    client->pins = calloc(pins->count, sizeof(*client->pins));
    if (client->pins == NULL || SSL_CTX_dane_enable(client->context) != 1)
        return tls_blame(fault, "pin", "out of memory");
    for (; client->pin_count < pins->count; client->pin_count++) {
        if (!parse_pin(pins->items[client->pin_count], client->pins[client->pin_count]))
            return tls_blame(fault, "pin", "%s is no SHA-256 in hex", pins->items[client->pin_count]);
    }
    return true;
}

/* Here the certificate is at hand that the handshake's failure will be about. */
static int explain_refusal(int good, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *tls = SSL_get_app_data(ssl);
    if (!good && tls != NULL)
        tls_explain_certificate(tls, X509_STORE_CTX_get0_cert(store), X509_STORE_CTX_get_error(store));
    return good;
}

static bool set_up(struct tls_client *client, const struct tls_client_options *options, struct tls_fault *fault)
{
    client->verify = (enum tls_verify)options->verify;
    client->method = tls_socket_method();
    client->context = tls_context_new(TLS_client_method());
    if (client->method == NULL || client->context == NULL)
        return tls_blame(fault, "mode", "%s", tls_library_says());
    bool good = true;
    if (client->verify == TLS_VERIFY_CA || client->verify == TLS_VERIFY_NAME)
        good = load_ca(client, options->ca, fault);
    else if (client->verify == TLS_VERIFY_PIN)
        good = load_pins(client, &options->pins, fault);
    if (good && client->verify != TLS_VERIFY_NONE)
        SSL_CTX_set_verify(client->context, SSL_VERIFY_PEER, explain_refusal);
    if (good)
        tls_warm_client(client->context);
    return good;
}

struct tls_client *tls_client_new(const struct tls_client_options *options, struct tls_fault *fault)
{
    *fault = (struct tls_fault){0};
    if (options->mode == TLS_MODE_NONE)
        return NULL;
    ERR_clear_error();
    struct tls_client *client = calloc(1, sizeof(*client));
    if (client == NULL)
        tls_blame(fault, "mode", "out of memory");
    else if (!set_up(client, options, fault))
        tls_client_free(&client);
    ERR_clear_error();
    return client;
}

void tls_client_free(struct tls_client **client)
{
    if (*client == NULL)
        return;
    SSL_CTX_free((*client)->context);
    BIO_meth_free((*client)->method);
    free((*client)->pins);
    free(*client);
    *client = NULL;
}

static bool is_address(const char *name)
{
    unsigned char octets[16];
    return inet_pton(AF_INET, name, octets) == 1 || inet_pton(AF_INET6, name, octets) == 1;
}

/* SNI knows no addresses (RFC 6066 section 3). */
static bool set_name(struct tls *tls, const struct tls_client *client, const char *name)
{
    bool address = is_address(name);
    if (!address && SSL_set_tlsext_host_name(tls->ssl, name) != 1)
        return false;
    if (client->verify != TLS_VERIFY_NAME)
        return true;
    SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), name) == 1
                   : SSL_set1_host(tls->ssl, name) == 1;
}

static bool set_pins(struct tls *tls, const struct tls_client *client)
{
    bool good = SSL_dane_enable(tls->ssl, NULL) == 1;
    for (size_t i = 0; i < client->pin_count && good; i++)
        good = SSL_dane_tlsa_add(tls->ssl, DANE_USAGE, DANE_SELECTOR, DANE_MATCHING, client->pins[i], PIN_BYTES) == 1;
    return good;
}

/* What cannot be compared is refused, never taken. */
static void demand(struct tls *tls, const struct tls_client *client, const char *name)
{
    if (client->verify == TLS_VERIFY_NAME && name == NULL)
        tls_refuse(tls, "verify = name needs the server's tls_name");
    else if (client->verify == TLS_VERIFY_PIN && (client->pin_count == 0 || !set_pins(tls, client)))
        tls_refuse(tls, "the pins cannot be used");
    else if (name != NULL && !set_name(tls, client, name))
        tls_refuse(tls, "tls_name cannot be used");
}

struct tls *tls_client_begin(struct tls_client *client, const char *name)
{
    struct tls *tls = tls_new(client->context, client->method);
    if (tls == NULL)
        return NULL;
    tls->checks_peer = client->verify != TLS_VERIFY_NONE;
    SSL_set_connect_state(tls->ssl);
    demand(tls, client, name);
    ERR_clear_error();
    return tls;
}
