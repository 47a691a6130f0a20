/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/sink/loop.h"
#include "tests/sink/session.h"

enum {
    READ_BYTES = 256 * 1024, /* one buffer for all: sessions keep what they have not understood yet */
    READS_AT_A_TIME = 4,     /* then the others have their turn */
    ACCEPTS_AT_A_TIME = 16,
    EVENTS_AT_A_TIME = 256,
};

struct connection {
    struct connection *next, **previous;
    int fd;
    bool blocked; /* replies wait for room in the socket; nothing is read meanwhile */
    struct session session;
};

struct loop {
    const struct house *house;
    int epoll, signals;
    bool leaving;
    char *buffer;
    struct connection *first;
};

static bool watch(struct loop *l, int operation, int fd, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    return epoll_ctl(l->epoll, operation, fd, &event) == 0;
}

static void end(struct connection *c, const char *why)
{
    totals_leave(c->session.house->totals);
    session_end(&c->session, why);
    close(c->fd);
    *c->previous = c->next;
    if (c->next)
        c->next->previous = c->previous;
    free(c);
}

static void link_in(struct loop *l, struct connection *c)
{
    c->next = l->first;
    c->previous = &l->first;
    if (l->first)
        l->first->previous = &c->next;
    l->first = c;
}

/* What is said goes out; false when the connection is no more. */
static bool flush(struct loop *l, struct connection *c)
{
    struct session *s = &c->session;
    size_t done = 0;
    while (done < s->out_size) {
        ssize_t sent = send(c->fd, s->out + done, s->out_size - done, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && errno == EAGAIN)
            break;
        if (sent < 0) {
            end(c, "lost while answering");
            return false;
        }
        done += (size_t)sent;
    }
    if (done > 0)
        memmove(s->out, s->out + done, s->out_size - done);
    s->out_size -= done;
    bool blocked = s->out_size > 0;
    if (blocked != c->blocked)
        watch(l, EPOLL_CTL_MOD, c->fd, blocked ? EPOLLOUT : EPOLLIN, c);
    c->blocked = blocked;
    if (blocked || !session_is_over(s))
        return true;
    end(c, "closed by the sink");
    return false;
}

static void put_raw(const struct loop *l, const char *octets, size_t size)
{
    if (l->house->raw >= 0 && write(l->house->raw, octets, size) != (ssize_t)size)
        fprintf(stderr, "sink: --raw: %s\n", strerror(errno));
}

/* False when there is nothing more to read now, or nobody to read from. */
static bool read_some(struct loop *l, struct connection *c)
{
    ssize_t size = recv(c->fd, l->buffer, READ_BYTES, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (size <= 0) {
        end(c, size == 0 ? "closed by the client" : "lost");
        return false;
    }
    put_raw(l, l->buffer, (size_t)size);
    session_hear(&c->session, l->buffer, (size_t)size);
    bool more = session_wants_data(&c->session) && size >= READ_BYTES / 16;
    return flush(l, c) && !c->blocked && more;
}

static void serve(struct loop *l, struct connection *c)
{
    if (c->blocked) {
        flush(l, c);
        return;
    }
    for (int i = 0; i < READS_AT_A_TIME && read_some(l, c); i++)
        ;
}

static bool welcome_one(struct loop *l)
{
    int fd = accept4(l->house->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return false;
    struct connection *c = malloc(sizeof *c);
    if (!c || !watch(l, EPOLL_CTL_ADD, fd, EPOLLIN, c)) {
        free(c);
        close(fd);
        return false;
    }
    c->fd = fd;
    c->blocked = false;
    link_in(l, c);
    totals_enter(l->house->totals);
    session_begin(&c->session, l->house, 1 + atomic_fetch_add(&l->house->totals->connections, 1));
    flush(l, c);
    return true;
}

static void welcome(struct loop *l)
{
    for (int i = 0; i < ACCEPTS_AT_A_TIME && welcome_one(l); i++)
        ;
}

/* SIGUSR1 asks for the totals, whatever else says that it is time to leave. */
static void heed_signal(struct loop *l)
{
    struct signalfd_siginfo told;
    if (read(l->signals, &told, sizeof told) != (ssize_t)sizeof told)
        return;
    if (told.ssi_signo == SIGUSR1 && l->house->options->count)
        totals_say(l->house->totals, l->house->options);
    else if (told.ssi_signo != SIGUSR1)
        l->leaving = true;
}

static void turn(struct loop *l)
{
    struct epoll_event events[EVENTS_AT_A_TIME];
    int count = epoll_wait(l->epoll, events, EVENTS_AT_A_TIME, -1);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == &l->signals)
            heed_signal(l);
        else if (events[i].data.ptr == l)
            welcome(l);
        else
            serve(l, events[i].data.ptr);
    }
}

static bool begin(struct loop *l)
{
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, SIGTERM);
    sigaddset(&own, SIGINT);
    sigaddset(&own, SIGUSR1);
    l->buffer = malloc(READ_BYTES);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->signals = signalfd(-1, &own, SFD_NONBLOCK | SFD_CLOEXEC);
    return l->buffer && l->epoll >= 0 && l->signals >= 0 && watch(l, EPOLL_CTL_ADD, l->signals, EPOLLIN, &l->signals) &&
           watch(l, EPOLL_CTL_ADD, l->house->listener, EPOLLIN | EPOLLEXCLUSIVE, l);
}

static void clear(struct loop *l)
{
    while (l->first)
        end(l->first, "cut: the sink leaves");
    if (l->epoll >= 0)
        close(l->epoll);
    if (l->signals >= 0)
        close(l->signals);
    free(l->buffer);
}

bool loop_run(const struct house *house)
{
    struct loop l = {.house = house, .epoll = -1, .signals = -1};
    bool begun = begin(&l);
    if (!begun)
        fprintf(stderr, "sink: %s\n", strerror(errno));
    while (begun && !l.leaving)
        turn(&l);
    clear(&l);
    return begun;
}
