/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "common/must.h"
#include "common/sandbox.h"
#include "common/scoreboard.h"
#include "workers/kill_switch.h"
#include "workers/pressure.h"
#include "workers/rest.h"
#include "workers/serve.h"
#include "workers/standing.h"
#include "workers/store_client.h"
#include "workers/worker.h"

static const struct reply REPLY_FULL = REPLY(421, "4.3.2", "All workers are busy, try again later");

enum { EVENTS = 4, WATCHDOG_S = 60, TURN_AWAY_WAIT_MS = 1000, ACCEPT_PAUSE_MS = 100, ACCEPT_TRIES = 50 };

struct worker {
    const struct worker_setup *setup; /* `own` */
    struct worker_setup own;          /* as given, but that descriptors may have other numbers */
    const struct service *service;
    struct session_setup for_sessions;
    struct wait wait;
    struct wait_guest lifeline;
    struct store_client store;
    int epoll;
    int listeners[WORKER_LISTENERS_MAX]; /* -1: closed */
    int turn;                            /* whose is the next connection */
    bool entered;                        /* the scoreboard */
    bool orphaned;                       /* the lifeline ended: no further session */
    int64_t sessions;
    struct session *session;
};

/* Who leaves is none of the house from now on, however long the exit takes. */
static _Noreturn void leave(const struct worker *w, enum worker_exit status)
{
    if (w->entered)
        scoreboard_set_tag(w->setup->board, w->setup->slot, TAG_LEAVING);
    log_report_drops();
    exit((int)status);
}

/* -- the lifeline -- */

static void close_listeners(struct worker *w)
{
    for (int i = 0; i < w->setup->listener_count; i++) {
        if (w->listeners[i] >= 0)
            close(w->listeners[i]);
        w->listeners[i] = -1;
    }
}

/* While a session is served only the lifeline's end is news; tickets are for those who wait. */
static enum io lifeline_woken(struct wait_guest *guest, short revents)
{
    struct worker *w = guest->context;
    (void)revents;
    guest->fd = -1;
    w->orphaned = true;
    close_listeners(w);
    return IO_OK;
}

static void look_at_lifeline(const struct worker *w)
{
    char said;
    ssize_t got = read(w->setup->lifeline, &said, 1);
    if (got == 1 && said == LIFELINE_LEAVE)
        leave(w, WORKER_RETIRED);
    if (got == 0)
        leave(w, WORKER_ORPHANED);
}

/* -- waiting for a client -- */

static void watch_listeners(struct worker *w, bool on)
{
    for (int i = 0; i < w->setup->listener_count; i++) {
        struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.fd = w->listeners[i]};
        if (w->listeners[i] >= 0 &&
            epoll_ctl(w->epoll, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, w->listeners[i], &event) != 0)
            leave(w, errno == ENOMEM || errno == ENOSPC ? WORKER_SHORT : WORKER_BROKEN);
    }
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/* A connection, from the listeners in turn so that a busy one starves no other; or -1. errno is EAGAIN when nobody is
 * there, and the trouble when there is any. */
static int accept_one(struct worker *w, struct endpoint *peer, struct endpoint *local)
{
    int trouble = EAGAIN;
    for (int i = 0; i < w->setup->listener_count; i++) {
        int listener = w->listeners[w->turn];
        w->turn = (w->turn + 1) % w->setup->listener_count;
        int fd = net_accept(listener, peer, local);
        if (fd >= 0)
            return fd;
        if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
            trouble = errno;
    }
    errno = trouble;
    return -1;
}

static bool lifeline_has_ended(const struct worker *w, int64_t wait_ms)
{
    struct pollfd lifeline = {.fd = w->setup->lifeline}; /* no events: the end alone is news */
    return clock_poll(&lifeline, 1, clock_deadline(wait_ms)) > 0;
}

/* The connection that cannot be accepted is still in the queue, and the wake-up for it was ours: who left now would
 * strand it. So it is tried again until it is accepted or gone; for long enough, then another worker may try. (Its
 * record would lie on the stack of whoever is held.) */
static __attribute__((noinline)) int insist(struct worker *w, struct endpoint *peer, struct endpoint *local)
{
    int error = errno, fd = -1;
    struct record r;
    /* At a reload or stop the listener may be shut down before the lifeline's end can be seen here: whoever was forked
     * meanwhile still holds a copy for a moment. */
    if (lifeline_has_ended(w, ACCEPT_PAUSE_MS))
        leave(w, WORKER_ORPHANED);
    record_begin(&r, "accept-failed");
    record_string(&r, "listener", w->service->listener);
    record_string(&r, "error", strerrorname_np(error));
    record_send(&r, LEVEL_ERROR);
    for (int tries = 0; fd < 0 && error != EAGAIN && tries < ACCEPT_TRIES; tries++) {
        if (lifeline_has_ended(w, ACCEPT_PAUSE_MS))
            leave(w, WORKER_ORPHANED);
        fd = accept_one(w, peer, local);
        error = errno;
    }
    if (fd < 0 && error != EAGAIN)
        leave(w, is_shortage(error) ? WORKER_SHORT : WORKER_BROKEN);
    return fd;
}

/* Whoever is woken accepts first and looks at the lifeline after: one that leaves on a wake-up that was meant for a
 * connection would strand it. The listeners are in epoll only meanwhile, since every connect walks all who wait. */
static int wait_for_client(struct worker *w, struct endpoint *peer, struct endpoint *local)
{
    int fd = -1;
    watch_listeners(w, true);
    while (fd < 0) {
        struct epoll_event events[EVENTS];
        if (epoll_wait(w->epoll, events, EVENTS, -1) < 0 && errno != EINTR)
            leave(w, WORKER_BROKEN);
        wait_alive(&w->wait, clock_ms());
        fd = accept_one(w, peer, local);
        if (fd < 0 && errno != EAGAIN && !lifeline_has_ended(w, 0))
            fd = insist(w, peer, local);
        if (fd < 0)
            look_at_lifeline(w);
    }
    watch_listeners(w, false);
    return fd;
}

/* -- serving -- */

/* Nothing can be said where TLS comes first, and a handshake is more than a full house can give. */
static void turn_away(struct worker *w, int fd)
{
    slot_begin(w->setup->board)->turned_away++;
    slot_end(w->setup->board);
    if (w->service->session->tls.mode == TLS_MODE_IMPLICIT) {
        close(fd);
        return;
    }
    struct stream *outside = &w->session->outside;
    stream_init(outside, &w->wait, w->session->outside_in, OUTSIDE_IN_BYTES, w->session->outside_out,
                OUTSIDE_OUT_BYTES);
    stream_open(outside, fd);
    reply_print(&outside->out, &REPLY_FULL);
    if (stream_flush(outside, clock_deadline(TURN_AWAY_WAIT_MS)) != IO_OK)
        log_line(LEVEL_DEBUG, "a client that was turned away did not listen");
    if (w->service->session->proxy_from.count > 0 && stream_fill(outside, STREAM_NOW) != IO_OK)
        log_line(LEVEL_DEBUG, "no PROXY header came meanwhile"); /* unread it would turn the close into a reset */
    stream_close(outside);
}

/* Enter first, count then: two who do so at once may both turn away, but never both miss that the house is full. Where
 * it cannot grow each new client asks for the room of another, so that there is always some. The last worker that is
 * free takes nobody whose room nobody makes, but for a client with a good name. */
static bool house_is_full(const struct worker *w, const struct endpoint *peer)
{
    const struct worker_setup *setup = w->setup;
    if (scoreboard_has_spare(setup->board, setup->pool_first, setup->pool_size, setup->min_spare))
        return false;
    struct tag_count count = scoreboard_count(setup->board, setup->pool_first, setup->pool_size);
    if (count.idle + count.starting < setup->min_spare) {
        if (write(setup->wake, "", 1) < 0 && errno != EAGAIN)
            log_line(LEVEL_DEBUG, "the master could not be woken");
    }
    int free = count.idle + count.starting;
    if (free >= setup->min_spare || count.alive < setup->pool_size)
        return false;
    int asked = pressure_ask(&w->for_sessions, setup->min_spare - free);
    bool room_is_made = asked > 0 && asked <= count.held;
    return free == 0 && !room_is_made && standing_of(w->service, setup->board, peer) != STANDING_GOOD;
}

static void serve(struct worker *w, int fd, const struct endpoint *peer, const struct endpoint *local)
{
    scoreboard_set_tag(w->setup->board, w->setup->slot, session_tag_of(peer));
    if (house_is_full(w, peer)) {
        turn_away(w, fd);
        return;
    }
    wait_invite(&w->wait, &w->lifeline);
    serve_session(w->session, &w->for_sessions, fd, peer, local);
    wait_dismiss(&w->wait, &w->lifeline);
    w->sessions++;
}

/* -- setting up -- */

static void prepare_epoll(struct worker *w)
{
    const struct worker_setup *setup = w->setup;
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    /* Not EPOLLEXCLUSIVE: a pipe wakes for its first byte only, so tickets written together would lie there unseen. */
    struct epoll_event event = {.events = EPOLLIN, .data.fd = setup->lifeline};
    if (w->epoll < 0 || epoll_ctl(w->epoll, EPOLL_CTL_ADD, setup->lifeline, &event) != 0)
        leave(w, is_shortage(errno) ? WORKER_SHORT : WORKER_BROKEN);
}

/* Not calloc: it would take the memory from a heap that was used before, and touch all of it to clear it. Like this an
 * idle worker costs none of it. */
static struct session *session_memory(void)
{
    void *at = mmap(NULL, sizeof(struct session), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at != MAP_FAILED ? at : NULL;
}

/* Who wakes for a line does not interrupt who is at work, inside or another worker: a tenth less is spent on switching.
 * What an administrator has chosen instead stays. */
static void be_considerate(void)
{
    struct sched_param none = {0};
    if (sched_getscheduler(0) == SCHED_OTHER && sched_setscheduler(0, SCHED_BATCH, &none) != 0)
        log_line(LEVEL_DEBUG, "no SCHED_BATCH here");
}

static _Noreturn void give_up(const struct worker *w, const char *step)
{
    int error = errno;
    struct record r;
    record_begin(&r, "worker-setup-failed");
    record_string(&r, "process", "worker");
    record_string(&r, "step", step);
    record_string(&r, "error", strerror(error));
    record_send(&r, LEVEL_ERROR);
    leave(w, is_shortage(error) ? WORKER_SHORT : WORKER_BROKEN);
}

_Static_assert(SANDBOX_LISTENERS_FROM + WORKER_LISTENERS_MAX < SANDBOX_FILES_MAX,
               "all listeners have a number, and the store");

/* Descriptors get the numbers that the sandbox's rules go by. */
static void sort_descriptors(struct worker *w)
{
    int *others[] = {&w->own.lifeline, &w->own.wake, &w->own.pressure_read, &w->own.pressure_write};
    bool sorted = true;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        sorted = sorted && sandbox_make_way(others[i]);
    for (int i = 0; i < w->own.listener_count; i++)
        sorted = sorted && sandbox_set_listener_apart(&w->listeners[i]);
    if (w->own.store >= 0) /* shared by all, as listeners are */
        sorted = sorted && sandbox_set_listener_apart(&w->own.store);
    if (!sorted)
        give_up(w, "sort descriptors for the sandbox");
}

static void enter_sandbox(const struct worker *w)
{
    const struct slot_facts *facts = &w->own.board->own->facts;
    if (!sandbox_enter(w->own.sandbox, w->own.sandbox_mode, SANDBOX_WORKER, facts->session_id,
                       sizeof(facts->session_id)))
        give_up(w, "enter the sandbox");
}

/* The scoreboard's descriptors are closed when it has been entered. */
static void enter(struct worker *w)
{
    for (int i = 0; i < w->own.listener_count; i++)
        w->listeners[i] = w->own.listeners[i];
    if (!scoreboard_enter(w->own.board, w->own.slot))
        leave(w, is_shortage(errno) ? WORKER_SHORT : WORKER_BROKEN);
    w->entered = true;
    if (w->own.sandbox_mode != SANDBOX_OFF)
        sort_descriptors(w);
    w->lifeline = (struct wait_guest){.fd = w->own.lifeline, .woken = lifeline_woken, .context = w};
}

static void prepare(struct worker *w, const struct worker_setup *given)
{
    const struct worker_setup *setup = &w->own;
    must(given->listener_count <= WORKER_LISTENERS_MAX);
    be_considerate();
    w->setup = setup;
    w->own = *given;
    w->service = setup->service;
    w->wait.watchdog_s = WATCHDOG_S;
    enter(w);
    /* Now: the kernel puts it where the master's view of all slots was, beside the regions. */
    w->session = session_memory();
    if (w->session == NULL)
        leave(w, WORKER_SHORT);
    if (!kill_switch_install())
        leave(w, WORKER_BROKEN);
    if (w->service->tls != NULL && setup->board->keys != NULL)
        tls_server_use_tickets(w->service->tls, setup->board->keys);
    w->for_sessions = (struct session_setup){.service = w->service,
                                             .board = setup->board,
                                             .wait = &w->wait,
                                             .slot = setup->slot,
                                             .pool_first = setup->pool_first,
                                             .pool_size = setup->pool_size,
                                             .min_spare = setup->min_spare,
                                             .pressure_read = setup->pressure_read,
                                             .pressure_write = setup->pressure_write,
                                             .store = &w->store,
                                             .dns = dns_new(w->service->resolver, &w->wait)};
    w->store = (struct store_client){.fd = w->own.store, .place = (uint32_t)setup->slot};
    w->wait.rest = rest;
    w->wait.rest_context = w->for_sessions.dns;
    struct slot_facts *facts = slot_begin(setup->board);
    facts->generation = setup->generation;
    facts->state = SLOT_IDLE;
    facts->worker_since_ms = clock_ms();
    slot_end(setup->board);
    prepare_epoll(w);
    enter_sandbox(w);
}

_Noreturn void worker_main(const struct worker_setup *setup)
{
    struct worker w = {0};
    prepare(&w, setup);
    while (!w.orphaned && w.sessions < w.service->session->sessions_per_worker) {
        struct endpoint peer, local;
        scoreboard_set_tag(setup->board, setup->slot, TAG_IDLE);
        int fd = wait_for_client(&w, &peer, &local);
        serve(&w, fd, &peer, &local);
    }
    leave(&w, w.orphaned ? WORKER_ORPHANED : WORKER_RETIRED);
}
