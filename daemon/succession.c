/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/must.h"

#include "daemon/adopted.h"
#include "daemon/heap.h"
#include "daemon/spawn.h"
#include "daemon/succession.h"

static void end_generation(const struct succession *s, struct generation *generation)
{
    struct plan *plan = generation->plan;
    bool adopted = generation->adopted;
    generation_close(generation);
    free(generation);
    if (adopted)
        adopted_drop(&plan, s->planner->places);
    else
        s->planner->drop(s->planner, &plan);
    heap_fill();
}

/* NULL with why; the plan is gone then. */
static struct generation *open_next(struct succession *s, const struct house *house, struct plan *plan, char *why,
                                    size_t why_size)
{
    struct generation *next = calloc(1, sizeof(*next));
    bool opened = next != NULL && generation_open(next, ++s->last_number, plan, s->present, house, why, why_size);
    if (next == NULL)
        snprintf(why, why_size, "no memory");
    if (!opened) {
        free(next);
        next = NULL;
        s->planner->drop(s->planner, &plan);
    }
    heap_fill(); /* whoever is forked next is spared what is free */
    return next;
}

bool succession_begin(struct succession *s, struct house *house, struct plan *plan, char *why, size_t why_size)
{
    must(s->present == NULL);
    s->present = open_next(s, house, plan, why, why_size);
    return s->present != NULL;
}

bool succession_has_room(const struct succession *s)
{
    return s->draining_count < SUCCESSION_DRAINING_MAX;
}

static void let_drain(struct succession *s, struct generation *generation)
{
    must(succession_has_room(s));
    memmove(&s->draining[1], &s->draining[0], (size_t)s->draining_count * sizeof(s->draining[0]));
    s->draining[0] = generation;
    s->draining_count++;
}

/* Lifelines first: a worker that a shut-down listener wakes then finds the reason at once. */
static void dismiss(struct succession *s, struct generation *generation, const struct generation *after, int64_t cut_ms)
{
    generation_dismiss(generation);
    generation_shut(generation, after);
    generation->cut_ms = cut_ms;
    generation->cut_signal = WORKER_CUT_SIGNAL;
    let_drain(s, generation);
}

bool succession_rehearse(struct succession *s, const struct house *house, struct plan *plan, char *why, size_t why_size)
{
    uint32_t last_number = s->last_number;
    struct generation *next = open_next(s, house, plan, why, why_size);
    s->last_number = last_number;
    if (next == NULL)
        return false;
    generation_shut(next, s->present);
    end_generation(s, next);
    return true;
}

struct generation *succession_prepare(struct succession *s, struct house *house, struct plan *plan, int64_t now_ms,
                                      char *why, size_t why_size)
{
    struct generation *next = open_next(s, house, plan, why, why_size);
    if (next == NULL)
        return NULL;
    generation_look(next, house, true, now_ms);
    if (generation_has_workers(next, house))
        return next;
    snprintf(why, why_size, "no workers can be made; see event=fork-failed");
    dismiss(s, next, s->present, now_ms);
    return NULL;
}

void succession_switch(struct succession *s, struct generation *next, int64_t now_ms)
{
    struct generation *before = s->present;
    s->present = next;
    dismiss(s, before, next, now_ms + next->plan->process->retire_timeout_ms);
}

bool succession_change(struct succession *s, struct house *house, struct plan *plan, int64_t now_ms, char *why,
                       size_t why_size)
{
    struct generation *next = succession_prepare(s, house, plan, now_ms, why, why_size);
    if (next != NULL)
        succession_switch(s, next, now_ms);
    return next != NULL;
}

bool succession_is_settled(const struct succession *s, const struct house *house)
{
    for (int i = 0; i < s->draining_count; i++)
        if (generation_waits(s->draining[i], house))
            return false;
    return true;
}

struct generation *succession_find(const struct succession *s, uint32_t number)
{
    if (s->present != NULL && s->present->number == number)
        return s->present;
    for (int i = 0; i < s->draining_count; i++)
        if (s->draining[i]->number == number)
            return s->draining[i];
    return NULL;
}

static void log_cut(const struct generation *generation, int workers)
{
    struct record r;
    record_begin(&r, "retired");
    record_number(&r, "generation", generation->number);
    record_number(&r, "workers", (uint64_t)workers);
    record_string(&r, "why", "retire_timeout is over");
    record_send(&r, LEVEL_NOTICE);
}

static void cut_late(struct generation *generation, struct house *house, int workers, int64_t now_ms)
{
    if (now_ms < generation->cut_ms)
        return;
    bool first = generation->cut_signal == WORKER_CUT_SIGNAL;
    if (first)
        log_cut(generation, workers);
    roster_signal_generation(&house->roster, generation->number, generation->cut_signal);
    generation->cut_signal = SIGKILL;
    generation->cut_ms = first ? now_ms + SUCCESSION_CUT_GRACE_MS : CLOCK_NEVER;
}

int64_t succession_look(struct succession *s, struct house *house, int64_t now_ms)
{
    int64_t look_ms = CLOCK_NEVER;
    int kept = 0;
    for (int i = 0; i < s->draining_count; i++) {
        struct generation *generation = s->draining[i];
        int workers = roster_of_generation(&house->roster, generation->number);
        if (workers == 0) {
            end_generation(s, generation);
            continue;
        }
        cut_late(generation, house, workers, now_ms);
        if (generation->cut_ms < look_ms)
            look_ms = generation->cut_ms;
        s->draining[kept++] = generation;
    }
    s->draining_count = kept;
    return look_ms;
}

void succession_close(struct succession *s)
{
    for (int i = 0; i < s->draining_count; i++)
        end_generation(s, s->draining[i]);
    s->draining_count = 0;
    if (s->present != NULL)
        end_generation(s, s->present);
    s->present = NULL;
}
