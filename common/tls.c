/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <malloc.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "common/tls_internal.h"

/* Records that carry nothing for us (tickets, key updates) which one look goes through; a peer that sends more of them
 * at a time is looked at again. */
enum { PEEK_TRIES = 16 };

/* OpenSSL would read on while records without data come (SSL_MODE_AUTO_RETRY), and a peer that sends key updates
 * without end would never let go of us; so it returns after each, and who waits looks at his deadline. */
SSL_CTX *tls_context_new(const SSL_METHOD *method)
{
    /* Not to clean up at exit: each worker that leaves would first touch all that it shares with the others. */
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
    SSL_CTX *context = SSL_CTX_new(method);
    if (context == NULL)
        return NULL;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                     SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    return context;
}

/* Not calloc: the pages of `staged` are touched when they are needed. */
struct tls *tls_new(SSL_CTX *context, BIO_METHOD *method)
{
    struct tls *tls = malloc(sizeof(*tls));
    BIO *bio = NULL;
    if (tls == NULL)
        return NULL;
    memset(tls, 0, offsetof(struct tls, staged));
    tls->socket.fd = -1;
    tls->ssl = SSL_new(context);
    if (tls->ssl != NULL)
        bio = tls_socket_bio(method, &tls->socket);
    if (bio == NULL) {
        tls_free(&tls);
        return NULL;
    }
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_app_data(tls->ssl, tls);
    return tls;
}

void tls_free(struct tls **tls)
{
    if (*tls == NULL)
        return;
    SSL_free((*tls)->ssl);
    explicit_bzero((*tls)->staged, (*tls)->staged_most);
    free(*tls);
    *tls = NULL;
    malloc_trim(0); /* what it took goes back: some 50 KiB of each worker that waits for the next one */
}

void tls_attach(struct tls *tls, int fd)
{
    must(tls->socket.fd < 0 && fd >= 0);
    tls->socket.fd = fd;
}

static enum tls_step fail(struct tls *tls, int error)
{
    tls->error = error != 0 ? error : EPROTO;
    errno = tls->error;
    return TLS_FAILED;
}

void tls_refuse(struct tls *tls, const char *why)
{
    tls_put_printable(tls->why, sizeof(tls->why), why, strlen(why));
    tls->fatal = true;
    tls->reading = tls->writing = fail(tls, EPROTO);
}

/* What SSL_get_error says of an operation that did not succeed. Only a failure of TLS itself ends the other direction
 * too: when writing gives EPIPE, a reply may still be read. */
static enum tls_step judge(struct tls *tls, int returned, enum tls_step *direction)
{
    int said = SSL_get_error(tls->ssl, returned);
    if (said == SSL_ERROR_WANT_READ)
        return TLS_WANTS_READ;
    if (said == SSL_ERROR_WANT_WRITE)
        return TLS_WANTS_WRITE;
    if (said == SSL_ERROR_ZERO_RETURN)
        return *direction = TLS_END;
    tls_explain(tls, said);
    *direction = fail(tls, said == SSL_ERROR_SYSCALL ? tls->socket.error : EPROTO);
    if (said != SSL_ERROR_SYSCALL) {
        tls->fatal = true;
        tls->reading = tls->writing = TLS_FAILED;
    }
    return TLS_FAILED;
}

static enum tls_step ended(const struct tls *tls, enum tls_step direction)
{
    errno = tls->error;
    return direction;
}

/* What is left in OpenSSL's queue of errors would be taken for this operation's. */
static void begin_step(struct tls *tls)
{
    ERR_clear_error();
    tls->socket.reads = 0;
}

enum tls_step tls_handshake(struct tls *tls)
{
    must(tls->socket.fd >= 0);
    if (tls->reading != TLS_DONE)
        return ended(tls, TLS_FAILED);
    begin_step(tls);
    int returned = SSL_do_handshake(tls->ssl);
    if (returned == 1) {
        tls->established = true;
        return TLS_DONE;
    }
    enum tls_step step = judge(tls, returned, &tls->reading);
    if (step == TLS_WANTS_READ || step == TLS_WANTS_WRITE)
        return step;
    if (step == TLS_END)
        tls_refuse(tls, "the peer hung up during the handshake");
    tls->fatal = true;
    tls->reading = tls->writing = TLS_FAILED;
    return ended(tls, TLS_FAILED);
}

enum tls_step tls_read(struct tls *tls, void *to, size_t room, size_t *got_out)
{
    *got_out = 0;
    must(tls->established || tls->reading != TLS_DONE);
    if (tls->reading != TLS_DONE)
        return ended(tls, tls->reading);
    begin_step(tls);
    int returned = SSL_read_ex(tls->ssl, to, room, got_out);
    return returned == 1 ? TLS_DONE : judge(tls, returned, &tls->reading);
}

enum tls_step tls_read_dozing(struct tls *tls, void *to, size_t room, size_t *got_out)
{
    tls->socket.dozing = true;
    enum tls_step step = tls_read(tls, to, room, got_out);
    tls->socket.dozing = false;
    return step;
}

static enum tls_step peek(struct tls *tls)
{
    char octet;
    size_t got;
    begin_step(tls);
    tls->socket.drained = false;
    int returned = SSL_peek_ex(tls->ssl, &octet, 1, &got);
    return returned == 1 ? TLS_DONE : judge(tls, returned, &tls->reading);
}

enum tls_step tls_peek(struct tls *tls)
{
    enum tls_step step = TLS_WANTS_READ;
    must(tls->established || tls->reading != TLS_DONE);
    if (tls->reading != TLS_DONE)
        return ended(tls, tls->reading);
    for (int i = 0; i < PEEK_TRIES && step == TLS_WANTS_READ && !(i > 0 && tls->socket.drained); i++)
        step = peek(tls);
    return step;
}

/* An end that was read with the last data is news that no socket will tell again. */
bool tls_holds_input(const struct tls *tls)
{
    return tls->reading != TLS_DONE || (tls->established && !tls->fatal && SSL_has_pending(tls->ssl) == 1);
}

/* The first record's worth of the pieces, as one run of octets: where it lies, or gathered. A call that is repeated
 * after TLS_WANTS_.. finds the same octets, as OpenSSL demands. */
static const void *gather(struct tls *tls, const struct iovec *pieces, int count, size_t *size_out)
{
    size_t size = 0;
    if (count == 1 || pieces[0].iov_len >= sizeof(tls->staged)) {
        *size_out = pieces[0].iov_len < sizeof(tls->staged) ? pieces[0].iov_len : sizeof(tls->staged);
        return pieces[0].iov_base;
    }
    for (int i = 0; i < count && size < sizeof(tls->staged); i++) {
        size_t room = sizeof(tls->staged) - size;
        size_t part = pieces[i].iov_len < room ? pieces[i].iov_len : room;
        if (part > 0)
            memcpy(tls->staged + size, pieces[i].iov_base, part);
        size += part;
    }
    if (size > tls->staged_most)
        tls->staged_most = size;
    *size_out = size;
    return tls->staged;
}

enum tls_step tls_write(struct tls *tls, const struct iovec *pieces, int count, size_t *put_out)
{
    size_t size;
    *put_out = 0;
    must(tls->established || tls->writing != TLS_DONE);
    if (tls->writing != TLS_DONE)
        return ended(tls, tls->writing);
    const void *from = gather(tls, pieces, count, &size);
    must(size > 0);
    begin_step(tls);
    int returned = SSL_write_ex(tls->ssl, from, size, put_out);
    return returned == 1 ? TLS_DONE : judge(tls, returned, &tls->writing);
}

void tls_say_goodbye(struct tls *tls)
{
    if (!tls->established || tls->fatal || tls->writing != TLS_DONE)
        return;
    tls->writing = TLS_END;
    begin_step(tls);
    SSL_shutdown(tls->ssl);
    ERR_clear_error();
}

bool tls_is_established(const struct tls *tls)
{
    return tls->established;
}

const char *tls_why(const struct tls *tls)
{
    return tls->why;
}
