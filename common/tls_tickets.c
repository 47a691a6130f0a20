/* SPDX-License-Identifier: ISC */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#include "common/tls_internal.h"

/* What the callback answers, SSL_CTX_set_tlsext_ticket_key_evp_cb(3). */
enum { TICKET_BROKEN = -1, TICKET_UNKNOWN = 0, TICKET_GOOD = 1, TICKET_GOOD_RENEW = 2 };

static bool set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->mac, sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){"SHA256"}, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

static int seal(const struct ticket_keys *keys, struct ticket_key *key, unsigned char *name, unsigned char *iv,
                EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    if (!ticket_keys_newest(keys, key))
        return TICKET_UNKNOWN;
    memcpy(name, key->name, TICKET_NAME_BYTES);
    bool good = RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
                EVP_EncryptInit_ex2(cipher, EVP_aes_256_cbc(), key->aes, iv, NULL) == 1 && set_mac(mac, key);
    return good ? TICKET_GOOD : TICKET_BROKEN;
}

/* A ticket of TLS 1.3 is for one use, so its owner always gets a new one. */
static int open_up(SSL *ssl, const struct ticket_keys *keys, struct ticket_key *key, const unsigned char *name,
                   const unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
    bool newest;
    if (!ticket_keys_find(keys, name, key, &newest))
        return TICKET_UNKNOWN;
    if (EVP_DecryptInit_ex2(cipher, EVP_aes_256_cbc(), key->aes, iv, NULL) != 1 || !set_mac(mac, key))
        return TICKET_BROKEN;
    return newest && SSL_version(ssl) < TLS1_3_VERSION ? TICKET_GOOD : TICKET_GOOD_RENEW;
}

int tls_ticket_callback(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                        int sealing)
{
    const struct tls *tls = SSL_get_app_data(ssl);
    struct ticket_key key;
    if (tls == NULL || tls->keys == NULL)
        return TICKET_UNKNOWN;
    int answer =
        sealing ? seal(tls->keys, &key, name, iv, cipher, mac) : open_up(ssl, tls->keys, &key, name, iv, cipher, mac);
    explicit_bzero(&key, sizeof(key));
    return answer;
}
