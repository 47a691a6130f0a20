/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "common/wait.h"

#include "workers/storekeeper/deeds.h"
#include "workers/storekeeper/restore.h"
#include "workers/storekeeper/storekeeper.h"
#include "workers/storekeeper/writer.h"

enum {
    WATCHDOG_S = 60,
    BATCH = 256,       /* questions between two beats */
    LAST_BATCHES = 64, /* before it leaves: more than the socket holds */
    FLUSH_LOOK_MS = 5, /* while somebody waits for the disk */
    LEAVE_MS = 5000,
    QUESTION_MAX = sizeof(struct store_request)
};

struct storekeeper {
    const struct storekeeper_setup *setup;
    struct store_board *board;
    struct wait wait; /* the watchdog alone */
    struct shelf *shelf;
    struct ledger ledger;
    struct writer writer;
    enum writer_state told; /* what the log was told last */
    uint64_t lost_before;   /* .. when what was lost had come to so many */
    uint64_t lost_shown;    /* on the scoreboard */
    int64_t beat_ms;        /* when next */
    struct flush {
        struct store_request request;
        uint64_t mark;
    } flushes[STORE_CHILDREN];
    int flush_count;
};

/* -- the log */

static void say(const struct storekeeper *k, enum level level, const char *state, const char *why, uint64_t lost)
{
    struct record r;
    record_begin(&r, "store");
    record_string(&r, "state", state);
    record_string(&r, "why", why);
    if (lost > 0)
        record_number(&r, "lost", lost);
    record_string(&r, "directory", k->setup->options->directory);
    record_send(&r, level);
}

static _Noreturn void give_up(const struct storekeeper *k, const char *step, enum worker_exit status)
{
    int error = errno;
    struct record r;
    record_begin(&r, "store");
    record_string(&r, "state", "failing");
    record_string(&r, "why", step);
    record_string(&r, "error", error != 0 ? strerror(error) : NULL);
    record_string(&r, "directory", k->setup->options->directory);
    if (k->shelf == NULL && k->board != NULL)
        record_string(&r, "try", "it must be there, be the workers' user's, and have room; a start makes it");
    record_send(&r, LEVEL_ERROR);
    if (k->board != NULL)
        atomic_store(&k->board->head.state, STORE_NONE);
    log_report_drops();
    exit((int)status);
}

/* -- opening */

static void set_aside(const struct storekeeper *k, const char *why)
{
    const char *name = shelf_set_aside(k->setup->options->directory);
    if (name == NULL) {
        if (errno == ENOENT)
            return;
        give_up(k, "cannot set a damaged file aside", WORKER_BROKEN);
    }
    struct record r;
    record_begin(&r, "store");
    record_string(&r, "state", "begun-anew");
    record_string(&r, "why", why);
    record_string(&r, "directory", k->setup->options->directory);
    record_string(&r, "kept", name);
    record_send(&r, LEVEL_ERROR);
}

static enum shelf_result open_shelf(struct storekeeper *k, const char **why)
{
    const struct store_options *options = k->setup->options;
    return shelf_open(&k->shelf, options->directory, (uint64_t)options->size_bytes, why);
}

/* By a child, which may die of it. What cannot be read at all is found when it is opened. */
static bool looks_good(const struct storekeeper *k)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        struct shelf *shelf;
        uint64_t records[STORE_KINDS];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        bool open = shelf_open_to_read(&shelf, k->setup->options->directory, NULL) == SHELF_DONE;
        _exit(open && shelf_verify(shelf, records, NULL) == SHELF_DAMAGED);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return true;
    /* Whom the kernel killed for want of memory, say, has found nothing. */
    return WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0;
}

/* A file that is none is set aside once: what is made anew then is good, or the disk is not. */
static void open_or_begin_anew(struct storekeeper *k)
{
    const char *why = NULL;
    if (k->setup->trust == STORE_DAMAGED || (k->setup->trust == STORE_SUSPECT && !looks_good(k)))
        set_aside(k, "damaged");
    enum shelf_result result = open_shelf(k, &why);
    if (result == SHELF_DAMAGED || result == SHELF_FOREIGN) {
        set_aside(k, why != NULL ? why : "damaged");
        result = open_shelf(k, &why);
    }
    errno = 0;
    if (result != SHELF_DONE)
        give_up(k, why != NULL ? why : "cannot be opened", WORKER_BROKEN);
}

/* The thread is made: no more are. */
static bool end_cloning(void)
{
    static const struct rlimit none = {0, 0};
#ifdef __SANITIZE_ADDRESS__
    return none.rlim_max == 0; /* it looks for leaks with a process of its own */
#else
    return setrlimit(RLIMIT_NPROC, &none) == 0;
#endif
}

static void enter_sandbox(const struct storekeeper *k)
{
    const struct storekeeper_setup *setup = k->setup;
    if (!end_cloning() || !sandbox_enter(setup->sandbox, setup->sandbox_mode, SANDBOX_STOREKEEPER, NULL, 0))
        give_up(k, "cannot enter the sandbox", WORKER_BROKEN);
}

static void prepare(struct storekeeper *k, const struct storekeeper_setup *setup)
{
    *k = (struct storekeeper){.setup = setup, .wait = {.watchdog_s = WATCHDOG_S}};
    if (!scoreboard_enter_as(setup->board, ROLE_STOREKEEPER))
        give_up(k, "cannot enter the scoreboard", WORKER_BROKEN);
    k->board = setup->board->store;
    open_or_begin_anew(k);
    if (!ledger_open(&k->ledger, k->shelf) || !writer_begin(&k->writer, setup, &k->ledger))
        give_up(k, "no memory", WORKER_SHORT);
    enter_sandbox(k);
}

/* -- answering */

static void take_flush(struct storekeeper *k, const struct store_request *request)
{
    if (request->place == STORE_NO_PLACE)
        return; /* nobody waits for it */
    if (k->flush_count == STORE_CHILDREN) {
        store_say(k->board, request, (struct store_answer){STORE_UNSURE, 0});
        return;
    }
    struct flush *flush = &k->flushes[k->flush_count++];
    memcpy(&flush->request, request, STORE_REQUEST_HEAD);
    flush->mark = ledger_mark(&k->ledger);
    writer_sync(&k->writer);
}

static void answer_flushes(struct storekeeper *k)
{
    int kept = 0;
    for (int i = 0; i < k->flush_count; i++) {
        if (ledger_has_passed(&k->ledger, k->flushes[i].mark))
            store_say(k->board, &k->flushes[i].request, (struct store_answer){STORE_DONE, 0});
        else
            k->flushes[kept++] = k->flushes[i];
    }
    k->flush_count = kept;
}

/* What another host has learnt, and what is to be forgotten, counts at once, not from the next start on. */
static void show_sessions(const struct storekeeper *k, const struct store_request *request)
{
    struct slice key = slice_make(request->key, request->key_size);
    struct store_record record;
    memcpy(&record, request->value, sizeof(record));
    if (request->deed == STORE_PUT)
        restore_reputation(k->setup->board, key, &record, clock_wall());
    else if (request->deed == STORE_DELETE)
        restore_forget(k->setup->board, key);
}

static void answer(struct storekeeper *k, const struct store_request *request)
{
    struct store_head *head = &k->board->head;
    if (request->deed == STORE_FLUSH) {
        take_flush(k, request);
        return;
    }
    struct store_answer answer = deeds_do(&k->ledger, request, clock_wall());
    if (answer.outcome != STORE_UNSURE)
        show_sessions(k, request);
    store_say(k->board, request, answer);
    if (request->deed == STORE_ATTEMPT)
        atomic_fetch_add_explicit(&head->attempts[answer.outcome], 1, memory_order_relaxed);
}

/* False: nobody asks any more, for now. */
static bool answer_next(struct storekeeper *k)
{
    struct store_request request;
    ssize_t size = recv(k->setup->questions, &request, QUESTION_MAX, MSG_DONTWAIT | MSG_TRUNC);
    if (size < 0)
        return false;
    if (store_is_request(&request, (size_t)size, k->setup->board->slot_count))
        answer(k, &request);
    return true;
}

/* A batch of what is asked. True: there may be more. */
static bool answer_some(struct storekeeper *k)
{
    int64_t from_us = clock_us(), now_us;
    int count = 0;
    for (; count < BATCH && answer_next(k); count++, from_us = now_us) {
        now_us = clock_us();
        store_note_longest(&k->board->head.longest_answer_us, now_us - from_us);
    }
    if (ledger_is_half_full(&k->ledger))
        writer_call(&k->writer);
    return count == BATCH;
}

/* -- the beat */

static void tell_news(struct storekeeper *k, const struct writer_news *news)
{
    if (news->state == k->told)
        return;
    uint64_t lost = ledger_lost(&k->ledger) - k->lost_before;
    if (news->state == WRITER_WORKING) {
        say(k, LEVEL_NOTICE, "working", NULL, lost);
        k->lost_before += lost;
    } else {
        say(k, LEVEL_ERROR, "failing", news->why, 0);
    }
    k->told = news->state;
}

static void beat(struct storekeeper *k, int64_t now_ms)
{
    struct store_head *head = &k->board->head;
    struct writer_news news = writer_news(&k->writer);
    if (k->ledger.is_damaged)
        news.state = WRITER_DAMAGED;
    k->beat_ms = now_ms + STORE_BEAT_MS;
    wait_alive(&k->wait, now_ms);
    tell_news(k, &news);
    uint64_t lost = ledger_lost(&k->ledger);
    atomic_fetch_add(&head->lost, lost - k->lost_shown);
    k->lost_shown = lost;
    atomic_store(&head->waiting, ledger_waiting(&k->ledger));
    atomic_store(&head->state, news.state == WRITER_WORKING ? STORE_WORKING : STORE_FAILING);
    atomic_store(&head->beat_ms, now_ms);
    if (news.state == WRITER_DAMAGED)
        give_up(k, "what is on disk is damaged", WORKER_DAMAGED);
    if (news.state == WRITER_BROKEN)
        give_up(k, "to be opened anew", WORKER_BROKEN);
}

/* What was not on disk when the one before ended is lost. Said when it answers already. */
static void begin(struct storekeeper *k)
{
    struct store_head *head = &k->board->head;
    struct shelf_size size = {0};
    struct record r;
    uint64_t lost = atomic_exchange(&head->waiting, 0);
    atomic_fetch_add(&head->lost, lost);
    shelf_measure(k->shelf, &size);
    uint64_t before = atomic_exchange(&head->records, size.records);
    beat(k, clock_ms());
    record_begin(&r, "store");
    record_string(&r, "state", "working");
    record_number(&r, "records", size.records);
    if (before > size.records) /* another directory, or a file that somebody emptied */
        record_number(&r, "before", before);
    record_number(&r, "bytes", size.bytes_used);
    if (lost > 0)
        record_number(&r, "lost", lost);
    record_string(&r, "directory", k->setup->options->directory);
    record_send(&r, lost > 0 || before > size.records ? LEVEL_WARNING : LEVEL_INFO);
}

/* Nobody can ask any more, and it would be readable for ever. */
static _Noreturn void end_for_socket(struct storekeeper *k)
{
    writer_leave(&k->writer, LEAVE_MS);
    errno = 0;
    give_up(k, "a worker has shut its socket down: posternd has to be started again", WORKER_BROKEN);
}

/* False: the lifeline ended. */
static bool turn(struct storekeeper *k)
{
    struct pollfd fds[] = {{.fd = k->setup->lifeline}, /* no events: its end alone is news */
                           {.fd = k->setup->questions, .events = POLLIN | POLLRDHUP}};
    int64_t look_ms = k->flush_count > 0 ? clock_deadline(FLUSH_LOOK_MS) : k->beat_ms;
    if (clock_poll(fds, sizeof(fds) / sizeof(fds[0]), look_ms < k->beat_ms ? look_ms : k->beat_ms) < 0)
        give_up(k, "cannot wait", WORKER_BROKEN);
    if (fds[0].revents == 0 && (fds[1].revents & POLLRDHUP) != 0) /* as a worker without a sandbox can */
        end_for_socket(k);
    if (fds[1].revents != 0)
        answer_some(k);
    answer_flushes(k);
    int64_t now_ms = clock_ms();
    if (now_ms >= k->beat_ms)
        beat(k, now_ms);
    return fds[0].revents == 0;
}

/* What waits in the socket is the next one's, if there is one: so it is taken in, as much as there can be. */
static _Noreturn void leave(struct storekeeper *k)
{
    for (int i = 0; i < LAST_BATCHES && answer_some(k); i++)
        ;
    writer_leave(&k->writer, LEAVE_MS);
    answer_flushes(k);
    uint64_t waiting = ledger_waiting(&k->ledger);
    uint64_t lost = ledger_lost(&k->ledger) - k->lost_before + waiting;
    atomic_store(&k->board->head.waiting, 0);
    if (lost > 0)
        say(k, LEVEL_WARNING, "left", writer_news(&k->writer).why, lost);
    ledger_close(&k->ledger);
    shelf_close(&k->shelf);
    log_report_drops();
    exit((int)WORKER_ORPHANED);
}

_Noreturn void storekeeper_main(const struct storekeeper_setup *setup)
{
    static struct storekeeper keeper;
    prepare(&keeper, setup);
    begin(&keeper);
    writer_let_go(&keeper.writer);
    while (turn(&keeper))
        ;
    leave(&keeper);
}
