/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/talk/end.h"

static void octets_add(struct octets *o, struct slice more)
{
    if (o->capacity - o->size < more.size) {
        o->capacity = (o->size + more.size) * 2;
        o->at = realloc(o->at, o->capacity);
        if (!o->at)
            abort();
    }
    if (more.size)
        memcpy(o->at + o->size, more.at, more.size);
    o->size += more.size;
}

static void octets_drop(struct octets *o, size_t count)
{
    memmove(o->at, o->at + count, o->size - count);
    o->size -= count;
}

void end_open(struct end *end, int fd, const char *hears_mark, const char *says_mark)
{
    *end = (struct end){.fd = fd, .hears_mark = hears_mark, .says_mark = says_mark};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void end_clear(struct end *end)
{
    end_close(end);
    secure_free(&end->tls);
    free(end->heard.at);
    free(end->unsaid.at);
    *end = (struct end){.fd = -1};
}

static bool talks_tls(const struct end *end)
{
    return end->tls && secure_state(end->tls) != SECURE_FAILED;
}

/* What TLS has to say becomes unsaid. */
static void take_raw(struct end *end)
{
    char raw[4096];
    for (size_t size = 1; end->tls && size > 0;) {
        size = secure_take_raw(end->tls, raw, sizeof raw);
        octets_add(&end->unsaid, slice_make(raw, size));
    }
}

void end_say(struct end *end, struct slice octets, struct report *report)
{
    if (!talks_tls(end)) {
        octets_add(&end->unsaid, octets);
        return;
    }
    report_octets(report, end->says_mark, octets);
    secure_say(end->tls, octets, end->cut);
    take_raw(end);
}

void end_say_clear(struct end *end, struct slice octets)
{
    octets_add(&end->unsaid, octets);
}

void end_close_notify(struct end *end)
{
    secure_say_close(end->tls);
    take_raw(end);
}

/* What the network takes at once. */
static size_t next_piece(const struct end *end)
{
    size_t piece = end->cut && end->cut < end->unsaid.size ? end->cut : end->unsaid.size;
    return end->holds_back && end->allowed < piece ? end->allowed : piece;
}

static bool say(struct end *end, struct report *report)
{
    size_t piece = next_piece(end);
    if (piece == 0)
        return false;
    ssize_t size = send(end->fd, end->unsaid.at, piece, MSG_NOSIGNAL);
    if (size > 0) {
        if (!end->tls)
            report_octets(report, end->says_mark, slice_make(end->unsaid.at, (size_t)size));
        octets_drop(&end->unsaid, (size_t)size);
        end->allowed -= end->holds_back ? (size_t)size : 0;
        return true;
    }
    if (errno == EAGAIN)
        return false;
    report_event(report, end->says_mark, "(said to a closed connection)");
    end->unsaid.size = 0;
    return false;
}

static bool looks_like_tls(struct slice octets)
{
    return octets.size > 1 && octets.at[0] == 0x16 && octets.at[1] == 3;
}

static void take_heard(struct end *end, struct slice heard, struct report *report)
{
    octets_add(&end->heard, heard);
    if (looks_like_tls(heard))
        report_event(report, end->hears_mark, "(%zu octets of TLS)", heard.size);
    else
        report_octets(report, end->hears_mark, heard);
}

static void tell_news(const struct end *end, enum secure_state before, struct report *report)
{
    enum secure_state now = secure_state(end->tls);
    if (now == before)
        return;
    if (now == SECURE_FAILED && !secure_may_it_fail(end->tls))
        report_fail(report, "but TLS %s: %s", before == SECURE_HANDSHAKE ? "failed to begin" : "broke",
                    secure_why(end->tls));
    if (now == SECURE_FAILED)
        report_event(report, end->hears_mark, "(TLS failed: %s)", secure_why(end->tls));
    else
        report_event(report, end->hears_mark, now == SECURE_OPEN ? "(TLS begins)" : "(close_notify)");
}

/* Octets of the network; what TLS does with them. */
static void hear_tls(struct end *end, struct slice raw, struct report *report)
{
    char text[65536];
    enum secure_state before = secure_state(end->tls);
    size_t framed = secure_hear(end->tls, raw);
    take_raw(end);
    tell_news(end, before, report);
    before = secure_state(end->tls);
    for (size_t size = 1; size > 0;) {
        size = secure_take_heard(end->tls, text, sizeof text);
        take_heard(end, slice_make(text, size), report);
    }
    tell_news(end, before, report);
    slice_drop(&raw, framed);
    take_heard(end, raw, report);
}

void end_begin_tls(struct end *end, struct secure *tls, struct report *report)
{
    struct octets unheard = {0};
    octets_add(&unheard, end_unheard(end));
    end_take(end, end_unheard(end).size);
    end->tls = tls;
    take_raw(end);
    hear_tls(end, slice_make(unheard.at ? unheard.at : "", unheard.size), report);
    free(unheard.at);
}

static bool hear(struct end *end, struct report *report)
{
    char octets[65536];
    ssize_t size = recv(end->fd, octets, sizeof octets, 0);
    if (size > 0) {
        if (end->tls)
            hear_tls(end, slice_make(octets, (size_t)size), report);
        else
            take_heard(end, slice_make(octets, (size_t)size), report);
        return true;
    }
    if (size < 0 && errno == EAGAIN)
        return false;
    end->ended = true;
    report_event(report, end->hears_mark, "(the session closed the connection)");
    if (end->follows)
        end_close(end);
    return true;
}

void end_say_all(struct end *end, struct report *report)
{
    while (end->unsaid.size > 0 && say(end, report))
        continue;
}

bool end_move(struct end *end, struct report *report)
{
    bool moved = false;
    if (end->fd < 0)
        return false;
    if (end->unsaid.size > 0)
        moved = say(end, report);
    while (!end->deaf && !end->ended && hear(end, report))
        moved = true;
    return moved;
}

struct slice end_unheard(const struct end *end)
{
    return slice_make(end->heard.at ? end->heard.at + end->taken : "", end->heard.size - end->taken);
}

void end_take(struct end *end, size_t size)
{
    end->taken += size;
}

void end_close(struct end *end)
{
    if (end->fd >= 0)
        close(end->fd);
    end->fd = -1;
}

void end_half_close(struct end *end)
{
    shutdown(end->fd, SHUT_WR);
    end->half_closed = true;
}

void end_reset(struct end *end, int session_fd)
{
    ssize_t size = send(session_fd, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)size; /* a session that is gone already needs no reset */
    end_close(end);
}
