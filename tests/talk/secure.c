/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "tests/talk/certificates.h"
#include "tests/talk/secure.h"

enum { RECORD_HEADER = 5, RECORD_MAX = 16384 + 2048 };

struct secure_ticket {
    SSL_SESSION *session;
};

/* Where in its records the session's stream is. */
struct framing {
    unsigned char header[RECORD_HEADER];
    size_t have; /* of the header */
    size_t left; /* of the record behind it */
};

struct secure {
    struct secure_options options;
    SSL *ssl; /* NULL: cannot do TLS */
    BIO *in, *out;
    struct framing framing;
    enum secure_state state;
    bool may_fail, closed;
    char why[SECURE_WHY_MAX];
    struct secure_ticket **ticket;
};

/* -- options -- */

static bool take_value(struct slice word, const char *name, char value[SECURE_NAME_MAX])
{
    struct slice rest = word;
    if (!slice_equal(slice_take_until(&rest, '='), slice_of(name)) || rest.size == 0 || rest.size >= SECURE_NAME_MAX)
        return false;
    snprintf(value, SECURE_NAME_MAX, "%.*s", SLICE_ARGS(rest));
    return true;
}

static bool take_version(struct slice word, struct secure_options *out)
{
    static const struct {
        const char *name;
        int version;
    } versions[] = {{"1.0", TLS1_VERSION}, {"1.1", TLS1_1_VERSION}, {"1.2", TLS1_2_VERSION}, {"1.3", TLS1_3_VERSION}};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
        if (slice_equal(word, slice_of(versions[i].name)))
            return (out->version = versions[i].version) != 0;
    return false;
}

static bool parse_outside(struct slice word, struct secure_options *out)
{
    if (slice_equal(word, slice_of("resume")))
        return out->resume = true;
    if (slice_equal(word, slice_of("resumed")))
        return out->resume = out->must_resume = true;
    return take_value(word, "peer", out->peer) || take_value(word, "key", out->key);
}

bool secure_parse(struct slice words, bool as_server, struct secure_options *out)
{
    *out = (struct secure_options){0};
    for (words = slice_trim(words); words.size > 0; words = slice_trim(words)) {
        struct slice word = slice_take_word(&words);
        if (!take_version(word, out) && !take_value(word, "sni", out->sni) &&
            !take_value(word, "certificate", out->certificate) && (as_server || !parse_outside(word, out)))
            return false;
    }
    return !out->certificate[0] || certificates_known(out->certificate);
}

/* -- beginning and end -- */

static bool set_key_kind(SSL *ssl, const char *kind)
{
    if (strcmp(kind, "RSA") == 0)
        return SSL_set1_sigalgs_list(ssl, "RSA-PSS+SHA256:RSA+SHA256") == 1;
    return SSL_set1_sigalgs_list(ssl, "ECDSA+SHA256") == 1;
}

static bool set_up_client(struct secure *s)
{
    const struct secure_options *o = &s->options;
    SSL_set_connect_state(s->ssl);
    SSL_set_verify(s->ssl, SSL_VERIFY_NONE, NULL);
    if (o->resume && *s->ticket && SSL_set_session(s->ssl, (*s->ticket)->session) != 1)
        return false;
    if (o->key[0] && !set_key_kind(s->ssl, o->key))
        return false;
    return !o->sni[0] || SSL_set_tlsext_host_name(s->ssl, o->sni) == 1;
}

static bool set_up(struct secure *s, bool as_server, const char *certificates)
{
    char path[300];
    const char *name = s->options.certificate[0] ? s->options.certificate : as_server ? "inside" : NULL;
    SSL_set_bio(s->ssl, s->in, s->out);
    /* An old outside may be played: what is refused is the session's choice. */
    if (SSL_set_min_proto_version(s->ssl, s->options.version ? s->options.version : TLS1_2_VERSION) != 1 ||
        SSL_set_max_proto_version(s->ssl, s->options.version) != 1 ||
        SSL_set_cipher_list(s->ssl, "DEFAULT:@SECLEVEL=0") != 1)
        return false;
    if (name) {
        certificates_path(certificates, name, path, sizeof path);
        if (SSL_use_certificate_chain_file(s->ssl, path) != 1 ||
            SSL_use_PrivateKey_file(s->ssl, path, SSL_FILETYPE_PEM) != 1)
            return false;
    }
    if (!as_server)
        return set_up_client(s);
    SSL_set_accept_state(s->ssl);
    return true;
}

static void note_failure(struct secure *s)
{
    unsigned long error = ERR_peek_last_error();
    const char *reason = error ? ERR_reason_error_string(error) : NULL;
    s->state = SECURE_FAILED;
    snprintf(s->why, sizeof s->why, "%s", reason ? reason : "no reason given");
    ERR_clear_error();
}

static void shake_hands(struct secure *s)
{
    ERR_clear_error();
    int done = SSL_do_handshake(s->ssl);
    if (done == 1)
        s->state = SECURE_OPEN;
    else if (SSL_get_error(s->ssl, done) != SSL_ERROR_WANT_READ)
        note_failure(s);
}

static struct secure *make(const struct secure_options *options)
{
    struct secure *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->options = *options;
    return s;
}

struct secure *secure_new(bool as_server, const struct secure_options *options, const char *certificates,
                          struct secure_ticket **ticket)
{
    struct secure *s = make(options);
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    s->ticket = ticket;
    s->ssl = context ? SSL_new(context) : NULL;
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    SSL_CTX_free(context);
    if (!s->ssl || !s->in || !s->out)
        abort();
    BIO_set_mem_eof_return(s->in, -1);
    if (set_up(s, as_server, certificates))
        shake_hands(s);
    else
        note_failure(s);
    return s;
}

struct secure *secure_new_broken(void)
{
    static const struct secure_options none;
    struct secure *s = make(&none);
    s->state = SECURE_FAILED;
    s->may_fail = true;
    return s;
}

/* OpenSSL takes a session that did not end in order for one that must not be resumed. */
static void keep_ticket(struct secure *s)
{
    SSL_SESSION *session = s->state == SECURE_OPEN || s->state == SECURE_ENDED ? SSL_get1_session(s->ssl) : NULL;
    SSL_set_shutdown(s->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    if (!session)
        return;
    secure_ticket_free(s->ticket);
    *s->ticket = malloc(sizeof **s->ticket);
    if (!*s->ticket)
        abort();
    (*s->ticket)->session = session;
}

void secure_free(struct secure **s)
{
    if (!*s)
        return;
    if ((*s)->ssl && (*s)->ticket)
        keep_ticket(*s);
    SSL_free((*s)->ssl);
    free(*s);
    *s = NULL;
}

void secure_ticket_free(struct secure_ticket **ticket)
{
    if (*ticket)
        SSL_SESSION_free((*ticket)->session);
    free(*ticket);
    *ticket = NULL;
}

/* -- octets -- */

/* One octet of a record, or a word in the clear: false. */
static bool is_framed(struct framing *f, unsigned char octet)
{
    if (f->left > 0) {
        f->left--;
        return true;
    }
    if ((f->have == 0 && (octet < SSL3_RT_CHANGE_CIPHER_SPEC || octet > SSL3_RT_APPLICATION_DATA)) ||
        (f->have == 1 && octet != 3))
        return false;
    f->header[f->have++] = octet;
    if (f->have < RECORD_HEADER)
        return true;
    f->left = (size_t)f->header[3] << 8 | f->header[4];
    f->have = 0;
    return f->left > 0 && f->left <= RECORD_MAX;
}

size_t secure_hear(struct secure *s, struct slice raw)
{
    size_t framed = 0;
    while (framed < raw.size && is_framed(&s->framing, (unsigned char)raw.at[framed]))
        framed++;
    if (s->state == SECURE_FAILED)
        return framed;
    if (framed > 0 && BIO_write(s->in, raw.at, (int)framed) != (int)framed)
        abort();
    if (s->state == SECURE_HANDSHAKE)
        shake_hands(s);
    if (framed < raw.size && s->state != SECURE_FAILED) {
        s->state = SECURE_FAILED;
        snprintf(s->why, sizeof s->why, "words in the clear where TLS should be");
    }
    return framed;
}

size_t secure_take_heard(struct secure *s, char *to, size_t room)
{
    if (s->state != SECURE_OPEN)
        return 0;
    ERR_clear_error();
    int size = SSL_read(s->ssl, to, (int)room);
    if (size > 0)
        return (size_t)size;
    switch (SSL_get_error(s->ssl, size)) {
    case SSL_ERROR_WANT_READ:
        return 0;
    case SSL_ERROR_ZERO_RETURN:
        s->state = SECURE_ENDED;
        return 0;
    default:
        note_failure(s);
        return 0;
    }
}

size_t secure_take_raw(struct secure *s, char *to, size_t room)
{
    int size = s->out ? BIO_read(s->out, to, (int)room) : 0;
    return size > 0 ? (size_t)size : 0;
}

void secure_say(struct secure *s, struct slice text, size_t record_max)
{
    while (text.size > 0) {
        size_t size = record_max && record_max < text.size ? record_max : text.size;
        ERR_clear_error();
        int done = SSL_write(s->ssl, text.at, (int)size);
        if (done <= 0) {
            note_failure(s);
            return;
        }
        slice_drop(&text, (size_t)done);
    }
}

void secure_say_close(struct secure *s)
{
    ERR_clear_error();
    SSL_shutdown(s->ssl);
    s->closed = true;
}

/* -- questions -- */

enum secure_state secure_state(const struct secure *s)
{
    return s->state;
}

const char *secure_why(const struct secure *s)
{
    return s->why;
}

bool secure_is_closed(const struct secure *s)
{
    return s->closed;
}

void secure_may_fail(struct secure *s)
{
    s->may_fail = true;
}

bool secure_may_it_fail(const struct secure *s)
{
    return s->may_fail;
}

static const char *check_peer(const struct secure *s)
{
    X509 *peer = SSL_get0_peer_certificate(s->ssl);
    if (s->options.peer[0] && (!peer || X509_check_host(peer, s->options.peer, 0, 0, NULL) != 1))
        return "its certificate has another name";
    if (strcmp(s->options.key, "RSA") == 0 && (!peer || EVP_PKEY_get_base_id(X509_get0_pubkey(peer)) != EVP_PKEY_RSA))
        return "its key is not RSA";
    if (strcmp(s->options.key, "EC") == 0 && (!peer || EVP_PKEY_get_base_id(X509_get0_pubkey(peer)) != EVP_PKEY_EC))
        return "its key is not EC";
    return NULL;
}

static const char *check_sni(const struct secure *s)
{
    const char *heard = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);
    const char *wanted = s->options.sni;
    if (!SSL_is_server(s->ssl) || !wanted[0])
        return NULL;
    if (strcmp(wanted, "-") == 0)
        return heard ? "it named a server" : NULL;
    return heard && strcmp(heard, wanted) == 0 ? NULL : "it named no server, or another one";
}

const char *secure_check(const struct secure *s)
{
    if (s->options.must_resume && SSL_session_reused(s->ssl) != 1)
        return "the session was not resumed";
    const char *wrong = check_sni(s);
    return wrong || SSL_is_server(s->ssl) ? wrong : check_peer(s);
}
