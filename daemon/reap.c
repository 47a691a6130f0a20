/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "common/exit_status.h"
#include "common/log.h"
#include "common/must.h"
#include "common/phase.h"

#include "daemon/reap.h"
#include "daemon/spawn.h"

/* How a worker ended, for the log and for the pool. */
struct ending {
    const char *event;
    enum level level;
    enum pool_loss loss;
};

static const struct ending CRASHED = {"worker-crashed", LEVEL_ERROR, POOL_LOSS_CRASH};
static const struct ending CUT = {"worker-cut", LEVEL_NOTICE, POOL_LOSS_NONE};
static const struct ending DESERTED = {"worker-deserted", LEVEL_ERROR, POOL_LOSS_CRASH};

struct exit_row {
    enum worker_exit status;
    struct ending ending;
};

static const struct exit_row EXITS[] = {
    {WORKER_RETIRED, {"worker-retired", LEVEL_DEBUG, POOL_LOSS_NONE}},
    {WORKER_ORPHANED, {"worker-left", LEVEL_DEBUG, POOL_LOSS_NONE}},
    {WORKER_SHORT, {"worker-short", LEVEL_WARNING, POOL_LOSS_REFUSAL}},
    {WORKER_BROKEN, {"worker-broken", LEVEL_ERROR, POOL_LOSS_REFUSAL}},
};

static bool is_cut(int number)
{
    return number == WORKER_CUT_SIGNAL || number == SIGKILL;
}

static struct ending judge(int status, const struct roster_entry *entry, bool dismissed)
{
    if (entry->told != 0)
        return CUT;
    if (WIFSIGNALED(status) && dismissed && is_cut(WTERMSIG(status)))
        return CUT; /* by a supervisor that lost its patience */
    if (!WIFEXITED(status))
        return CRASHED;
    if (WEXITSTATUS(status) == WORKER_ORPHANED && !dismissed)
        return DESERTED; /* its lifeline was never cut */
    for (size_t i = 0; i < sizeof(EXITS) / sizeof(EXITS[0]); i++)
        if (WEXITSTATUS(status) == (int)EXITS[i].status)
            return EXITS[i].ending;
    return CRASHED;
}

static void print_status(struct record *r, int status)
{
    if (WIFSIGNALED(status)) {
        record_string(r, "signal", sigabbrev_np(WTERMSIG(status)));
        record_number(r, "number", (uint64_t)WTERMSIG(status));
    } else {
        record_number(r, "status", (uint64_t)WEXITSTATUS(status));
    }
}

/* Rumour: what the worker's own page says, in range as slot_read leaves it and escaped as any value. The phase names
 * the one doubt that SMTP has (RFC 1047): in `commit` inside may have the message. */
static void print_session(struct record *r, const struct slot_facts *facts)
{
    if (facts->state != SLOT_BUSY)
        return;
    record_string(r, "session", facts->session_id);
    record_string(r, "phase", phase_name((enum phase)facts->phase));
    if (facts->client.family == 0)
        return;
    char client[IPADDR_TEXT_MAX];
    ipaddr_print(&facts->client, client);
    record_string(r, "client", client);
}

static void log_ending(const struct ending *ending, const struct roster_entry *entry, const char *listener, int slot,
                       int status, const struct slot_facts *facts)
{
    if (!log_wants(ending->level))
        return;
    struct record r;
    record_begin(&r, ending->event);
    record_string(&r, "listener", listener);
    record_number(&r, "pid", (uint64_t)entry->pid);
    record_number(&r, "slot", (uint64_t)slot);
    print_status(&r, status);
    print_session(&r, facts);
    record_send(&r, ending->level);
}

static void log_backoff(const struct crew *crew, int64_t now_ms)
{
    struct record r;
    record_begin(&r, "backing-off");
    record_string(&r, "listener", crew->plan->name);
    record_number(&r, "failures", (uint64_t)crew->pace.failures);
    record_number(&r, "retry_ms", (uint64_t)(crew->pace.not_before_ms - now_ms));
    record_string(&r, "why", "workers fail as soon as they are made; see the lines before");
    record_send(&r, LEVEL_ERROR);
}

static void tell_pool(struct crew *crew, enum pool_loss loss, int64_t lived_ms, int64_t now_ms)
{
    int64_t before_ms = crew->pace.backoff_ms;
    pool_lost(&crew->pace, loss, lived_ms, now_ms);
    if (crew->pace.backoff_ms > before_ms || (before_ms > 0 && crew->pace.not_before_ms == now_ms + before_ms))
        log_backoff(crew, now_ms);
}

/* Who sent what a worker died of is likely to send it again. Not where somebody outside ended it: neither an
 * administrator nor a kernel that lacks memory says anything of the client. It is the worker's word who that was. */
static void blame_client(struct house *house, const struct plan *plan, int slot, int status,
                         const struct slot_facts *facts, int64_t now_ms)
{
    static const struct reputation crash = {.bad = 2 * REPUTATION_ONE};
    struct table_counts unused = {0};
    bool killed = WIFSIGNALED(status) && is_cut(WTERMSIG(status));
    if (killed || facts->state != SLOT_BUSY || facts->client.family == 0 || plan->scoreboard == NULL)
        return;
    if (!roster_may_blame(&house->roster, slot, now_ms))
        return;
    struct network network = scoreboard_network(plan->scoreboard, &facts->client);
    reputation_learn(&house->board.reputations, scoreboard_reputation_of(&house->board, &network), &crash, clock_wall(),
                     &unused);
}

/* Whoever had a session was set up well and died of its client: not young, whatever its age, or a client who can kill
 * workers could make the pool back off until nobody is served. A lie here buys POOL_PAUSE_MS instead of the back-off.
 */
static int64_t age(const struct roster_entry *entry, const struct slot_facts *facts, int64_t now_ms)
{
    bool served = facts->state == SLOT_BUSY || facts->sessions > 0;
    int64_t lived_ms = now_ms - entry->started_ms;
    return served && lived_ms < POOL_YOUNG_MS ? POOL_YOUNG_MS : lived_ms;
}

/* Where nobody is nobody else will wipe away what a worker has written there. */
static void tidy_berths(struct house *house)
{
    int end = orders_slots_end(house->board.orders, house->board.slot_count);
    for (int slot = 0; slot < end; slot++)
        if (house->roster.entries[slot].pid == 0)
            scoreboard_leave_berth(&house->board, slot);
}

bool reap_worker(struct house *house, const struct succession *succession, pid_t pid, int status, int64_t now_ms)
{
    int slot = roster_find(&house->roster, pid);
    if (slot < 0)
        return false;
    struct roster_entry entry = roster_remove(&house->roster, slot);
    const struct generation *generation = succession_find(succession, entry.generation);
    must(generation != NULL); /* it lives as long as one of its workers */
    struct crew *crew = &generation->crews[entry.crew];
    struct ending ending = judge(status, &entry, generation->dismissed);
    struct slot_facts facts;
    slot_read(&house->board, slot, &facts); /* unreadable: all zero */
    log_ending(&ending, &entry, crew->plan->name, slot, status, &facts);
    if (ending.event == CRASHED.event)
        blame_client(house, generation->plan, slot, status, &facts, now_ms);
    house_clear_slot(house, slot, &facts, ending.event == CRASHED.event);
    tidy_berths(house);
    orders_set_slots_end(house->board.orders, house->roster.end);
    crew->is_to_look |= ending.loss != POOL_LOSS_NONE;
    if (!generation->dismissed)
        tell_pool(crew, ending.loss, age(&entry, &facts, now_ms), now_ms);
    return true;
}
