/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "common/clock.h"
#include "common/log.h"
#include "workers/heard.h"

#include "workers/housekeeper/survey.h"

/* -- what was found -- */

static void tell(const struct survey_entry *e, const struct health_facts *is)
{
    const struct probe *probe = &e->probe;
    bool down = is->state == HEALTH_DOWN;
    struct record r;
    record_begin(&r, "server");
    record_string(&r, "state", health_state_name(is->state));
    record_string(&r, "backend", e->target.backend->name);
    record_string(&r, "server", e->target.server->name);
    record_string(&r, "trouble", health_trouble_name(probe->trouble));
    record_string(&r, "why", probe->why);
    if (down)
        record_number(&r, "failures", is->failures);
    record_send(&r, down ? LEVEL_WARNING : LEVEL_NOTICE);
}

static enum health_state state_after(const struct health_facts *was, uint32_t failures)
{
    if (failures == 0)
        return HEALTH_UP;
    return failures >= SURVEY_FAILURES ? HEALTH_DOWN : was->state;
}

static void write_down(const struct survey *s, const struct survey_entry *e, int64_t now_ms)
{
    struct health *health = &s->board->health[e->target.server->heard_slot];
    const struct health_facts was = health_read(health);
    const struct probe *probe = &e->probe;
    uint32_t failures = probe->trouble == HEALTH_FINE ? 0 : was.failures + (was.failures < UINT32_MAX);
    enum health_state state = state_after(&was, failures);
    atomic_store(&health->trouble, probe->trouble);
    atomic_store(&health->probed_ms, now_ms);
    atomic_store(&health->took_ms, probe->took_ms);
    atomic_store(&health->failures, failures);
    if (state == was.state)
        return;
    atomic_store(&health->since_ms, now_ms);
    atomic_store(&health->state, state);
    const struct health_facts is = health_read(health);
    tell(e, &is);
}

/* As any session would (berths.h), but without waiting. */
static bool has_berth(const struct survey *s, const struct survey_entry *e, int64_t now_ms)
{
    const struct server *server = e->target.server;
    struct berth_wish wish = {
        .place = server->heard_slot, .max = server->max_sessions, .since_ms = now_ms, .home = server->heard_slot};
    if (server->max_sessions == 0)
        return true;
    struct berths berths = scoreboard_probe_berths(s->board, server->heard_slot);
    if (berths_ask(&berths, &wish).berth == BERTH_TAKEN)
        return true;
    berths_leave(&berths);
    return false;
}

static void leave_berth(const struct survey *s, const struct survey_entry *e)
{
    if (e->target.server->max_sessions == 0)
        return;
    struct berths berths = scoreboard_probe_berths(s->board, e->target.server->heard_slot);
    berths_leave(&berths);
}

static void put_off(const struct survey *s, struct survey_entry *e, int64_t now_ms)
{
    int64_t interval = s->options->probe_interval_ms;
    e->next_ms += interval * ((now_ms - e->next_ms) / interval + 1); /* in its turn, also after a long sleep */
}

static void finish(const struct survey *s, struct survey_entry *e, int64_t now_ms)
{
    write_down(s, e, now_ms);
    if (e->probe.trouble == HEALTH_FINE)
        heard_remember(s->board, e->target.server, &e->probe.offers);
    leave_berth(s, e);
    put_off(s, e, now_ms);
}

/* -- who is asked, and when -- */

static bool is_due(const struct survey_entry *e, int64_t now_ms)
{
    return probe_is_over(&e->probe) && now_ms >= e->next_ms;
}

static void step(const struct survey *s, struct survey_entry *e, bool woken, int64_t now_ms)
{
    bool is_asked = is_due(e, now_ms);
    if (is_asked && !has_berth(s, e, now_ms)) {
        put_off(s, e, now_ms);
        return;
    }
    if (is_asked)
        probe_begin(&e->probe, &e->target, s->wait, s->options->probe_timeout_ms);
    else if (!probe_is_over(&e->probe) && (woken || now_ms >= e->probe.deadline_ms))
        probe_step(&e->probe);
    else
        return;
    if (probe_is_over(&e->probe))
        finish(s, e, now_ms);
}

void survey_step(struct survey *s, const struct pollfd *fds, int64_t now_ms)
{
    for (int i = 0; i < s->count; i++)
        step(s, &s->entries[i], fds[i].revents != 0, now_ms);
}

int survey_poll(const struct survey *s, struct pollfd fds[SCOREBOARD_SERVERS_MAX])
{
    for (int i = 0; i < s->count; i++)
        fds[i] = probe_poll(&s->entries[i].probe);
    return s->count;
}

int64_t survey_next_ms(const struct survey *s)
{
    int64_t next = CLOCK_NEVER;
    for (int i = 0; i < s->count; i++) {
        const struct survey_entry *e = &s->entries[i];
        int64_t own = probe_is_over(&e->probe) ? e->next_ms : e->probe.deadline_ms;
        next = own < next ? own : next;
    }
    return next;
}

/* -- beginning and end -- */

/* FNV-1a, over the NUL, too. */
static uint64_t hash_text(uint64_t hash, const char *text)
{
    do
        hash = (hash ^ (unsigned char)*text) * UINT64_C(1099511628211);
    while (*text++ != '\0');
    return hash;
}

static uint64_t hash_target(const struct probe_target *target)
{
    char address[ENDPOINT_TEXT_MAX];
    endpoint_print(&target->server->address, address);
    uint64_t hash = hash_text(UINT64_C(14695981039346656037), target->backend->name);
    return hash_text(hash_text(hash, target->server->name), address);
}

static void forget(struct health *health)
{
    atomic_store(&health->state, HEALTH_UNKNOWN);
    atomic_store(&health->trouble, HEALTH_FINE);
    atomic_store(&health->failures, 0);
}

/* What stands there goes on to be true for the same server alone. */
static void take_place(struct health *health, const struct probe_target *target)
{
    uint64_t whose = hash_target(target);
    if (atomic_load(&health->whose) == whose)
        return;
    forget(health);
    atomic_store(&health->whose, whose);
}

static void add(struct survey *s, const struct housekeeping *work, size_t backend, const struct server *server)
{
    struct survey_entry *e = &s->entries[s->count++];
    e->target = (struct probe_target){
        .backend = block_at(work->backends, backend),
        .server = server,
        .tls = work->tls != NULL ? work->tls[backend] : NULL,
        .hostname = work->hostname,
    };
    take_place(&s->board->health[server->heard_slot], &e->target);
}

static void add_all(struct survey *s, const struct housekeeping *work)
{
    for (size_t i = 0; i < work->backends->count; i++) {
        const struct backend *backend = block_at(work->backends, i);
        for (size_t j = 0; j < backend->servers.count; j++) {
            const struct server *server = block_at(&backend->servers, j);
            if (server->heard_slot >= 0 && server->heard_slot < SCOREBOARD_SERVERS_MAX)
                add(s, work, i, server);
        }
    }
}

/* All are due now, and their next turns come one after the other. */
static void spread(struct survey *s, int64_t now_ms)
{
    int64_t interval = s->options->probe_interval_ms;
    for (int i = 0; i < s->count; i++)
        s->entries[i].next_ms = now_ms - interval + interval * (i + 1) / s->count;
}

/* Nobody will correct it any more. */
static void forget_health(struct scoreboard *board)
{
    for (int i = 0; i < SCOREBOARD_SERVERS_MAX; i++)
        forget(&board->health[i]);
}

bool survey_open(struct survey *s, const struct housekeeping *work, struct scoreboard *board, struct wait *wait,
                 int64_t now_ms)
{
    *s = (struct survey){.options = work->options, .board = board, .wait = wait};
    if (work->options->probe_interval_ms == 0) {
        forget_health(board);
        return true;
    }
    s->entries = calloc(SCOREBOARD_SERVERS_MAX, sizeof(*s->entries));
    if (s->entries == NULL)
        return false;
    add_all(s, work);
    spread(s, now_ms);
    return true;
}

void survey_close(struct survey *s)
{
    for (int i = 0; i < s->count; i++)
        probe_stop(&s->entries[i].probe);
    free(s->entries);
    *s = (struct survey){0};
}
