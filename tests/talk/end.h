/* SPDX-License-Identifier: ISC
 *
 * end - the runner's end of one connection of the session: what was heard from it and what is still to be said to it.
 *
 * All are Unix stream sockets in one process, so everything is there at once and in order: nothing ever has to be
 * waited for. What they cannot show is TCP's: a reset that overtakes data, delayed acknowledgements.
 *
 * In TLS what was heard, and what is said, is the text in it.
 */
#ifndef POSTERN_TESTS_TALK_END_H
#define POSTERN_TESTS_TALK_END_H

#include "tests/talk/report.h"
#include "tests/talk/secure.h"

struct octets {
    char *at;
    size_t size, capacity;
};

struct end {
    int fd;     /* -1: none, or closed by the talk */
    int server; /* inside: whose connection, from 1 */
    const char *hears_mark, *says_mark;
    bool follows; /* closes when the session has: a client that is still there would be lingered for */
    bool ended;   /* the session has closed or reset it */
    bool half_closed;
    bool dismissed; /* its QUIT was answered */
    bool deaf;
    struct octets heard;
    size_t taken; /* of heard: what steps have dealt with */
    struct octets unsaid;
    size_t cut;         /* as many octets as leave at a time, and in one TLS record; 0: all */
    struct secure *tls; /* NULL: in the clear */
    bool holds_back;    /* only `allowed` octets more leave */
    size_t allowed;
};

void end_open(struct end *end, int fd, const char *hears_mark, const char *says_mark);
void end_clear(struct end *end);

void end_say(struct end *end, struct slice octets, struct report *report);
void end_say_clear(struct end *end, struct slice octets); /* beneath TLS */
void end_say_all(struct end *end, struct report *report); /* what is unsaid leaves uncut, as far as it can */
/* As much as can be written and read now; true when anything moved. */
bool end_move(struct end *end, struct report *report);

struct slice end_unheard(const struct end *end); /* heard from the session, but dealt with by no step */
void end_take(struct end *end, size_t size);

/* From now on it speaks TLS; what was unheard is its beginning. Takes `tls`. */
void end_begin_tls(struct end *end, struct secure *tls, struct report *report);
void end_close_notify(struct end *end);

void end_close(struct end *end);
void end_half_close(struct end *end);
/* `session_fd` is the session's own descriptor of this connection, in this same process: Linux resets a Unix socket
 * whose peer goes with unread octets, so one is put there for nobody to read. */
void end_reset(struct end *end, int session_fd);

#endif
