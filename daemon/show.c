/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/control_send.h"
#include "common/phase.h"

#include "daemon/deed.h"
#include "daemon/show_internal.h"
#include "daemon/spawn.h"

enum { WHY_MAX = 1024, KILL_WAIT_MS = 2000, KILL_LOOK_MS = 20, JSON_EXACT_BITS = 53, MS_PER_S = 1000 };

#define CHILD_NAME "posternd-show"

/* -- the answer leaves */

void show_flush(struct show *show)
{
    if (!control_send(show->fd, &show->out, show->deadline_ms))
        _exit(0);
}

struct buffer *show_record(struct show *show, const char *kind)
{
    if (buffer_room(&show->out) < CONTROL_RECORD_MAX)
        show_flush(show);
    control_begin(&show->out, kind);
    return &show->out;
}

void show_count(struct buffer *to, const char *key, uint64_t value)
{
    uint64_t most = (UINT64_C(1) << JSON_EXACT_BITS) - 1;
    control_number(to, key, (int64_t)(value < most ? value : most));
}

const struct crew *show_crew_of(const struct show *show, const struct roster_entry *entry)
{
    for (int i = 0; i < show->view.generation_count; i++) {
        const struct generation *generation = show->view.generations[i];
        if (generation->number == entry->generation && entry->crew < generation->count)
            return &generation->crews[entry->crew];
    }
    return NULL;
}

/* -- check and kill */

/* The whole of a reload but the change. What it eats is the child's; what takes too long the master ends. */
bool show_check(struct show *show)
{
    const struct planner *planner = show->view.planner;
    char why[WHY_MAX] = "";
    struct plan *plan = planner->make(planner, why, sizeof(why));
    if (plan == NULL) {
        deed_error(&show->out, why, NULL);
        return false;
    }
    struct buffer *to = show_record(show, "configuration");
    control_number(to, "listeners", plan->listener_count);
    control_number(to, "servers", plan->server_count);
    control_number(to, "certificates", plan->certificate_count);
    control_end(to);
    return true;
}

enum seen { SEEN_NOT, SEEN, SEEN_COMMITTING };

static enum seen look_for(const struct scoreboard *board, int slot, struct slice id)
{
    struct slot_facts facts;
    if (!slot_read(board, slot, &facts) || facts.state != SLOT_BUSY || !slice_equal(slice_of(facts.session_id), id))
        return SEEN_NOT;
    return facts.phase == PHASE_COMMIT ? SEEN_COMMITTING : SEEN;
}

/* It was there when the order was given (deed.c). */
bool show_kill(struct show *show)
{
    const struct scoreboard *board = &show->view.house->board;
    struct slice id = show->request.arguments[0];
    uint64_t number;
    int slot = 0;
    enum seen seen = SEEN_NOT;
    session_id_parse(id, &number, &slot);
    int64_t until_ms = clock_deadline(KILL_WAIT_MS);
    while ((seen = look_for(board, slot, id)) != SEEN_NOT && clock_ms() < until_ms)
        clock_poll(NULL, 0, clock_deadline(KILL_LOOK_MS));
    if (seen == SEEN_NOT)
        return true;
    deed_error(&show->out,
               seen == SEEN_COMMITTING
                   ? "its client was cut off; it still waits for the inside server's answer to a message, and ends then"
                   : "it was told to end, and is still there",
               "posternctl sessions");
    return false;
}

/* -- the child */

/* clang-format off */
static show_function *const SHOWS[CONTROL_VERBS] = {
    [CONTROL_STATUS] = show_status,
    [CONTROL_SESSIONS] = show_sessions,
    [CONTROL_WORKERS] = show_workers,
    [CONTROL_SERVERS] = show_servers,
    [CONTROL_CHECK] = show_check,
    [CONTROL_KILL] = show_kill,
    [CONTROL_BLOCK] = show_blocked,
    [CONTROL_ALLOW] = show_allowed,
    [CONTROL_LIMITS] = show_limits,
    [CONTROL_RATES] = show_rates,
    [CONTROL_CLIENTS] = show_clients,
    [CONTROL_STATS] = show_stats,
    [CONTROL_EXPLAIN] = show_explain,
    [CONTROL_LISTS] = show_lists,
    [CONTROL_GREYLIST] = show_memory,
    [CONTROL_REPUTATION] = show_memory,
    [CONTROL_STORE] = show_memory,
    [CONTROL_HISTORY] = show_history,
    [CONTROL_METRICS] = show_metrics,
};
/* clang-format on */

/* A configuration, or a name server, that takes for ever or crashes what reads it leaves nothing behind. */
static bool bound(const struct show *show)
{
    rlim_t most_s = (rlim_t)(show_most_ms(&show->request) / MS_PER_S);
    const struct rlimit seconds = {most_s, most_s}, none = {0, 0};
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && setrlimit(RLIMIT_CPU, &seconds) == 0 &&
           setrlimit(RLIMIT_CORE, &none) == 0;
}

int64_t show_most_ms(const struct control_request *request)
{
    return control_verbs[request->verb].lasts ? CONTROL_LASTING_MS : CONTROL_CHILD_MS;
}

/* Workers' code answers, in a worker's sandbox: it is to know no more than one. */
static bool is_handed_on(const struct control_request *request)
{
    return SHOWS[request->verb] == show_explain || SHOWS[request->verb] == show_memory;
}

static bool confine(struct show *show)
{
    bool checks = show->request.verb == CONTROL_CHECK;
    struct scoreboard *board = &show->view.house->board;
    int kept[REGIONS + 2];
    int count = checks ? 0 : scoreboard_descriptors(board, ROLE_READER, kept);
    kept[count++] = show->fd;
    if (SHOWS[show->request.verb] == show_memory && show->view.house->store_write >= 0)
        kept[count++] = show->view.house->store_write;
    prctl(PR_SET_NAME, CHILD_NAME);
    spawn_reset_signals();
    if (!spawn_leave_terminal() || !spawn_close_others(kept, count))
        return false;
    if (checks)
        return bound(show) && privilege_keep_reading();
    if (is_handed_on(&show->request) && !bound(show))
        return false;
    return privilege_drop(&show->view.house->identity) && scoreboard_enter_as(board, ROLE_READER);
}

static _Noreturn void answer(struct show *show)
{
    buffer_init(&show->out, show->memory, sizeof(show->memory));
    show->deadline_ms = clock_deadline(show_most_ms(&show->request));
    if (!confine(show)) {
        deed_error(&show->out, strerror(errno), NULL);
        show_flush(show);
        _exit(1);
    }
    show->now_ms = clock_ms();
    if (SHOWS[show->request.verb](show))
        deed_ok(&show->out);
    show_flush(show);
    _exit(0);
}

pid_t show_in_child(const struct control_view *view, const struct control_request *request,
                    const struct show_asker *asker)
{
    static struct show show; /* of the child alone, which has no room on its stack to spare */
    roster_show_to_children(&view->house->roster, !is_handed_on(request));
    pid_t pid = fork();
    int error = errno;
    if (pid != 0)
        roster_show_to_children(&view->house->roster, false);
    errno = error;
    if (pid != 0)
        return pid;
    show = (struct show){.view = *view, .request = *request, .fd = asker->fd, .asker = *asker};
    answer(&show);
}
