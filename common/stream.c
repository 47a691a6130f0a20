/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/must.h"
#include "common/stream.h"

/* STREAM_NOW: steps that bring nothing, of records without data say, before others have their turn. */
enum { PIECES_MAX = 16, STEPS_NOW_MAX = 16 };

static const uint64_t NEVER = UINT64_MAX; /* a moment that no wait comes to */

void stream_init(struct stream *s, struct wait *wait, char *in, size_t in_size, char *out, size_t out_size)
{
    *s = (struct stream){.fd = -1, .wait = wait, .reading = IO_END, .writing = IO_END};
    buffer_init(&s->in, in, in_size);
    buffer_init(&s->out, out, out_size);
}

void stream_open(struct stream *s, int fd)
{
    must(s->fd < 0 && s->tls == NULL);
    buffer_clear(&s->in);
    buffer_clear(&s->out);
    s->fd = fd;
    s->reading = s->writing = IO_OK;
    s->error = 0;
    s->greedy = s->skips = false;
    s->dozes = clock_let_doze(fd);
    s->emptied_in = NEVER;
    s->received_bytes = s->sent_bytes = 0;
}

static void shut(struct stream *s)
{
    tls_free(&s->tls);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->reading = s->writing = IO_END;
    buffer_clear(&s->in);
    buffer_clear(&s->out);
}

static void say_goodbye(struct stream *s)
{
    if (s->tls != NULL && s->writing == IO_OK)
        tls_say_goodbye(s->tls);
}

void stream_close(struct stream *s)
{
    say_goodbye(s);
    shut(s);
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* Straight from the socket, and to nobody: under TLS, too, where it is not worth deciphering. */
static void read_away(struct stream *s, int64_t deadline_ms)
{
    size_t size = 0;
    while (size < STREAM_LINGER_BYTES && clock_ms() <= deadline_ms) {
        ssize_t got = recv(s->fd, s->in.memory, s->in.capacity, MSG_DONTWAIT);
        if (got > 0)
            size += (size_t)got;
        else if (got == 0 || (!would_block() && errno != EINTR))
            return;
        else if (wait_for(s->wait, s->fd, POLLIN, deadline_ms) != IO_OK)
            return;
    }
}

void stream_close_gently(struct stream *s, int64_t wait_ms)
{
    int64_t deadline = clock_deadline(wait_ms);
    bool unread = s->fd >= 0 && s->reading == IO_OK && stream_holds_input(s);
    bool left = unread || buffer_unread(&s->in).size > 0;
    say_goodbye(s);
    if (unread && shutdown(s->fd, SHUT_WR) == 0)
        read_away(s, deadline);
    shut(s);
    if (left)
        buffer_wipe(&s->in);
}

void stream_abort(struct stream *s)
{
    if (s->fd >= 0) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    shut(s);
}

static enum io failed(struct stream *s, enum io *direction)
{
    s->error = errno;
    *direction = IO_LOST;
    return IO_LOST;
}

static bool is_past(int64_t deadline_ms, int64_t now_ms, int64_t steps)
{
    return deadline_ms == STREAM_NOW ? steps >= STEPS_NOW_MAX : now_ms > deadline_ms;
}

/* One step of reading, in the clear or not; errno says why it failed. A read that brought less than there is room for
 * has emptied the socket (but for TCP's urgent octets, behind which it goes on). */
static enum tls_step take(struct stream *s, bool dozing, size_t *got_out)
{
    char *to = s->in.memory + s->in.end;
    size_t room = s->in.capacity - s->in.end;
    must(room > 0);
    if (s->tls != NULL)
        return dozing ? tls_read_dozing(s->tls, to, room, got_out) : tls_read(s->tls, to, room, got_out);
    ssize_t got = dozing ? clock_recv(s->fd, to, room) : recv(s->fd, to, room, MSG_DONTWAIT);
    *got_out = got > 0 ? (size_t)got : 0;
    if (got < 0)
        return would_block() || errno == EINTR ? TLS_WANTS_READ : TLS_FAILED;
    s->greedy = *got_out == room;
    if (!s->greedy)
        s->emptied_in = s->wait->moment;
    return got > 0 ? TLS_DONE : TLS_END;
}

static short events_of(enum tls_step wanted)
{
    return wanted == TLS_WANTS_WRITE ? POLLOUT : POLLIN;
}

/* Of TLS's records as many as are there and fit, as the socket does with segments: a peer that makes a record of each
 * line must not cost us a wait and a write inside for each. What ends the stream is said again by the next step. */
static void take_more(struct stream *s)
{
    size_t got = 1;
    enum tls_step step = TLS_DONE;
    while (s->tls != NULL && step == TLS_DONE && s->in.end < s->in.capacity) {
        step = take(s, false, &got);
        s->in.end += got;
        s->received_bytes += got;
    }
}

/* Room in the buffer is taken straight from the socket. A deadline holds for the whole exchange: it is looked at before
 * each read, since a peer that always has something ready is never waited for. */
static enum io receive(struct stream *s, int64_t deadline_ms)
{
    enum tls_step step = TLS_WANTS_READ;
    bool ask_first = s->tls != NULL ? tls_holds_input(s->tls) : s->greedy;
    bool may_doze = s->dozes && !ask_first;
    for (int64_t steps = 0;; steps++) {
        size_t got;
        int64_t now = clock_ms();
        enum io io = is_past(deadline_ms, now, steps) ? IO_LATE : IO_OK;
        wait_alive(s->wait, now);
        bool dozing = io == IO_OK && may_doze && wait_may_doze(s->wait, deadline_ms, now);
        if (io == IO_OK && !ask_first && !dozing)
            io = wait_for(s->wait, s->fd, events_of(step), deadline_ms);
        if (io != IO_OK)
            return io;
        ask_first = may_doze = false;
        step = take(s, dozing, &got);
        if (step == TLS_END)
            return s->reading = IO_END;
        if (step == TLS_FAILED)
            return failed(s, &s->reading);
        if (step == TLS_DONE) {
            s->in.end += got;
            s->received_bytes += got;
            take_more(s);
            return IO_OK;
        }
    }
}

/* Flushing comes first, so that nobody waits for an answer that lies here. */
enum io stream_fill(struct stream *s, int64_t deadline_ms)
{
    if (s->reading != IO_OK)
        return s->reading;
    enum io io = buffer_unread(&s->out).size > 0 ? stream_flush(s, deadline_ms) : IO_OK;
    if (io != IO_OK)
        return io;
    buffer_compact(&s->in);
    return receive(s, deadline_ms);
}

/* For this one call the buffer ends where the limit is. */
enum io stream_fill_within(struct stream *s, size_t limit, int64_t deadline_ms)
{
    size_t capacity = s->in.capacity;
    must(limit > 0);
    buffer_compact(&s->in);
    if (limit < capacity - s->in.end)
        s->in.capacity = s->in.end + limit;
    enum io io = stream_fill(s, deadline_ms);
    s->in.capacity = capacity;
    return io;
}

/* Throws away what there is until a LF comes; the octet before it is kept for who asks how the line ended. */
static enum io skip_line(struct stream *s, int64_t deadline_ms, struct slice *line_out)
{
    s->skips = true; /* until its end, whoever is late meanwhile */
    for (;;) {
        struct slice unread = buffer_unread(&s->in);
        const char *lf = unread.size > 0 ? memchr(unread.at, '\n', unread.size) : NULL;
        if (lf != NULL) {
            size_t size = (size_t)(lf - unread.at) + 1;
            *line_out = size >= 2 ? slice_make(lf - 1, 2) : slice_make(lf, 1);
            buffer_consume(&s->in, size);
            s->skips = false;
            return IO_TOO_LONG;
        }
        buffer_consume(&s->in, unread.size > 0 ? unread.size - 1 : 0);
        enum io io = stream_fill(s, deadline_ms);
        if (io != IO_OK)
            return io;
    }
}

enum io stream_read_line(struct stream *s, size_t limit, int64_t deadline_ms, struct slice *line_out)
{
    size_t seen = 0;
    must(limit <= s->in.capacity);
    if (s->skips)
        return skip_line(s, deadline_ms, line_out);
    for (;;) {
        struct slice unread = buffer_unread(&s->in);
        const char *lf = unread.size > seen ? memchr(unread.at + seen, '\n', unread.size - seen) : NULL;
        size_t size = lf != NULL ? (size_t)(lf - unread.at) + 1 : unread.size;
        if (size > limit || (lf == NULL && size == limit))
            return skip_line(s, deadline_ms, line_out);
        if (lf != NULL) {
            *line_out = slice_make(unread.at, size);
            buffer_consume(&s->in, size);
            return IO_OK;
        }
        seen = unread.size;
        enum io io = stream_fill(s, deadline_ms);
        if (io != IO_OK)
            return io;
    }
}

static enum tls_step peek(struct stream *s)
{
    char octet;
    ssize_t got;
    if (s->tls != NULL)
        return tls_peek(s->tls);
    do {
        got = recv(s->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return would_block() ? TLS_WANTS_READ : TLS_FAILED;
    return got > 0 ? TLS_DONE : TLS_END;
}

enum input stream_input(struct stream *s)
{
    static const enum input inputs[] = {
        [TLS_DONE] = INPUT_SOME, [TLS_WANTS_READ] = INPUT_NONE, [TLS_WANTS_WRITE] = INPUT_NONE,
        [TLS_END] = INPUT_END,   [TLS_FAILED] = INPUT_LOST,
    };
    if (buffer_unread(&s->in).size > 0)
        return INPUT_SOME;
    if (s->reading != IO_OK)
        return s->reading == IO_END ? INPUT_END : INPUT_LOST;
    return inputs[peek(s)];
}

bool stream_holds_input(struct stream *s)
{
    if (buffer_unread(&s->in).size > 0)
        return true;
    return s->emptied_in != s->wait->moment && stream_input(s) == INPUT_SOME;
}

/* What was written leaves the front of the pieces. The number of pieces that still hold something. */
static int advance(struct iovec *pieces, int count, size_t written)
{
    int first = 0;
    while (first < count && written >= pieces[first].iov_len)
        written -= pieces[first++].iov_len;
    if (first < count) {
        pieces[first].iov_base = (char *)pieces[first].iov_base + written;
        pieces[first].iov_len -= written;
    }
    memmove(pieces, pieces + first, (size_t)(count - first) * sizeof(*pieces));
    return count - first;
}

static bool more_follows(const struct iovec *pieces, int count)
{
    for (int i = 1; i < count; i++)
        if (pieces[i].iov_len > 0)
            return true;
    return false;
}

/* Not sendmsg, which would take all pieces at once: it can hand descriptors to others, so no worker may call it. */
static enum tls_step put(struct stream *s, struct iovec *pieces, int count, size_t *put_out)
{
    if (s->tls != NULL)
        return tls_write(s->tls, pieces, count, put_out);
    const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more_follows(pieces, count) ? MSG_MORE : 0);
    ssize_t sent;
    do {
        sent = send(s->fd, pieces->iov_base, pieces->iov_len, flags);
    } while (sent < 0 && errno == EINTR);
    *put_out = sent > 0 ? (size_t)sent : 0;
    if (sent < 0)
        return would_block() ? TLS_WANTS_WRITE : TLS_FAILED;
    return TLS_DONE;
}

static enum io write_all(struct stream *s, struct iovec *pieces, int count, int64_t deadline_ms)
{
    count = advance(pieces, count, 0);
    while (count > 0) {
        size_t sent;
        enum tls_step step = put(s, pieces, count, &sent);
        if (step == TLS_FAILED || step == TLS_END)
            return failed(s, &s->writing);
        s->sent_bytes += sent;
        count = advance(pieces, count, sent);
        enum io io = step == TLS_DONE ? IO_OK : wait_for(s->wait, s->fd, events_of(step), deadline_ms);
        if (io != IO_OK)
            return s->writing = io;
    }
    return IO_OK;
}

enum io stream_write(struct stream *s, const struct iovec *pieces, int count, int64_t deadline_ms)
{
    struct iovec all[PIECES_MAX + 1];
    must(count <= PIECES_MAX);
    if (s->writing != IO_OK)
        return s->writing;
    struct slice pending = buffer_unread(&s->out);
    all[0] = (struct iovec){.iov_base = (void *)(uintptr_t)pending.at, .iov_len = pending.size};
    if (count > 0)
        memcpy(all + 1, pieces, (size_t)count * sizeof(*pieces));
    enum io io = write_all(s, all, count + 1, deadline_ms);
    buffer_clear(&s->out);
    return io;
}

enum io stream_flush(struct stream *s, int64_t deadline_ms)
{
    if (s->writing != IO_OK || buffer_unread(&s->out).size == 0)
        return s->writing;
    return stream_write(s, NULL, 0, deadline_ms);
}

enum io stream_flush_some(struct stream *s, size_t limit, int64_t deadline_ms)
{
    struct slice pending = buffer_unread(&s->out);
    if (s->writing != IO_OK || pending.size == 0)
        return s->writing;
    if (pending.size > limit)
        pending.size = limit;
    struct iovec piece = {.iov_base = (void *)(uintptr_t)pending.at, .iov_len = pending.size};
    enum io io = write_all(s, &piece, 1, deadline_ms);
    buffer_consume(&s->out, pending.size);
    return io;
}

static enum io shake_hands(struct stream *s, int64_t deadline_ms)
{
    for (int64_t steps = 0;; steps++) {
        int64_t now = clock_ms();
        wait_alive(s->wait, now);
        if (is_past(deadline_ms, now, steps))
            return IO_LATE;
        enum tls_step step = tls_handshake(s->tls);
        if (step == TLS_DONE)
            return IO_OK;
        if (step == TLS_FAILED || step == TLS_END)
            return failed(s, &s->reading);
        enum io io = wait_for(s->wait, s->fd, events_of(step), deadline_ms);
        if (io != IO_OK)
            return io;
    }
}

static void begin_tls(struct stream *s, struct tls *tls)
{
    must(buffer_unread(&s->in).size == 0 && buffer_unread(&s->out).size == 0);
    s->tls = tls;
    s->greedy = false;
    s->emptied_in = NEVER;
    if (s->fd >= 0)
        tls_attach(tls, s->fd);
}

enum io stream_secure(struct stream *s, struct tls *tls, int64_t deadline_ms)
{
    must(tls != NULL && (s->tls == NULL || s->tls == tls));
    if (s->tls == NULL)
        begin_tls(s, tls);
    if (s->reading != IO_OK || s->writing != IO_OK)
        return s->reading = s->writing = IO_LOST;
    enum io io = shake_hands(s, deadline_ms);
    if (io == IO_LATE && deadline_ms == STREAM_NOW)
        return io;
    return s->reading = s->writing = io;
}

const char *stream_tls_why(const struct stream *s)
{
    if (s->tls == NULL)
        return "";
    if (!tls_is_established(s->tls) && s->reading == IO_LATE)
        return "the handshake was not done in time";
    return tls_why(s->tls);
}
