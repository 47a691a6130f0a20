/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/must.h"
#include "common/stream.h"

enum { PIECES_MAX = 16 };

void stream_init(struct stream *s, struct wait *wait, char *in, size_t in_size, char *out, size_t out_size)
{
    *s = (struct stream){.fd = -1, .wait = wait, .reading = IO_END, .writing = IO_END};
    buffer_init(&s->in, in, in_size);
    buffer_init(&s->out, out, out_size);
}

void stream_open(struct stream *s, int fd)
{
    must(s->fd < 0);
    buffer_clear(&s->in);
    buffer_clear(&s->out);
    s->fd = fd;
    s->reading = s->writing = IO_OK;
    s->error = 0;
    s->greedy = false;
    s->received_bytes = s->sent_bytes = 0;
}

void stream_close(struct stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->reading = s->writing = IO_END;
    buffer_clear(&s->in);
    buffer_clear(&s->out);
}

void stream_close_gently(struct stream *s, int64_t wait_ms)
{
    int64_t deadline = clock_deadline(wait_ms);
    size_t read_away = 0;
    if (s->fd >= 0 && s->reading == IO_OK && stream_input(s) == INPUT_SOME && shutdown(s->fd, SHUT_WR) == 0) {
        buffer_clear(&s->in);
        while (read_away < STREAM_LINGER_BYTES && stream_fill(s, deadline) == IO_OK) {
            read_away += buffer_unread(&s->in).size;
            buffer_clear(&s->in);
        }
    }
    stream_close(s);
}

void stream_abort(struct stream *s)
{
    if (s->fd >= 0) {
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    stream_close(s);
}

static enum io failed(struct stream *s, enum io *direction)
{
    s->error = errno;
    *direction = IO_LOST;
    return IO_LOST;
}

static bool would_block(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK;
}

/* Room in the buffer is taken straight from the socket. A deadline holds for the whole exchange: it is looked at before
 * each read, since a peer that always has something ready is never waited for. */
static enum io receive(struct stream *s, int64_t deadline_ms)
{
    size_t room = s->in.capacity - s->in.end;
    must(room > 0);
    for (;;) {
        int64_t now = clock_ms();
        enum io io = now > deadline_ms ? IO_LATE : IO_OK;
        wait_alive(s->wait, now);
        if (io == IO_OK && !s->greedy)
            io = wait_for(s->wait, s->fd, POLLIN, deadline_ms);
        if (io != IO_OK)
            return io;
        ssize_t got = recv(s->fd, s->in.memory + s->in.end, room, MSG_DONTWAIT);
        s->greedy = got == (ssize_t)room;
        if (got > 0) {
            s->in.end += (size_t)got;
            s->received_bytes += (uint64_t)got;
            return IO_OK;
        }
        if (got == 0)
            return s->reading = IO_END;
        if (!would_block() && errno != EINTR)
            return failed(s, &s->reading);
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

/* Throws away what there is until a LF comes; the octet before it is kept for who asks how the line ended. */
static enum io skip_line(struct stream *s, int64_t deadline_ms, struct slice *line_out)
{
    for (;;) {
        struct slice unread = buffer_unread(&s->in);
        const char *lf = unread.size > 0 ? memchr(unread.at, '\n', unread.size) : NULL;
        if (lf != NULL) {
            size_t size = (size_t)(lf - unread.at) + 1;
            *line_out = size >= 2 ? slice_make(lf - 1, 2) : slice_make(lf, 1);
            buffer_consume(&s->in, size);
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

enum input stream_input(struct stream *s)
{
    char octet;
    if (buffer_unread(&s->in).size > 0)
        return INPUT_SOME;
    if (s->reading != IO_OK)
        return s->reading == IO_END ? INPUT_END : INPUT_LOST;
    ssize_t got;
    do {
        got = recv(s->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        return INPUT_SOME;
    if (got == 0)
        return INPUT_END;
    return would_block() ? INPUT_NONE : INPUT_LOST;
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

static enum io write_all(struct stream *s, struct iovec *pieces, int count, int64_t deadline_ms)
{
    count = advance(pieces, count, 0);
    while (count > 0) {
        struct msghdr message = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
        ssize_t put = sendmsg(s->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put >= 0) {
            s->sent_bytes += (uint64_t)put;
            count = advance(pieces, count, (size_t)put);
        } else if (would_block()) {
            enum io io = wait_for(s->wait, s->fd, POLLOUT, deadline_ms);
            if (io != IO_OK)
                return s->writing = io;
        } else if (errno != EINTR) {
            return failed(s, &s->writing);
        }
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

enum io stream_secure(struct stream *s, struct tls *tls, int64_t deadline_ms)
{
    (void)tls;
    (void)deadline_ms;
    return s->reading = s->writing = IO_LOST;
}

const char *stream_tls_why(const struct stream *s)
{
    (void)s;
    return "";
}
