/* SPDX-License-Identifier: ISC
 *
 * wait - how a worker waits for one descriptor while it keeps an eye on others.
 *
 * Code reads top to bottom ("blocking"), yet a wait for inside must notice that outside hung up, a wait for either must
 * notice that the master let go of the lifeline, and DNS questions must go on meanwhile. Who has such an interest is a
 * guest: a descriptor, the events it cares about, and what to do then. Guests are few and fixed; a guest can end the
 * wait by answering anything but IO_OK.
 */
#ifndef POSTERN_COMMON_WAIT_H
#define POSTERN_COMMON_WAIT_H

#include <stdbool.h>
#include <stdint.h>

/* How a read, a write or a wait ended. The first cause that is not IO_OK ends what it belonged to. */
enum io {
    IO_OK,
    IO_END,      /* the peer ended its stream (FIN, close_notify) */
    IO_LOST,     /* reset, or any error of the descriptor: errno is kept in the stream */
    IO_LATE,     /* the deadline passed */
    IO_TOO_LONG, /* a line over its limit was read to its end and thrown away */
    IO_GONE,     /* a guest: the outside hung up meanwhile */
    IO_EARLY,    /* a guest: inside spoke although nothing was asked */
    IO_ROOM      /* others need the room more: whoever waits so is to go */
};

const char *io_name(enum io io);

#define IO_MUST_USE __attribute__((warn_unused_result))

struct wait_guest {
    int fd;       /* -1: absent */
    short events; /* as poll(2); 0 = only POLLERR and POLLHUP */
    enum io (*woken)(struct wait_guest *guest, short revents);
    void *context;
    bool patient; /* it is soon enough to hear of input when a read has dozed */
};

/* Who waits so gives way: an octet in a pipe that many watch wakes the one that has watched it longest. */
enum room {
    ROOM_KEEP,  /* nobody needs it any more, or another was quicker: the wait goes on where it was in the queue */
    ROOM_MAKE,  /* the wait ends: IO_ROOM */
    ROOM_OTHERS /* it is for another: out of the queue for WAIT_ASIDE_MS, so that the others have their turn */
};
enum { WAIT_ASIDE_MS = 2000, WAIT_JOIN_MS = 100 };
struct wait_queue {
    int fd;                                       /* -1: none */
    enum room (*asked)(struct wait_queue *queue); /* there may be an octet: takes one */
    void *context;
    int place; /* in the queue; of wait.c alone, as is: */
    int64_t aside_until_ms;
};

enum { WAIT_GUESTS_MAX = 6, WAIT_LONG_MS = 1000 };

struct wait {
    struct wait_guest *guests[WAIT_GUESTS_MAX]; /* NULL: free */
    struct wait_queue *queue;                   /* NULL: who waits does not give way */
    /* A wait that took WAIT_LONG_MS is likely to take longer: what memory can be had anew is given back, once until
     * something comes that was waited for. False: not now, it is asked again as much later. NULL: there is none. */
    bool (*rest)(void *context);
    void *rest_context;
    bool rested;
    int watchdog_s; /* SIGPROF ends a process that computes for so long without waiting; 0: never */
    int64_t watchdog_armed_ms;
    int64_t asked_ms; /* when the guests were asked last */
    uint64_t moment;  /* another one after each wait: what was seen in this one still holds */
};

void wait_invite(struct wait *wait, struct wait_guest *guest);  /* twice is once */
void wait_dismiss(struct wait *wait, struct wait_guest *guest); /* absent is fine */

/* In the queue from `join_ms` on, until the end of it. WAIT_JOIN_MS for who has just come: what lies there was written
 * for those who have waited for longer, and are just being woken. */
void wait_give_way(struct wait *wait, struct wait_queue *queue, int64_t join_ms);
void wait_keep_room(struct wait *wait); /* also when it did already */

/* Until `fd` has one of `events` (or an error, which the following read or write will name), the deadline passes
 * (IO_LATE), a guest ends it, or room is to be made (IO_ROOM). A guest on
 * `fd` itself is asked only for input while output is waited for: all else the read or write will find out. fd = -1
 * waits for the deadline alone (IO_LATE is then the good end). */
enum io wait_for(struct wait *wait, int fd, short events, int64_t deadline_ms) IO_MUST_USE;

/* May a read wait by itself, by clock_recv, before it asks here? Not beyond the deadline, and not while a guest is to
 * hear of input who has no patience, and not for longer than a short while in a row, however soon each read brings
 * something: all else that guests are to hear of, a hang-up or the lifeline's end, is heard of a short while later. The
 * moment is over then. */
bool wait_may_doze(struct wait *wait, int64_t deadline_ms, int64_t now_ms);

/* Whoever says so is not computing without end: the timer that ends a worker gone mad starts anew. */
void wait_alive(struct wait *wait, int64_t now_ms);

#endif
