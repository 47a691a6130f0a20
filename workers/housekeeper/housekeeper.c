/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "common/rate.h"
#include "common/scoreboard.h"

#include "workers/housekeeper/housekeeper.h"
#include "workers/housekeeper/list_tests.h"
#include "workers/housekeeper/minutes.h"
#include "workers/housekeeper/store_watch.h"
#include "workers/housekeeper/survey.h"
#include "workers/housekeeper/tickets.h"
#include "workers/housekeeper/watch.h"

/* clang-format off */
const struct option housekeeper_option_rows[] = {
    {.name = "ticket_key_lifetime", .type = OPTION_TIME,
     .offset = offsetof(struct housekeeper_options, ticket_key_lifetime_ms), .fallback = "6h", .allowed = "1s..7d",
     .meaning = "How long new TLS session tickets are sealed with the same key. It opens them for three times as long; "
     "then the client makes a full handshake."},
    {.name = "probe_interval", .type = OPTION_TIME,
     .offset = offsetof(struct housekeeper_options, probe_interval_ms), .fallback = "30s", .allowed = "0s..1h",
     .meaning = "How often each server is asked for its health and its EHLO keywords, by EHLO and QUIT; one that does not "
     "answer twice in a row is tried last. 0s: never."},
    {.name = "probe_timeout", .type = OPTION_TIME,
     .offset = offsetof(struct housekeeper_options, probe_timeout_ms), .fallback = "10s", .allowed = "100ms..5m",
     .meaning = "How long that may take as a whole."},
    {.name = "dnsbl_test_interval", .type = OPTION_TIME,
     .offset = offsetof(struct housekeeper_options, dnsbl_test_interval_ms), .fallback = "30m", .allowed = "0s..1d",
     .meaning = "How often each DNS list is asked for the entries that RFC 5782 wants of it; one that lists nothing, "
     "everything, or answers errors is not asked any more until it is well. 0s: never."},
    {0},
};
/* clang-format on */

enum { WATCHDOG_S = 60, OWN_FDS = 3, TIDY_MS = 60 * 60 * 1000 };

struct housekeeper {
    const struct housekeeper_setup *setup;
    const struct housekeeping *work;
    struct wait wait; /* of the probes' streams, which never wait in it; and the watchdog */
    struct watch watch;
    struct survey survey;
    struct list_tests lists;
    struct store_watch store;
    int64_t tickets_ms; /* when to look at them again */
    int64_t tidy_ms;    /* when to tidy the tables */
    int64_t minutes_ms; /* when to look how many are busy */
};

static _Noreturn void leave_for_trouble(int error)
{
    bool is_short = error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
    exit((int)(is_short ? WORKER_SHORT : WORKER_BROKEN));
}

static void tell_ready(const struct housekeeper *h)
{
    struct record r;
    record_begin(&r, "housekeeper");
    record_string(&r, "state", "working");
    record_number(&r, "servers", (uint64_t)h->survey.count);
    record_string(&r, "watching", h->setup->watch >= 0 ? "yes" : "no");
    record_number(&r, "generation", h->setup->generation);
    record_send(&r, LEVEL_INFO);
}

static void enter_sandbox(const struct housekeeper_setup *setup)
{
    if (sandbox_enter(setup->sandbox, setup->sandbox_mode, SANDBOX_HOUSEKEEPER, NULL, 0))
        return;
    int error = errno;
    struct record r;
    record_begin(&r, "worker-setup-failed");
    record_string(&r, "process", "housekeeper");
    record_string(&r, "step", "enter the sandbox");
    record_string(&r, "error", strerror(error));
    record_send(&r, LEVEL_ERROR);
    leave_for_trouble(error);
}

static void prepare(struct housekeeper *h, const struct housekeeper_setup *setup)
{
    int64_t now = clock_ms();
    *h = (struct housekeeper){.setup = setup, .work = setup->housekeeping, .wait = {.watchdog_s = WATCHDOG_S}};
    h->tidy_ms = now + TIDY_MS;
    if (!scoreboard_enter_as(setup->board, ROLE_HOUSEKEEPER))
        leave_for_trouble(errno);
    if (!survey_open(&h->survey, h->work, setup->board, &h->wait, now) ||
        !list_tests_open(&h->lists, h->work, setup->board, now))
        leave_for_trouble(ENOMEM);
    watch_init(&h->watch, setup->watch, setup->ask, now);
    store_watch_init(&h->store, setup->board->store, h->work->store, now);
    h->minutes_ms = minutes_step(setup->board, now);
    enter_sandbox(setup);
    tell_ready(h);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Times wrap around in the tables' words: what is over has to go before it seems to be ahead again. */
static void tidy(struct housekeeper *h, int64_t now)
{
    const struct scoreboard *board = h->setup->board;
    if (now < h->tidy_ms)
        return;
    h->tidy_ms = now + TIDY_MS;
    rate_tidy(&board->rates, now);
    reputation_tidy(&board->reputations, clock_wall());
}

/* When somebody has to be served again at the latest. */
static int64_t next_ms(const struct housekeeper *h)
{
    int64_t own_ms = earlier(h->minutes_ms, earlier(h->tickets_ms, h->tidy_ms));
    int64_t asks_ms = earlier(h->store.look_ms, earlier(survey_next_ms(&h->survey), list_tests_next_ms(&h->lists)));
    return earlier(own_ms, earlier(watch_next_ms(&h->watch), asks_ms));
}

/* False: the lifeline ended. */
static bool turn(struct housekeeper *h)
{
    struct pollfd fds[OWN_FDS + SCOREBOARD_SERVERS_MAX];
    fds[0] = (struct pollfd){.fd = h->setup->lifeline}; /* no events: its end alone is news */
    fds[1] = watch_poll(&h->watch);
    fds[2] = list_tests_poll(&h->lists);
    int count = OWN_FDS + survey_poll(&h->survey, fds + OWN_FDS);
    if (clock_poll(fds, (nfds_t)count, next_ms(h)) < 0)
        leave_for_trouble(errno);
    int64_t now = clock_ms();
    wait_alive(&h->wait, now);
    if (fds[0].revents != 0)
        return false;
    h->tickets_ms = tickets_step(h->setup->board->keys, h->work->options->ticket_key_lifetime_ms, now);
    watch_step(&h->watch, now);
    store_watch_step(&h->store, now);
    survey_step(&h->survey, fds + OWN_FDS, now);
    list_tests_step(&h->lists, now);
    tidy(h, now);
    h->minutes_ms = minutes_step(h->setup->board, now);
    return true;
}

_Noreturn void housekeeper_main(const struct housekeeper_setup *setup)
{
    struct housekeeper h;
    prepare(&h, setup);
    while (turn(&h))
        continue;
    survey_close(&h.survey);
    list_tests_close(&h.lists);
    log_report_drops();
    exit((int)WORKER_ORPHANED);
}
