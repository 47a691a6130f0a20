/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/caller.h"

/* A command, the first digit of the reply that it must get, and what comes then. */
struct step {
    const char *command; /* NULL: not a line of its own */
    char expected;
    void (*then)(struct caller *c);
};

static void after_banner(struct caller *c);
static void after_hello(struct caller *c);
static void after_starttls(struct caller *c);
static void after_mail(struct caller *c);
static void after_rcpt(struct caller *c);
static void after_data(struct caller *c);
static void after_message(struct caller *c);
static void after_quit(struct caller *c);

static const struct step BANNER = {NULL, '2', after_banner};
static const struct step HELLO = {"EHLO client.example\r\n", '2', after_hello};
static const struct step STARTTLS = {"STARTTLS\r\n", '2', after_starttls};
static const struct step MAIL = {"MAIL FROM:<s@example.org>\r\n", '2', after_mail};
static const struct step RCPT = {"RCPT TO:<r@example.com>\r\n", '2', after_rcpt};
static const struct step DATA = {"DATA\r\n", '3', after_data};
static const struct step MESSAGE = {NULL, '2', after_message};
static const struct step QUIT = {"QUIT\r\n", '2', after_quit};

static _Noreturn void give_up(const struct caller *c, const char *what)
{
    const struct step *s = c->step;
    const char *where = s == &BANNER ? "banner" : s == &MESSAGE ? "message" : s->command;
    fprintf(stderr, "load: %.*s: %s\n", (int)strcspn(where, "\r"), where, what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void note(struct times *t, const struct caller *c)
{
    t->ns[t->count++] = now_ns() - c->connected_ns;
}

/* -- out */

static void write_on(struct caller *c)
{
    while (c->out_size > 0) {
        ssize_t sent =
            c->secured ? secure_write(&c->secure, c->out, c->out_size) : send(c->fd, c->out, c->out_size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN)
            return;
        if (sent <= 0)
            give_up(c, strerror(errno));
        c->out += sent;
        c->out_size -= (size_t)sent;
    }
}

static void say(struct caller *c, const char *octets, size_t size)
{
    c->out = octets;
    c->out_size = size;
    write_on(c);
}

static void take(struct caller *c, const struct step *step)
{
    c->step = step;
    if (step->command)
        say(c, step->command, strlen(step->command));
}

/* -- what comes after each reply */

static void after_banner(struct caller *c)
{
    note(&c->load->banner, c);
    take(c, &HELLO);
}

static void after_hello(struct caller *c)
{
    take(c, c->load->starttls != STARTTLS_NONE && !c->secured ? &STARTTLS : &MAIL);
}

static void shake_hands(struct caller *c)
{
    int done = secure_shake_hands(&c->secure);
    if (done < 0)
        give_up(c, "the handshake failed");
    if (done == 0)
        return;
    c->shaking_hands = false;
    c->secured = true;
    c->load->resumed += secure_was_resumed(&c->secure);
    take(c, &HELLO);
}

static void after_starttls(struct caller *c)
{
    bool resume = c->load->starttls == STARTTLS_RESUME;
    if (!secure_begin(&c->secure, c->load->context, c->fd, &c->place, resume))
        give_up(c, "no memory for TLS");
    c->shaking_hands = true;
    shake_hands(c);
}

static void after_mail(struct caller *c)
{
    take(c, &RCPT);
}

static void after_rcpt(struct caller *c)
{
    take(c, &DATA);
}

static void after_data(struct caller *c)
{
    take(c, &MESSAGE);
    say(c, c->load->message, c->load->message_size);
}

static bool begin_message(struct caller *c)
{
    struct load *l = c->load;
    if (l->begun == l->messages || c->sent_here == l->per_connection)
        return false;
    l->begun++;
    c->sent_here++;
    return true;
}

static void after_message(struct caller *c)
{
    c->load->delivered++;
    if (c->sent_here == 1)
        note(&c->load->first, c);
    take(c, begin_message(c) ? &MAIL : &QUIT);
}

static void after_quit(struct caller *c)
{
    note(&c->load->whole, c);
    secure_end(&c->secure);
    close(c->fd);
    c->fd = -1;
}

/* -- in */

/* The length of the whole reply at the front; 0: it is not all there. */
static size_t whole_reply(const struct caller *c)
{
    const char *line = c->reply, *end = c->reply + c->reply_size, *newline;
    for (; (newline = memchr(line, '\n', (size_t)(end - line))); line = newline + 1)
        if (newline - line >= 4 && line[3] != '-')
            return (size_t)(newline + 1 - c->reply);
    return 0;
}

static void judge(struct caller *c, size_t size)
{
    c->reply[size - 1] = '\0';
    if (c->reply[0] != c->step->expected)
        give_up(c, c->reply);
    if (size != c->reply_size)
        give_up(c, "more than one reply");
    c->reply_size = 0;
    c->step->then(c);
}

static bool read_on(struct caller *c)
{
    char *at = c->reply + c->reply_size;
    size_t room = sizeof c->reply - c->reply_size;
    ssize_t got = c->secured ? secure_read(&c->secure, at, room) : recv(c->fd, at, room, 0);
    if (got < 0 && errno == EAGAIN)
        return false;
    if (got <= 0)
        give_up(c, got == 0 ? "the connection was closed" : strerror(errno));
    c->reply_size += (size_t)got;
    size_t size = whole_reply(c);
    if (size > 0)
        judge(c, size);
    else if (c->reply_size == sizeof c->reply)
        give_up(c, "a reply without an end");
    return true;
}

/* What OpenSSL has read already no socket tells of, so a secured one is read until it has nothing; a plain one only
 * once, for there is one reply to wait for. */
void caller_go_on(struct caller *c)
{
    if (c->connecting) {
        int error = 0;
        socklen_t size = sizeof error;
        if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0)
            give_up(c, strerror(error ? error : errno));
        c->connecting = false;
        return;
    }
    if (c->shaking_hands)
        shake_hands(c);
    else if (c->out_size > 0)
        write_on(c);
    if (c->shaking_hands || (c->out_size > 0 && !c->secured))
        return;
    bool again = true;
    while (c->fd >= 0 && !c->shaking_hands && again)
        again = read_on(c) && c->secured;
}

bool caller_wants_out(const struct caller *c)
{
    return c->connecting || (c->shaking_hands ? c->secure.wants_out : c->out_size > 0);
}

static bool was_begun(int fd, const struct load *l)
{
    return connect(fd, (const struct sockaddr *)&l->address, l->address_size) == 0 || errno == EINPROGRESS;
}

bool caller_connect(struct caller *c, struct load *load)
{
    int on = 1;
    *c = (struct caller){.load = load, .step = &BANNER, .connecting = true, .place = c->place};
    if (!begin_message(c)) {
        c->fd = -1;
        return false;
    }
    c->fd = socket(load->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    c->connected_ns = now_ns();
    if (c->fd < 0 || setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 || !was_begun(c->fd, load))
        give_up(c, strerror(errno));
    load->sessions++;
    return true;
}
