/* SPDX-License-Identifier: ISC
 *
 * clock - the only unit that asks for the time or waits for it.
 *
 * Tests link another clock.c in its place and own the time. Deadlines are absolute, in milliseconds of CLOCK_MONOTONIC,
 * so that a peer who trickles gains nothing and a stepped wall clock does no harm.
 */
#ifndef POSTERN_COMMON_CLOCK_H
#define POSTERN_COMMON_CLOCK_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <time.h>

#define CLOCK_NEVER INT64_MAX

int64_t clock_ms(void);      /* monotonic */
int64_t clock_us(void);      /* monotonic, too: to measure what takes less */
time_t clock_wall(void);     /* seconds since 1970, for people and protocols only */
int64_t clock_wall_us(void); /* microseconds since 1970, for ids */

/* A duration in seconds, rounded up. */
static inline int64_t clock_whole_s(int64_t ms)
{
    return (ms + 999) / 1000;
}

/* The deadline `wait_ms` from now. */
int64_t clock_deadline(int64_t wait_ms);

/* poll(2) until `deadline_ms`. The number of ready descriptors, 0 when the deadline has passed, -1 with errno (never
 * EINTR: a signal does not end the wait). Also looks when the deadline is already behind. */
int clock_poll(struct pollfd *fds, nfds_t count, int64_t deadline_ms);

/* A place at the end of the queue of all who wait for input on `fd`, in whatever process: of all who wait in
 * clock_poll_queued, who has been in the queue longest is woken, one for each octet of a pipe. It is a descriptor, to
 * be closed by who leaves; -1 with errno. */
int clock_queue(int fd);
/* clock_poll, while in the queue. *woken_out: it is our turn; there is input for us, unless another was quicker. That
 * alone gives a return of 0 before the deadline. Some kernel work more than a clock_poll: for long waits. */
int clock_poll_queued(int place, struct pollfd *fds, nfds_t count, bool *woken_out, int64_t deadline_ms);

/* The short while for which the kernel may wait for one socket: one system call in place of two or three, where the
 * answer comes soon. */
enum { CLOCK_DOZE_MS = 100 };

/* From now on clock_recv waits on this socket; false: it does not. */
bool clock_let_doze(int fd);
/* connect(2), which waits as long; -1 with EINPROGRESS (Unix: EAGAIN) when that was not enough. */
int clock_connect(int fd, const struct sockaddr *to, socklen_t size);
/* recv(2), which waits for CLOCK_DOZE_MS where that was allowed; then -1 with EAGAIN. A signal ends it (EINTR). */
ssize_t clock_recv(int fd, void *at, size_t size);

/* A word of memory that several processes share (a mapping that only reads will do): waits while it is `seen`, until
 * `deadline_ms` or until somebody tells that it changed. False: the deadline has passed. Look at the word anew after.
 */
bool clock_await_change(const _Atomic uint32_t *word, uint32_t seen, int64_t deadline_ms);
void clock_tell_change(_Atomic uint32_t *word); /* to all who wait */

#endif
