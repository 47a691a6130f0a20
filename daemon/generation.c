/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/must.h"
#include "common/worker_setup.h"

#include "daemon/plan.h"
#include "daemon/spawn.h"

enum {
    TICKETS_READ = 256,
    TICKETS_MAX = 4096, /* in one write, which a pipe takes whole or not at all */
    FULL_QUIET_MS = 60000,
    WHY_MAX = 512
};

static bool refuse(char *why, size_t why_size, const char *reason)
{
    snprintf(why, why_size, "%s", reason);
    return false;
}

static int crew_size(const struct listener_plan *plan)
{
    return (int)plan->pool->max_workers;
}

static bool open_pipe(int *read_out, int *write_out)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    *read_out = ends[0];
    *write_out = ends[1];
    return true;
}

static bool open_pipes(struct crew *crew)
{
    if (!open_pipe(&crew->lifeline_read, &crew->lifeline_write))
        return false;
    if (open_pipe(&crew->pressure_read, &crew->pressure_write))
        return true;
    int error = errno;
    close(crew->lifeline_read);
    close(crew->lifeline_write);
    errno = error;
    return false;
}

static struct listen_sets sets_of(const struct generation *generation)
{
    return (struct listen_sets){generation->sets, generation->count};
}

static bool open_listeners(struct generation *generation, const struct generation *before, char *why, size_t why_size)
{
    struct listen_sets present = {0};
    char reason[WHY_MAX];
    if (before != NULL)
        present = sets_of(before);
    for (int i = 0; i < generation->count; i++) {
        const struct listener_plan *plan = generation->crews[i].plan;
        if (listen_open(&generation->sets[i], plan->listen, before != NULL ? &present : NULL, reason, sizeof(reason)))
            continue;
        snprintf(why, why_size, "listener %s: %s", plan->name, reason);
        return false;
    }
    return true;
}

static int list_slots(const struct generation *generation, int count, struct slot_range *out)
{
    for (int i = 0; i < count; i++)
        out[i] = (struct slot_range){generation->crews[i].first_slot, crew_size(generation->crews[i].plan)};
    return count;
}

/* First fit: the present generation's ranges are taken, since it may still fork, and so is each slot where somebody
 * is. */
static bool take_slots(struct generation *generation, const struct generation *before, const struct roster *roster,
                       char *why, size_t why_size)
{
    int others = before != NULL ? before->count : 0;
    struct slot_range *taken = calloc((size_t)(others + generation->count), sizeof(*taken));
    if (taken == NULL)
        return refuse(why, why_size, "no memory");
    if (before != NULL)
        list_slots(before, others, taken);
    int first = 0;
    for (int i = 0; i < generation->count && first >= 0; i++) {
        int size = crew_size(generation->crews[i].plan);
        first = roster_find_room(roster, size, taken, others + i);
        taken[others + i] = (struct slot_range){first, size};
        generation->crews[i].first_slot = first;
    }
    free(taken);
    return first >= 0 || refuse(why, why_size, "no room for all max_workers beside the sessions of earlier workers");
}

static bool open_crews(struct generation *generation, char *why, size_t why_size)
{
    const struct plan *plan = generation->plan;
    generation->crews = calloc((size_t)plan->listener_count, sizeof(*generation->crews));
    generation->sets = calloc((size_t)plan->listener_count, sizeof(*generation->sets));
    if (generation->crews == NULL || generation->sets == NULL)
        return refuse(why, why_size, "no memory");
    for (int i = 0; i < plan->listener_count; i++) {
        struct crew *crew = &generation->crews[i];
        *crew = (struct crew){.plan = &plan->listeners[i], .listeners = &generation->sets[i]};
        crew->pace.batch = POOL_BATCH_MAX; /* nobody is there yet: whoever comes first must not wait */
        if (!open_pipes(crew))
            return refuse(why, why_size, strerror(errno));
        generation->count++;
    }
    return true;
}

bool generation_open(struct generation *generation, uint32_t number, struct plan *plan, const struct generation *before,
                     const struct house *house, char *why, size_t why_size)
{
    *generation = (struct generation){.number = number, .plan = plan, .cut_ms = CLOCK_NEVER};
    if (open_crews(generation, why, why_size) && take_slots(generation, before, &house->roster, why, why_size) &&
        open_listeners(generation, before, why, why_size))
        return true;
    generation_close(generation);
    return false;
}

static void let_go(struct crew *crew)
{
    if (crew->lifeline_write >= 0)
        close(crew->lifeline_write);
    crew->lifeline_write = -1;
}

void generation_dismiss(struct generation *generation)
{
    for (int i = 0; i < generation->count; i++)
        let_go(&generation->crews[i]);
    generation->dismissed = true;
}

void generation_shut(struct generation *generation, const struct generation *after)
{
    struct listen_sets taken_over = {0};
    if (after != NULL)
        taken_over = sets_of(after);
    for (int i = 0; i < generation->count; i++) {
        listen_shutdown(&generation->sets[i], &taken_over);
        listen_close(&generation->sets[i]);
    }
}

void generation_close(struct generation *generation)
{
    generation_dismiss(generation);
    for (int i = 0; i < generation->count; i++) {
        close(generation->crews[i].lifeline_read);
        close(generation->crews[i].pressure_read);
        close(generation->crews[i].pressure_write);
        listen_close(&generation->sets[i]);
    }
    free(generation->crews);
    free(generation->sets);
    *generation = (struct generation){0};
}

/* -- one crew */

static struct worker_setup setup_for(const struct crew *crew, struct house *house, const struct generation *generation,
                                     int slot)
{
    return (struct worker_setup){
        .service = crew->plan->service,
        .board = &house->board,
        .slot = slot,
        .pool_first = crew->first_slot,
        .pool_size = crew_size(crew->plan),
        .min_spare = pool_min_spare(crew->plan->pool),
        .listeners = crew->listeners->fds,
        .listener_count = crew->listeners->count,
        .lifeline = crew->lifeline_read,
        .pressure_read = crew->pressure_read,
        .pressure_write = crew->pressure_write,
        .wake = house->wake_write,
        .store = house->store_write,
        .generation = generation->number,
        .sandbox = house->sandbox,
        .sandbox_mode = plan_sandbox(generation->plan),
    };
}

static bool spawn_one(struct generation *generation, int index, struct house *house)
{
    struct crew *crew = &generation->crews[index];
    int slot = roster_free_slot(&house->roster, crew->first_slot, crew_size(crew->plan));
    must(slot >= 0);
    scoreboard_clear_slot(&house->board, slot);
    scoreboard_set_tag(&house->board, slot, TAG_STARTING);
    if (slot >= house->roster.end)
        orders_set_slots_end(house->board.orders, slot + 1);
    struct worker_setup setup = setup_for(crew, house, generation, slot);
    struct roster_entry entry = {.pid = spawn_worker(house->worker, &house->identity, &setup),
                                 .generation = generation->number,
                                 .crew = index,
                                 .started_ms = clock_ms()};
    if (entry.pid < 0) {
        scoreboard_set_tag(&house->board, slot, TAG_NONE);
        return false;
    }
    roster_add(&house->roster, slot, &entry);
    house->forked++;
    return true;
}

static void log_fork_failed(const struct crew *crew, int error)
{
    struct record r;
    record_begin(&r, "fork-failed");
    record_string(&r, "listener", crew->plan->name);
    record_string(&r, "error", strerror(error));
    record_send(&r, LEVEL_ERROR);
}

static void spawn_some(struct generation *generation, int index, struct house *house, int count)
{
    struct crew *crew = &generation->crews[index];
    for (int i = 0; i < count; i++) {
        if (spawn_one(generation, index, house))
            continue;
        log_fork_failed(crew, errno);
        pool_lost(&crew->pace, POOL_LOSS_REFUSAL, 0, clock_ms());
        return;
    }
}

/* Tickets that nobody took are worth nothing any more: spares are short now, or they were counted anew. The reading end
 * is the master's own open file (spawn.c): it stays non-blocking, whatever workers do to theirs. */
static void take_back_tickets(struct crew *crew)
{
    char said[TICKETS_READ];
    ssize_t size;
    do {
        size = read(crew->lifeline_read, said, sizeof(said));
        if (size > 0 && memchr(said, LIFELINE_LOOK, (size_t)size) != NULL)
            crew->is_to_look = true;
    } while (size == (ssize_t)sizeof(said));
}

/* Wakes all who wait; each takes one octet, and who finds none waits on. */
static void write_tickets(const struct crew *crew, int count)
{
    static const char tickets[TICKETS_MAX];
    if (count > 0 && write(crew->lifeline_write, tickets, (size_t)(count < TICKETS_MAX ? count : TICKETS_MAX)) < 0)
        return; /* full: thousands of tickets are enough */
}

/* A connection wakes one worker only. When that one ends before it has accepted, nobody else would ever hear of it. */
static void say_look(struct crew *crew)
{
    static const char look = LIFELINE_LOOK;
    if (crew->is_to_look && write(crew->lifeline_write, &look, 1) == 1)
        crew->is_to_look = false;
}

static struct pool_view view_of(const struct crew *crew, const struct house *house, int64_t now_ms)
{
    int size = crew_size(crew->plan);
    struct tag_count rumour = scoreboard_count(&house->board, crew->first_slot, size);
    return (struct pool_view){
        .alive = roster_alive(&house->roster, crew->first_slot, size),
        .idle = rumour.idle,
        .starting = rumour.starting,
        .now_ms = now_ms,
    };
}

static void say_when_full(struct crew *crew, int64_t now_ms)
{
    if (now_ms < crew->full_quiet_until_ms)
        return;
    struct record r;
    record_begin(&r, "full");
    record_string(&r, "listener", crew->plan->name);
    record_number(&r, "max_workers", (uint64_t)crew_size(crew->plan));
    record_send(&r, LEVEL_WARNING);
    crew->full_quiet_until_ms = now_ms + FULL_QUIET_MS;
}

static void look_at(struct generation *generation, int index, struct house *house, int64_t now_ms)
{
    struct crew *crew = &generation->crews[index];
    struct pool_view view = view_of(crew, house, now_ms);
    struct pool_step step = pool_decide(crew->plan->pool, &crew->pace, &view);
    if (step.missing || step.leave > 0)
        take_back_tickets(crew);
    spawn_some(generation, index, house, step.spawn);
    write_tickets(crew, step.leave);
    say_look(crew);
    if (step.full)
        say_when_full(crew, now_ms);
    crew->look_ms = step.look_ms;
}

int64_t generation_look(struct generation *generation, struct house *house, bool wake, int64_t now_ms)
{
    int64_t next_ms = CLOCK_NEVER;
    if (generation->dismissed)
        return next_ms;
    for (int i = 0; i < generation->count; i++) {
        struct crew *crew = &generation->crews[i];
        if (wake || now_ms >= crew->look_ms)
            look_at(generation, i, house, now_ms);
        if (crew->look_ms < next_ms)
            next_ms = crew->look_ms;
    }
    return next_ms;
}

bool generation_has_workers(const struct generation *generation, const struct house *house)
{
    for (int i = 0; i < generation->count; i++) {
        const struct crew *crew = &generation->crews[i];
        if (roster_alive(&house->roster, crew->first_slot, crew_size(crew->plan)) == 0)
            return false;
    }
    return true;
}

bool generation_is_up(const struct generation *generation, const struct house *house)
{
    for (int i = 0; i < generation->count; i++) {
        const struct crew *crew = &generation->crews[i];
        struct tag_count rumour = scoreboard_count(&house->board, crew->first_slot, crew_size(crew->plan));
        if (rumour.alive == rumour.starting)
            return false;
    }
    return true;
}

bool generation_waits(const struct generation *generation, const struct house *house)
{
    for (int i = 0; i < generation->count; i++) {
        const struct crew *crew = &generation->crews[i];
        struct tag_count rumour = scoreboard_count(&house->board, crew->first_slot, crew_size(crew->plan));
        if (rumour.idle + rumour.starting > 0)
            return true;
    }
    return false;
}

static void log_listeners_closed(const struct crew *crew, int count, const char *why)
{
    struct record r;
    record_begin(&r, "listener-closed");
    record_string(&r, "listener", crew->plan->name);
    record_number(&r, "addresses", (uint64_t)count);
    record_string(&r, "why", why);
    record_send(&r, LEVEL_ERROR);
}

static bool restore_crew(struct crew *crew)
{
    struct listen_loss loss = listen_restore(crew->listeners);
    if (loss.reopened > 0)
        log_listeners_closed(crew, loss.reopened, "a worker shut it down; opened again");
    if (loss.lost > crew->lost)
        log_listeners_closed(crew, loss.lost,
                             loss.lost_of_manager > 0 ? "a worker shut it down; restart the socket unit"
                                                      : "a worker shut it down; bound anew, for new workers");
    crew->lost = loss.lost;
    return loss.lost > loss.lost_of_manager;
}

bool generation_restore_listeners(struct generation *generation)
{
    bool lost = false;
    for (int i = 0; i < generation->count; i++)
        lost |= restore_crew(&generation->crews[i]);
    return lost;
}
