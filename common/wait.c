/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <stdbool.h>
#include <sys/time.h>

#include "common/clock.h"
#include "common/must.h"
#include "common/wait.h"

const char *io_name(enum io io)
{
    static const char *const names[] = {
        [IO_OK] = "ok",         [IO_END] = "closed",          [IO_LOST] = "lost",         [IO_LATE] = "timeout",
        [IO_TOO_LONG] = "long", [IO_GONE] = "client-hung-up", [IO_EARLY] = "early-reply",
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
    if (deadline_ms - now_ms < CLOCK_DOZE_MS || now_ms - wait->asked_ms >= CLOCK_DOZE_MS)
        return false;
    for (int i = 0; i < WAIT_GUESTS_MAX; i++) {
        const struct wait_guest *guest = wait->guests[i];
        if (guest != NULL && guest->fd >= 0 && (guest->events & POLLIN) != 0 && !guest->patient)
            return false;
    }
    wait->moment++;
    return true;
}

enum io wait_for(struct wait *wait, int fd, short events, int64_t deadline_ms)
{
    wait_alive(wait, clock_ms());
    for (;;) {
        struct pollfd fds[1 + WAIT_GUESTS_MAX];
        struct wait_guest *whose[1 + WAIT_GUESTS_MAX];
        int count = gather(wait, fd, events, fds, whose);
        wait->moment++;
        int ready = clock_poll(fds, (nfds_t)count, deadline_ms);
        wait->asked_ms = clock_ms();
        if (ready < 0)
            return IO_LOST;
        if (ready == 0)
            return IO_LATE;
        for (int i = 1; i < count; i++) {
            if (fds[i].revents == 0)
                continue;
            enum io said = whose[i]->woken(whose[i], fds[i].revents);
            if (said != IO_OK)
                return said;
        }
        if (fds[0].revents != 0)
            return IO_OK;
        if (clock_ms() > deadline_ms) /* a guest that is woken again and again must not hold it up */
            return IO_LATE;
    }
}
