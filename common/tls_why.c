/* SPDX-License-Identifier: ISC */
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <openssl/x509_vfy.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/tls_internal.h"

/* What a postmaster can do something about; all else is said in OpenSSL's words. */
static const struct {
    int reason;
    const char *text;
} reasons[] = {
    {SSL_R_WRONG_VERSION_NUMBER, "the peer does not speak TLS"},
    {SSL_R_HTTP_REQUEST, "the peer speaks HTTP"},
    {SSL_R_HTTPS_PROXY_REQUEST, "the peer speaks HTTP"},
    {SSL_R_UNSUPPORTED_PROTOCOL, "no TLS version in common"},
    {SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "no TLS version in common, says the peer"},
    {SSL_R_NO_SHARED_CIPHER, "no cipher in common"},
    {SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "the peer found no cipher or certificate in common (handshake failure)"},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "the client knows no signature that our certificate's key can make"},
    {SSL_R_TLSV1_ALERT_UNKNOWN_CA, "the peer does not know the CA of our certificate"},
    {SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the peer does not accept our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "the peer does not accept our certificate"},
    {SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the peer says that our certificate has expired"},
    {SSL_R_UNSAFE_LEGACY_RENEGOTIATION_DISABLED, "the peer's TLS is too old to be safe (no RFC 5746)"},
    {SSL_R_EE_KEY_TOO_SMALL, "the key is too small for the security level of the ciphers"},
    {SSL_R_CA_KEY_TOO_SMALL, "a CA's key in its chain is too small for the security level of the ciphers"},
    {SSL_R_CA_MD_TOO_WEAK, "a signature in its chain is too weak for the security level of the ciphers"},
};

static const char *words_for(unsigned long code)
{
    for (size_t i = 0; ERR_GET_LIB(code) == ERR_LIB_SSL && i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].reason == ERR_GET_REASON(code))
            return reasons[i].text;
    }
    const char *text = ERR_reason_error_string(code);
    return text != NULL ? text : "OpenSSL does not say why";
}

const char *tls_library_says(void)
{
    unsigned long code = ERR_peek_error();
    const char *text = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : words_for(code);
    ERR_clear_error();
    return text;
}

/* The way out, by X509_V_ERR_..; the error itself is said in OpenSSL's words. */
static const char *way_out(int verdict)
{
    switch (verdict) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        return "its CA is not in `ca`, or the server does not send its chain; or use verify = pin";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return "tls_name must be a name in it";
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return "the server needs a new one; or use verify = pin";
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return "look at the clocks of both hosts";
    case X509_V_ERR_DANE_NO_MATCH:
        return "if it is the right one, add this to `pin`";
    default:
        return "or use verify = pin";
    }
}

static void put_pin(char *to, size_t room, const X509 *certificate)
{
    unsigned char *spki = NULL, digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    to[0] = '\0';
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &spki);
    if (length > 0 && EVP_Digest(spki, (size_t)length, digest, &size, EVP_sha256(), NULL) == 1)
        tls_put_hex(to, room, digest, size);
    OPENSSL_free(spki);
}

void tls_explain_certificate(struct tls *tls, const X509 *certificate, int verdict)
{
    char name[TLS_NAME_MAX] = "", pin[TLS_FINGERPRINT_MAX] = "";
    if (certificate != NULL)
        tls_put_subject(name, sizeof(name), certificate);
    if (certificate != NULL && verdict == X509_V_ERR_DANE_NO_MATCH)
        put_pin(pin, sizeof(pin), certificate);
    if (pin[0] != '\0')
        snprintf(tls->why, sizeof(tls->why), "certificate %.60s has a key that is not pinned, %s: %s", name, pin,
                 way_out(verdict));
    else
        snprintf(tls->why, sizeof(tls->why), "certificate %.80s: %s: %s", name, X509_verify_cert_error_string(verdict),
                 way_out(verdict));
}

void tls_explain(struct tls *tls, int ssl_error)
{
    if (tls->why[0] != '\0')
        return;
    const char *text =
        ssl_error == SSL_ERROR_SYSCALL && tls->socket.error != 0 ? strerror(tls->socket.error) : tls_library_says();
    tls_put_printable(tls->why, sizeof(tls->why), text, strlen(text));
}

bool tls_blame(struct tls_fault *fault, const char *option, const char *format, ...)
{
    char text[sizeof(fault->text)];
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    fault->option = option;
    tls_put_printable(fault->text, sizeof(fault->text), text, size < 0 ? 0 : strnlen(text, sizeof(text)));
    return false;
}
