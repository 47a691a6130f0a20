/* SPDX-License-Identifier: ISC
 *
 * A toy to talk with, for the runner's own tests: what it hears outside it says inside to server 1, and back; but for
 * QUIT, and for words that make it misbehave. It has one buffer for each side, and waits 60 s for either.
 *
 *     STARTTLS   220, then TLS outside            INTLS      TLS inside, from the first octet, then 250 outside
 *     PRETEND    220, and stays in the clear      CLEARLY    answers beneath TLS
 *     GOODBYE    close_notify, then the end       RUDE       the end without it
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "common/clock.h"

#include "tests/talk/subject.h"

enum { WAIT_MS = 60000 };

struct side_buffer {
    int fd;
    SSL *tls; /* NULL: in the clear */
    char text[65536];
    size_t size;
};

static char server_path[100], certificate_path[150];
static void (*log_sink)(const char *line);

bool subject_prepare(const struct script *script, const char *directory, char *why, size_t why_size)
{
    if (script->setting_count > 0) {
        snprintf(why, why_size, "the toy has no options");
        return false;
    }
    snprintf(server_path, sizeof server_path, "%s/1", directory);
    snprintf(certificate_path, sizeof certificate_path, "%s/certificates/mx.pem", directory);
    return true;
}

void subject_log_to(void (*sink)(const char *line))
{
    log_sink = sink;
}

void subject_house(int busy, int held)
{
    (void)busy;
    (void)held;
}

void subject_ask_for_room(void)
{
}

int subject_room_asked_for(void)
{
    return 0;
}

void subject_beside(int count)
{
    (void)count;
}

void subject_taken(int count)
{
    (void)count;
}

void subject_waiting(int count)
{
    (void)count;
}

void subject_clear(void)
{
}

static bool await(int fd, short events)
{
    struct pollfd waits = {.fd = fd, .events = events};
    return clock_poll(&waits, 1, clock_deadline(WAIT_MS)) > 0;
}

static void say_clear(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t done = send(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (done < 0 && !await(fd, POLLOUT))
            return;
        if (done > 0) {
            text += done;
            size -= (size_t)done;
        }
    }
}

/* The sockets of a talk take a few lines at once, as long as nobody is deaf. */
static void say(struct side_buffer *b, const char *text, size_t size)
{
    if (!b->tls)
        say_clear(b->fd, text, size);
    else if (size > 0 && SSL_write(b->tls, text, (int)size) <= 0)
        abort();
}

/* -1: nothing is there now; 0: the end. */
static ssize_t take(struct side_buffer *b)
{
    char *to = b->text + b->size;
    size_t room = sizeof b->text - b->size;
    if (!b->tls) {
        ssize_t size = recv(b->fd, to, room, MSG_DONTWAIT);
        return size < 0 && errno != EAGAIN ? 0 : size;
    }
    int size = SSL_read(b->tls, to, (int)room);
    return size > 0 ? size : SSL_get_error(b->tls, size) == SSL_ERROR_WANT_READ ? -1 : 0;
}

/* The size of the line at the front of b->text; 0 when there is none in time. */
static size_t hear(struct side_buffer *b)
{
    for (;;) {
        char *lf = b->size ? memchr(b->text, '\n', b->size) : NULL;
        if (lf)
            return (size_t)(lf - b->text) + 1;
        ssize_t more = take(b);
        if (more == 0 || (more < 0 && !await(b->fd, POLLIN)))
            return 0;
        b->size += more > 0 ? (size_t)more : 0;
    }
}

/* False: it failed, or took too long. */
static bool begin_tls(struct side_buffer *b, bool as_server)
{
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    int done;
    if (!context || (as_server && (SSL_CTX_use_certificate_file(context, certificate_path, SSL_FILETYPE_PEM) != 1 ||
                                   SSL_CTX_use_PrivateKey_file(context, certificate_path, SSL_FILETYPE_PEM) != 1)))
        abort();
    b->tls = SSL_new(context);
    SSL_CTX_free(context);
    fcntl(b->fd, F_SETFL, fcntl(b->fd, F_GETFL) | O_NONBLOCK);
    SSL_set_fd(b->tls, b->fd);
    while ((done = as_server ? SSL_accept(b->tls) : SSL_connect(b->tls)) != 1)
        if (SSL_get_error(b->tls, done) != SSL_ERROR_WANT_READ || !await(b->fd, POLLIN))
            return false;
    return true;
}

static void drop(struct side_buffer *b, size_t size)
{
    memmove(b->text, b->text + size, b->size - size);
    b->size -= size;
}

static bool is(const struct side_buffer *b, const char *word)
{
    return strncmp(b->text, word, strlen(word)) == 0;
}

static bool open_inside(struct side_buffer *inside)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", server_path);
    inside->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(inside->fd, (struct sockaddr *)&address, sizeof address) == 0;
}

static void misbehave(const struct side_buffer *outside)
{
    if (is(outside, "CRASH"))
        abort();
    if (is(outside, "LEAK") && open("/dev/null", O_RDONLY | O_CLOEXEC) < 0)
        abort();
    if (is(outside, "SPIN"))
        for (volatile int forever = 1; forever;)
            continue;
}

/* False: the session ends. */
static bool relay_line(struct side_buffer *outside, struct side_buffer *inside, size_t line)
{
    if (inside->fd < 0 && !open_inside(inside))
        return false;
    say(inside, outside->text, line);
    if (is(outside, "TWICE"))
        say(inside, outside->text, line);
    drop(outside, line);
    size_t reply = hear(inside);
    say(outside, inside->text, reply);
    drop(inside, reply);
    return reply > 0;
}

/* False: the session ends. */
static bool answer_tls(struct side_buffer *outside, struct side_buffer *inside)
{
    if (is(outside, "INTLS")) {
        bool begun = open_inside(inside) && begin_tls(inside, false);
        say(outside, "250 Ok\r\n", begun ? 8 : 0);
        return begun;
    }
    if (is(outside, "CLEARLY")) {
        say_clear(outside->fd, "250 Ok\r\n", 8);
        return true;
    }
    say(outside, "220 Go\r\n", 8);
    return !is(outside, "STARTTLS") || begin_tls(outside, true);
}

/* False: the session ends. */
static bool answer(struct side_buffer *outside, struct side_buffer *inside)
{
    size_t line = hear(outside);
    if (line == 0 || is(outside, "GOODBYE") || is(outside, "RUDE")) {
        if (outside->tls && is(outside, "GOODBYE"))
            SSL_shutdown(outside->tls);
        return false;
    }
    misbehave(outside);
    if (is(outside, "QUIT")) {
        say(outside, "221 Bye\r\n", 9);
        return false;
    }
    if (!is(outside, "STARTTLS") && !is(outside, "PRETEND") && !is(outside, "INTLS") && !is(outside, "CLEARLY"))
        return relay_line(outside, inside, line);
    bool goes_on = answer_tls(outside, inside);
    drop(outside, line);
    return goes_on;
}

static void forget(struct side_buffer *b)
{
    SSL_free(b->tls);
    b->tls = NULL;
    if (b->fd >= 0)
        close(b->fd);
}

void subject_serve(int outside_fd, const char *client)
{
    static struct side_buffer outside, inside;
    char line[200];
    outside.fd = outside_fd;
    inside.fd = -1;
    outside.size = inside.size = 0;
    say(&outside, "220-toy\r\n220 here\r\n", 19);
    while (answer(&outside, &inside))
        continue;
    snprintf(line, sizeof line, "session client=%s end=\"as it should\"", client);
    log_sink(line);
    forget(&outside);
    forget(&inside);
}
