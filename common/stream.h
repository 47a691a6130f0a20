/* SPDX-License-Identifier: ISC
 *
 * stream - one socket with its buffers; the only unit that reads and writes the sockets of a session.
 *
 * Waits go through wait.h under one absolute deadline. No call on the socket waits by itself, whatever the descriptor's
 * flags, but the first one of a read, where wait.h allows it, and for a short while only (clock_recv). Reading flushes
 * writing first whenever it has to ask the socket, so no reply is ever forgotten; only who is about to wait for
 * somebody else flushes himself. The memory of both buffers is the owner's and fixed.
 *
 * The two directions end apart: a client that half-closed still hears its replies, and one that said nothing in time
 * still hears why. IO_END and IO_LOST end reading for good; any failed write ends writing for good, since nobody knows
 * how much of it went out. IO_LATE, IO_EARLY, IO_GONE and IO_TOO_LONG from a read leave what was read in the buffer.
 *
 * A change of TLS state begins with empty buffers: nothing read before it can be seen after it (L6). There is no way
 * back: the end of TLS is the end of the stream.
 */
#ifndef POSTERN_COMMON_STREAM_H
#define POSTERN_COMMON_STREAM_H

#include <sys/uio.h>

#include "common/buffer.h"
#include "common/tls.h"
#include "common/wait.h"

enum { STREAM_LINGER_BYTES = 1 << 20 };

struct stream {
    int fd; /* -1: closed */
    struct wait *wait;
    struct tls *tls; /* NULL: in the clear */
    struct buffer in;
    struct buffer out;
    enum io reading; /* IO_OK until it has ended */
    enum io writing;
    int error;           /* errno of IO_LOST */
    bool greedy;         /* the last read filled the buffer: more is likely there */
    bool dozes;          /* a read may wait by itself */
    bool skips;          /* in the middle of a line that was too long */
    uint64_t emptied_in; /* the wait's moment in which a read took all that the socket held */
    uint64_t received_bytes;
    uint64_t sent_bytes;
};

/* As a deadline: what can be done now, and no wait. IO_LATE from a read says that there is nothing (more) then, or that
 * what is there brought nothing for long enough (key updates without end), and it may be asked again when the socket
 * has something; a write that would have to wait is a failed one as ever. */
#define STREAM_NOW INT64_C(0)

/* What can be said of unread input without waiting. */
enum input { INPUT_NONE, INPUT_SOME, INPUT_END, INPUT_LOST };

void stream_init(struct stream *s, struct wait *wait, char *in, size_t in_size, char *out, size_t out_size);
void stream_open(struct stream *s, int fd); /* takes fd, need not be non-blocking; forgets all that was buffered */
void stream_close(struct stream *s); /* what is unwritten is dropped; TLS says close_notify, and waits for none */
/* As close, but first what the peer still sends is read away until it ends, for `wait_ms` and STREAM_LINGER_BYTES at
 * most: a close with unread input is a reset, which can overtake our last reply on its way. What nobody took is wiped:
 * it may have been a password. */
void stream_close_gently(struct stream *s, int64_t wait_ms);
void stream_abort(struct stream *s); /* as close, but the peer sees a reset (no FIN that could end a message) */

/* From now on all goes through `tls`, which becomes the stream's, also when this fails. Both buffers must be empty, and
 * whoever cares that the socket is empty too asked stream_input before the peer was told to begin. IO_LOST: the
 * handshake failed, stream_tls_why says of what; the stream is dead then. Server or client is what `tls` was begun as.
 * With STREAM_NOW, IO_LATE says that the handshake goes on when the socket has input: call it again with the same
 * `tls`. */
enum io stream_secure(struct stream *s, struct tls *tls, int64_t deadline_ms) IO_MUST_USE;
const char *stream_tls_why(const struct stream *s);

/* The next line up to and with its LF, valid until the next read; at most `limit` octets of it, else the line is thrown
 * away to its LF, *line_out is the last one or two octets of it, and IO_TOO_LONG is said. A line that is in the buffer
 * already costs no system call. Who was late goes on with the same line when he asks again. */
enum io stream_read_line(struct stream *s, size_t limit, int64_t deadline_ms, struct slice *line_out) IO_MUST_USE;

/* At least one octet more into `in`, whose unread part the caller then takes from with buffer_consume. */
enum io stream_fill(struct stream *s, int64_t deadline_ms) IO_MUST_USE;

/* The same, but at most `limit` octets: what is behind them stays where it is, for TLS to begin with. */
enum io stream_fill_within(struct stream *s, size_t limit, int64_t deadline_ms) IO_MUST_USE;

/* What is unread now, in the buffer or in the socket. Never waits, reads nothing away. */
enum input stream_input(struct stream *s);
/* Is there unread input, as far as is known? Where nobody has waited since the last read, and that seemed to leave
 * nothing, the socket is not asked: urgent data can make a read end before its time. */
bool stream_holds_input(struct stream *s);

/* What the owner has put into `out` leaves. */
enum io stream_flush(struct stream *s, int64_t deadline_ms) IO_MUST_USE;

/* The same, but at most `limit` octets of it: the rest stays. */
enum io stream_flush_some(struct stream *s, size_t limit, int64_t deadline_ms) IO_MUST_USE;

/* What is in `out`, then these pieces, in as few writes as can be: in the clear one, of the pieces where they lie;
 * under TLS one for each record of 16 KiB. At most 16 pieces. */
enum io stream_write(struct stream *s, const struct iovec *pieces, int count, int64_t deadline_ms) IO_MUST_USE;

#endif
