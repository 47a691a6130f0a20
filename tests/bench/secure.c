/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <limits.h>

#include "tests/bench/secure.h"

static int keep_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    struct secure_place *place = SSL_get_app_data(ssl);
    SSL_SESSION_free(place->ticket);
    place->ticket = ticket;
    return 1; /* it is ours now */
}

SSL_CTX *secure_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (!context)
        return NULL;
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(context, keep_ticket);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return context;
}

/* A copy: OpenSSL spoils one that was used, and not every server gives a new one. */
static bool set_ticket(SSL *ssl, SSL_SESSION *ticket)
{
    SSL_SESSION *copy = SSL_SESSION_dup(ticket);
    bool set = copy && SSL_set_session(ssl, copy);
    SSL_SESSION_free(copy);
    return set;
}

bool secure_begin(struct secure *s, SSL_CTX *context, int fd, struct secure_place *place, bool resume)
{
    s->ssl = SSL_new(context);
    if (!s->ssl || !SSL_set_fd(s->ssl, fd) || !SSL_set_app_data(s->ssl, place))
        return false;
    SSL_set_connect_state(s->ssl);
    return !resume || !place->ticket || set_ticket(s->ssl, place->ticket);
}

/* As recv and send say it. */
static ssize_t outcome(struct secure *s, int result)
{
    if (result > 0)
        return result;
    int error = SSL_get_error(s->ssl, result);
    s->wants_out = error == SSL_ERROR_WANT_WRITE;
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_WANT_READ || s->wants_out ? EAGAIN : EPROTO;
    return -1;
}

int secure_shake_hands(struct secure *s)
{
    if (outcome(s, SSL_do_handshake(s->ssl)) > 0)
        return 1;
    return errno == EAGAIN ? 0 : -1;
}

bool secure_was_resumed(const struct secure *s)
{
    return SSL_session_reused(s->ssl);
}

ssize_t secure_read(struct secure *s, char *octets, size_t size)
{
    return outcome(s, SSL_read(s->ssl, octets, size > INT_MAX ? INT_MAX : (int)size));
}

ssize_t secure_write(struct secure *s, const char *octets, size_t size)
{
    return outcome(s, SSL_write(s->ssl, octets, size > INT_MAX ? INT_MAX : (int)size));
}

void secure_end(struct secure *s)
{
    if (!s->ssl)
        return;
    SSL_shutdown(s->ssl); /* the other side need not answer */
    SSL_free(s->ssl);
    s->ssl = NULL;
}
