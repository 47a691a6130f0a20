/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/must.h"

#include "daemon/generation.h"
#include "daemon/spawn.h"

enum {
    TICKETS_READ = 256,
    TICKETS_MAX = 4096, /* in one write, which a pipe takes whole or not at all */
    FULL_QUIET_MS = 60000
};

static int crew_size(const struct listener_plan *plan)
{
    return (int)plan->pool->max_workers;
}

int generation_slots(const struct listener_plan *plans, int count)
{
    int slots = 0;
    for (int i = 0; i < count; i++)
        slots += crew_size(&plans[i]);
    return slots;
}

static bool open_lifeline(struct crew *crew)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    crew->lifeline_read = ends[0];
    crew->lifeline_write = ends[1];
    return true;
}

bool generation_open(struct generation *generation, uint32_t number, const struct listener_plan *plans,
                     const struct listen_set *sets, int count)
{
    *generation = (struct generation){.number = number, .crews = calloc((size_t)count, sizeof(struct crew))};
    if (generation->crews == NULL)
        return false;
    int slot = 0;
    for (int i = 0; i < count; i++) {
        struct crew *crew = &generation->crews[i];
        *crew = (struct crew){.plan = &plans[i], .listeners = &sets[i], .first_slot = slot};
        if (!open_lifeline(crew)) {
            int error = errno;
            generation_close(generation);
            errno = error;
            return false;
        }
        slot += crew_size(&plans[i]);
        generation->count++;
    }
    return true;
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

void generation_close(struct generation *generation)
{
    generation_dismiss(generation);
    for (int i = 0; i < generation->count; i++)
        close(generation->crews[i].lifeline_read);
    free(generation->crews);
    *generation = (struct generation){0};
}

/* -- one crew */

static struct worker_setup setup_for(const struct crew *crew, struct house *house, uint32_t generation, int slot)
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
        .wake = house->wake_write,
        .generation = generation,
    };
}

static bool spawn_one(struct generation *generation, int index, struct house *house)
{
    struct crew *crew = &generation->crews[index];
    int slot = roster_free_slot(&house->roster, crew->first_slot, crew_size(crew->plan));
    must(slot >= 0);
    scoreboard_clear_slot(&house->board, slot);
    scoreboard_set_tag(&house->board, slot, TAG_STARTING);
    struct spawn spawn = {
        .function = house->worker,
        .identity = &house->identity,
        .setup = setup_for(crew, house, generation->number, slot),
    };
    struct roster_entry entry = {
        .pid = spawn_worker(&spawn), .generation = generation->number, .crew = index, .started_ms = clock_ms()};
    if (entry.pid < 0) {
        scoreboard_set_tag(&house->board, slot, TAG_NONE);
        return false;
    }
    roster_add(&house->roster, slot, &entry);
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
static void take_back_tickets(const struct crew *crew)
{
    char tickets[TICKETS_READ];
    while (read(crew->lifeline_read, tickets, sizeof(tickets)) == (ssize_t)sizeof(tickets))
        ;
}

/* Wakes all who wait; each takes one octet, and who finds none waits on. */
static void write_tickets(const struct crew *crew, int count)
{
    static const char tickets[TICKETS_MAX];
    if (count > 0 && write(crew->lifeline_write, tickets, (size_t)(count < TICKETS_MAX ? count : TICKETS_MAX)) < 0)
        return; /* full: thousands of tickets are enough */
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

static void log_listeners_closed(const struct crew *crew, int count)
{
    struct record r;
    record_begin(&r, "listener-closed");
    record_string(&r, "listener", crew->plan->name);
    record_number(&r, "addresses", (uint64_t)count);
    record_string(&r, "why", "a worker shut it down; opened again");
    record_send(&r, LEVEL_ERROR);
}

void generation_restore_listeners(const struct generation *generation)
{
    for (int i = 0; i < generation->count; i++) {
        int closed = listen_restore(generation->crews[i].listeners);
        if (closed > 0)
            log_listeners_closed(&generation->crews[i], closed);
    }
}
