/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <stdbool.h>
#include <sys/time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/must.h"
#include "common/wait.h"

const char *io_name(enum io io)
{
    static const char *const names[] = {
        [IO_OK] = "ok",         [IO_END] = "closed",          [IO_LOST] = "lost",         [IO_LATE] = "timeout",
        [IO_TOO_LONG] = "long", [IO_GONE] = "client-hung-up", [IO_EARLY] = "early-reply", [IO_ROOM] = "made-room",
    };
    return names[io];
}

void wait_invite(struct wait *wait, struct wait_guest *guest)
{
    wait_dismiss(wait, guest);
    for (int i = 0; i < WAIT_GUESTS_MAX; i++) {
        if (wait->guests[i] == NULL) {
            wait->guests[i] = guest;
            return;
        }
    }
    must(false && "room for another guest");
}

void wait_dismiss(struct wait *wait, struct wait_guest *guest)
{
    for (int i = 0; i < WAIT_GUESTS_MAX; i++) {
        if (wait->guests[i] == guest)
            wait->guests[i] = NULL;
    }
}

void wait_give_way(struct wait *wait, struct wait_queue *queue, int64_t join_ms)
{
    must(wait->queue == NULL);
    queue->place = -1;
    queue->aside_until_ms = clock_deadline(join_ms);
    if (queue->fd >= 0)
        wait->queue = queue;
}

static void leave_queue(struct wait_queue *queue)
{
    if (queue->place >= 0)
        close(queue->place);
    queue->place = -1;
}

void wait_keep_room(struct wait *wait)
{
    if (wait->queue != NULL)
        leave_queue(wait->queue);
    wait->queue = NULL;
}

/* Once a second is enough, and spares a system call for each wait. */
void wait_alive(struct wait *wait, int64_t now)
{
    if (wait->watchdog_s == 0 || now - wait->watchdog_armed_ms < 1000)
        return;
    wait->watchdog_armed_ms = now;
    struct itimerval timer = {.it_value = {.tv_sec = wait->watchdog_s}};
    setitimer(ITIMER_PROF, &timer, NULL);
}

/* On one and the same descriptor a guest has a say only when it wants to know of input while room for output is waited
 * for: a hang-up will be found out by the read or write itself. */
static bool differs(short guest_events, short events)
{
    return (guest_events & POLLIN) != 0 && (events & POLLIN) == 0;
}

static int gather(const struct wait *wait, int fd, short events, struct pollfd *fds, struct wait_guest **whose)
{
    int count = 0;
    fds[count] = (struct pollfd){.fd = fd, .events = events};
    whose[count++] = NULL;
    for (int i = 0; i < WAIT_GUESTS_MAX; i++) {
        struct wait_guest *guest = wait->guests[i];
        if (guest == NULL || guest->fd < 0 || (guest->fd == fd && !differs(guest->events, events)))
            continue;
        fds[count] = (struct pollfd){.fd = guest->fd, .events = guest->events};
        whose[count++] = guest;
    }
    return count;
}

bool wait_may_doze(struct wait *wait, int64_t deadline_ms, int64_t now_ms)
{
    if (wait->queue != NULL || deadline_ms - now_ms < CLOCK_DOZE_MS || now_ms - wait->asked_ms >= CLOCK_DOZE_MS)
        return false;
    for (int i = 0; i < WAIT_GUESTS_MAX; i++) {
        const struct wait_guest *guest = wait->guests[i];
        if (guest != NULL && guest->fd >= 0 && (guest->events & POLLIN) != 0 && !guest->patient)
            return false;
    }
    wait->moment++;
    return true;
}

/* Where no place can be had, of descriptors say, the wait is one as any other. */
static int place_of(struct wait_queue *queue)
{
    if (queue == NULL || clock_ms() < queue->aside_until_ms)
        return -1;
    if (queue->place < 0)
        queue->place = clock_queue(queue->fd);
    return queue->place;
}

/* Until when to wait before the next look: who stepped aside comes back, who waits for long rests. */
static int64_t next_look(const struct wait *wait, int64_t rest_ms, int64_t deadline_ms)
{
    const struct wait_queue *queue = wait->queue;
    int64_t look = rest_ms < deadline_ms ? rest_ms : deadline_ms;
    bool aside = queue != NULL && clock_ms() < queue->aside_until_ms && queue->aside_until_ms < look;
    return aside ? queue->aside_until_ms : look;
}

/* When to ask again. */
static int64_t rest(struct wait *wait, int64_t rest_ms)
{
    if (wait->asked_ms < rest_ms)
        return rest_ms;
    wait->rested = wait->rest(wait->rest_context);
    return wait->rested ? CLOCK_NEVER : wait->asked_ms + WAIT_LONG_MS;
}

static enum io give_way(struct wait_queue *queue)
{
    switch (queue->asked(queue)) {
    case ROOM_KEEP:
        return IO_OK;
    case ROOM_MAKE:
        return IO_ROOM;
    case ROOM_OTHERS:
        leave_queue(queue);
        queue->aside_until_ms = clock_deadline(WAIT_ASIDE_MS);
        return IO_OK;
    }
    return IO_OK;
}

static enum io ask_guests(struct wait_guest **whose, const struct pollfd *fds, int count)
{
    for (int i = 1; i < count; i++) {
        enum io said = fds[i].revents != 0 ? whose[i]->woken(whose[i], fds[i].revents) : IO_OK;
        if (said != IO_OK)
            return said;
    }
    return IO_OK;
}

enum io wait_for(struct wait *wait, int fd, short events, int64_t deadline_ms)
{
    int64_t began_ms = clock_ms();
    int64_t rest_ms = wait->rest != NULL && !wait->rested ? began_ms + WAIT_LONG_MS : CLOCK_NEVER;
    wait_alive(wait, began_ms);
    for (;;) {
        struct pollfd fds[1 + WAIT_GUESTS_MAX];
        struct wait_guest *whose[1 + WAIT_GUESTS_MAX];
        bool woken = false;
        int count = gather(wait, fd, events, fds, whose), place = place_of(wait->queue);
        int64_t look = next_look(wait, rest_ms, deadline_ms);
        wait->moment++;
        int ready = place >= 0 ? clock_poll_queued(place, fds, (nfds_t)count, &woken, look)
                               : clock_poll(fds, (nfds_t)count, look);
        wait->asked_ms = clock_ms();
        if (ready < 0)
            return IO_LOST;
        /* First of all: the octet that we were woken for wakes nobody else. */
        enum io said = woken ? give_way(wait->queue) : IO_OK;
        if (said == IO_OK)
            said = ask_guests(whose, fds, count);
        if (said != IO_OK)
            return said;
        if (fds[0].revents != 0) {
            wait->rested = false;
            return IO_OK;
        }
        /* A guest that is woken again and again must not hold it up. */
        if (clock_ms() > deadline_ms || (ready == 0 && !woken && look == deadline_ms))
            return IO_LATE;
        if (rest_ms != CLOCK_NEVER)
            rest_ms = rest(wait, rest_ms);
    }
}
