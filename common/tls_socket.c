/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/tls_socket.h"

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

static int socket_read(BIO *bio, char *to, int room)
{
    struct tls_socket *socket = BIO_get_data(bio);
    ssize_t got;
    BIO_clear_retry_flags(bio);
    if (socket->reads++ >= TLS_SOCKET_READS_MAX) {
        BIO_set_retry_read(bio);
        return -1;
    }
    do {
        got = socket->dozing ? clock_recv(socket->fd, to, (size_t)room)
                             : recv(socket->fd, to, (size_t)room, MSG_DONTWAIT);
        socket->dozing = false;
    } while (got < 0 && errno == EINTR);
    socket->drained = got < 0 && would_block();
    socket->ended |= got == 0;
    if (socket->drained)
        BIO_set_retry_read(bio);
    else if (got < 0 && socket->error == 0)
        socket->error = errno;
    return (int)got;
}

static int socket_write(BIO *bio, const char *from, int size)
{
    struct tls_socket *socket = BIO_get_data(bio);
    ssize_t put;
    BIO_clear_retry_flags(bio);
    do {
        put = send(socket->fd, from, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (put < 0 && errno == EINTR);
    if (put < 0 && would_block())
        BIO_set_retry_write(bio);
    else if (put < 0 && socket->error == 0)
        socket->error = errno;
    return (int)put;
}

/* OpenSSL asks for no more of a source: was that its end, and is everything written? */
static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    struct tls_socket *socket = BIO_get_data(bio);
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return socket->ended;
    return command == BIO_CTRL_FLUSH || command == BIO_CTRL_DUP;
}

BIO_METHOD *tls_socket_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "socket");
    if (method != NULL && BIO_meth_set_read(method, socket_read) == 1 &&
        BIO_meth_set_write(method, socket_write) == 1 && BIO_meth_set_ctrl(method, socket_control) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

BIO *tls_socket_bio(BIO_METHOD *method, struct tls_socket *socket)
{
    BIO *bio = BIO_new(method);
    if (bio == NULL)
        return NULL;
    BIO_set_data(bio, socket);
    BIO_set_init(bio, 1);
    return bio;
}
