/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"

#include "daemon/adopted.h"
#include "daemon/spawn.h"

enum { NUMBER_MAX = INT32_MAX, CREWS_MAX = 4096, SERVERS_MAX = 4096 };

static const char GENERATION[] = "generation", CREW[] = "crew", SOCKET[] = "socket", SERVER[] = "server";

/* -- written */

static void write_sockets(const struct generation *generation, int index, struct legacy *to)
{
    const struct listen_set *set = &generation->sets[index];
    char text[ENDPOINT_TEXT_MAX];
    for (int i = 0; i < set->count; i++) {
        legacy_begin(to, SOCKET);
        legacy_put_number(to, "generation", generation->number);
        legacy_put_number(to, "crew", index);
        legacy_put_fd(to, "fd", set->fds[i]);
        endpoint_print(&set->origins[i].at, text);
        legacy_put_string(to, "address", text);
        legacy_put_flag(to, "inherited", set->origins[i].inherited);
        legacy_end(to);
    }
}

static void write_crew(const struct generation *generation, int index, struct legacy *to)
{
    const struct crew *crew = &generation->crews[index];
    legacy_begin(to, CREW);
    legacy_put_number(to, "generation", generation->number);
    legacy_put_string(to, "name", crew->plan->name);
    legacy_put_number(to, "first_slot", crew->first_slot);
    legacy_put_number(to, "size", crew->plan->pool->max_workers);
    legacy_put_fd(to, "lifeline_read", crew->lifeline_read);
    legacy_put_fd(to, "lifeline_write", crew->lifeline_write);
    legacy_put_fd(to, "pressure_read", crew->pressure_read);
    legacy_put_fd(to, "pressure_write", crew->pressure_write);
    legacy_put_number(to, "lost", crew->lost);
    legacy_end(to);
}

static void write_servers(const struct generation *generation, struct legacy *to)
{
    char text[ENDPOINT_TEXT_MAX];
    for (int i = 0; i < generation->plan->server_count; i++) {
        const struct plan_server *server = &generation->plan->servers[i];
        if (server->slot < 0)
            continue;
        legacy_begin(to, SERVER);
        legacy_put_number(to, "generation", generation->number);
        legacy_put_string(to, "backend", server->backend);
        legacy_put_string(to, "name", server->name);
        endpoint_print(&server->address, text);
        legacy_put_string(to, "address", text);
        legacy_put_number(to, "place", server->slot);
        legacy_end(to);
    }
}

static void write_generation(const struct generation *generation, struct legacy *to)
{
    legacy_begin(to, GENERATION);
    legacy_put_number(to, "number", generation->number);
    legacy_put_flag(to, "dismissed", generation->dismissed);
    legacy_put_number(to, "cut_ms", generation->cut_ms);
    legacy_put_flag(to, "cut", generation->cut_signal == SIGKILL);
    legacy_put_number(to, "crews", generation->count);
    legacy_put_number(to, "servers", generation->plan->server_count);
    legacy_end(to);
    for (int i = 0; i < generation->count; i++) {
        write_crew(generation, i, to);
        write_sockets(generation, i, to);
    }
    write_servers(generation, to);
}

/* The present one first. */
void adopted_write(const struct succession *s, struct legacy *to)
{
    legacy_begin(to, "succession");
    legacy_put_number(to, "last", s->last_number);
    legacy_end(to);
    write_generation(s->present, to);
    for (int i = 0; i < s->draining_count; i++)
        write_generation(s->draining[i], to);
}

/* -- read: what is known of the plan */

struct adopted_plan {
    struct plan plan;
    struct listener_plan *listeners;
    struct listen_options *listens;
    struct endpoint (*addresses)[WORKER_LISTENERS_MAX]; /* of each listener */
    struct pool_options *pools;
    struct plan_server *servers;
    int listener_room, server_room;
};

static struct adopted_plan *full(const struct plan *plan)
{
    return (struct adopted_plan *)(uintptr_t)plan;
}

static void free_text(const char *text)
{
    free((void *)(uintptr_t)text);
}

void adopted_drop(struct plan **plan, struct places *places)
{
    struct adopted_plan *all = full(*plan);
    for (int i = 0; i < all->plan.server_count; i++) {
        if (places != NULL)
            places_give_back(places, all->servers[i].slot);
        free_text(all->servers[i].backend);
        free_text(all->servers[i].name);
    }
    for (int i = 0; i < all->plan.listener_count; i++)
        free_text(all->listeners[i].name);
    free(all->listeners);
    free(all->listens);
    free(all->addresses);
    free(all->pools);
    free(all->servers);
    free(all);
    *plan = NULL;
}

static struct adopted_plan *make_plan(int listeners, int servers)
{
    struct adopted_plan *all = calloc(1, sizeof(*all));
    if (all == NULL)
        return NULL;
    *all = (struct adopted_plan){.listeners = calloc((size_t)listeners + 1, sizeof(*all->listeners)),
                                 .listens = calloc((size_t)listeners + 1, sizeof(*all->listens)),
                                 .addresses = calloc((size_t)listeners + 1, sizeof(*all->addresses)),
                                 .pools = calloc((size_t)listeners + 1, sizeof(*all->pools)),
                                 .servers = calloc((size_t)servers + 1, sizeof(*all->servers)),
                                 .listener_room = listeners,
                                 .server_room = servers};
    all->plan = (struct plan){.listeners = all->listeners, .servers = all->servers, .watch = -1};
    struct plan *plan = &all->plan;
    if (all->listeners == NULL || all->listens == NULL || all->addresses == NULL || all->pools == NULL ||
        all->servers == NULL)
        adopted_drop(&plan, NULL);
    return plan != NULL ? all : NULL;
}

static bool read_address(const struct legacy_record *r, struct endpoint *out)
{
    char text[ENDPOINT_TEXT_MAX];
    const char *why;
    size_t size = legacy_text(r, "address", text, sizeof(text));
    if (size > 0 && endpoint_parse(slice_make(text, size), out, &why))
        return true;
    legacy_be_bad(r->legacy, "address", "is none");
    return false;
}

/* -- read: generations, in the order in which they were written */

static void put_generation(struct succession *s, struct generation *generation)
{
    if (s->present == NULL)
        s->present = generation;
    else
        s->draining[s->draining_count++] = generation;
}

static bool open_generation(struct succession *s, const struct legacy_record *r)
{
    struct generation *generation = calloc(1, sizeof(*generation));
    int crews = (int)legacy_number(r, "crews", 1, CREWS_MAX);
    struct adopted_plan *all = make_plan(crews, (int)legacy_number(r, "servers", 0, SERVERS_MAX));
    if (generation == NULL || all == NULL) {
        struct plan *plan = all != NULL ? &all->plan : NULL;
        if (plan != NULL)
            adopted_drop(&plan, NULL);
        free(generation);
        return false;
    }
    *generation = (struct generation){
        .number = (uint32_t)legacy_number(r, "number", 1, UINT32_MAX),
        .plan = &all->plan,
        .adopted = true,
        .crews = calloc((size_t)crews, sizeof(*generation->crews)),
        .sets = calloc((size_t)crews, sizeof(*generation->sets)),
        .dismissed = legacy_flag(r, "dismissed"),
        .cut_ms = legacy_number(r, "cut_ms", 0, CLOCK_NEVER),
        .cut_signal = legacy_flag(r, "cut") ? SIGKILL : WORKER_CUT_SIGNAL,
    };
    put_generation(s, generation);
    return generation->crews != NULL && generation->sets != NULL;
}

static struct generation *generation_of(const struct succession *s, const struct legacy_record *r)
{
    struct generation *found = succession_find(s, (uint32_t)legacy_number(r, "generation", 1, UINT32_MAX));
    if (found == NULL)
        legacy_be_bad(r->legacy, GENERATION, "there is no such");
    return found;
}

static bool read_crew(const struct succession *s, const struct legacy_record *r)
{
    struct generation *generation = generation_of(s, r);
    struct adopted_plan *all = generation != NULL ? full(generation->plan) : NULL;
    if (all == NULL || generation->count == all->listener_room)
        return false;
    int i = generation->count++;
    all->plan.listener_count++;
    all->pools[i].max_workers = legacy_number(r, "size", 0, SCOREBOARD_SLOTS_MAX);
    all->listens[i].addresses = (struct endpoint_list){all->addresses[i], 0};
    all->listeners[i] = (struct listener_plan){legacy_string(r, "name"), &all->listens[i], &all->pools[i], NULL};
    generation->sets[i] = (struct listen_set){calloc(WORKER_LISTENERS_MAX, sizeof(int)),
                                              calloc(WORKER_LISTENERS_MAX, sizeof(struct listen_origin)), 0};
    generation->crews[i] = (struct crew){
        .plan = &all->listeners[i],
        .listeners = &generation->sets[i],
        .first_slot = (int)legacy_number(r, "first_slot", 0, SCOREBOARD_SLOTS_MAX - all->pools[i].max_workers),
        .lifeline_read = legacy_fd(r, "lifeline_read"),
        .lifeline_write = legacy_fd(r, "lifeline_write"),
        .pressure_read = legacy_fd(r, "pressure_read"),
        .pressure_write = legacy_fd(r, "pressure_write"),
        .lost = (int)legacy_number(r, "lost", 0, NUMBER_MAX),
    };
    return generation->sets[i].fds != NULL && generation->sets[i].origins != NULL;
}

static bool read_socket(const struct succession *s, const struct legacy_record *r)
{
    struct generation *generation = generation_of(s, r);
    int crew = generation != NULL ? (int)legacy_number(r, "crew", 0, generation->count - 1) : -1;
    if (crew < 0 || crew >= generation->count || generation->sets[crew].count == WORKER_LISTENERS_MAX)
        return false;
    struct adopted_plan *all = full(generation->plan);
    struct listen_set *set = &generation->sets[crew];
    struct listen_origin origin = {.inherited = legacy_flag(r, "inherited")};
    if (!read_address(r, &origin.at))
        return false;
    all->addresses[crew][all->listens[crew].addresses.count++] = origin.at;
    set->origins[set->count] = origin;
    set->fds[set->count] = legacy_fd(r, "fd");
    return set->fds[set->count++] >= 0;
}

static bool read_server(const struct succession *s, const struct legacy_record *r)
{
    struct generation *generation = generation_of(s, r);
    struct adopted_plan *all = generation != NULL ? full(generation->plan) : NULL;
    struct plan_server server = {.slot = (int)legacy_number(r, "place", 0, SCOREBOARD_SERVERS_MAX - 1)};
    if (all == NULL || all->plan.server_count == all->server_room || !read_address(r, &server.address))
        return false;
    server.backend = legacy_string(r, "backend");
    server.name = legacy_string(r, "name");
    all->servers[all->plan.server_count++] = server;
    return server.backend != NULL && server.name != NULL;
}

typedef bool reader(const struct succession *s, const struct legacy_record *r);

static void read_all(struct succession *s, struct legacy *from, const char *kind, reader *read_one)
{
    for (struct legacy_record r = {0}; legacy_next(from, kind, &r);)
        if (!read_one(s, &r))
            legacy_be_bad(from, kind, "too many, in the wrong place, or no memory");
}

void adopted_read(struct succession *s, struct legacy *from)
{
    struct legacy_record r = {0};
    if (legacy_next(from, "succession", &r))
        s->last_number = (uint32_t)legacy_number(&r, "last", 1, UINT32_MAX - 1);
    for (r = (struct legacy_record){0};
         s->draining_count < SUCCESSION_DRAINING_MAX && legacy_next(from, GENERATION, &r);)
        if (!open_generation(s, &r))
            legacy_be_bad(from, GENERATION, "no memory");
    read_all(s, from, CREW, read_crew);
    read_all(s, from, SOCKET, read_socket);
    read_all(s, from, SERVER, read_server);
    if (s->present == NULL || s->last_number == 0)
        legacy_be_bad(from, GENERATION, "there is none");
}

/* -- places */

void adopted_keep_places(struct legacy *from, struct places *places)
{
    for (struct legacy_record r = {0}; legacy_next(from, SERVER, &r);) {
        int place = (int)legacy_number(&r, "place", 0, SCOREBOARD_SERVERS_MAX - 1);
        char *backend = legacy_string(&r, "backend"), *name = legacy_string(&r, "name");
        struct endpoint address;
        if (!read_address(&r, &address) || backend == NULL || name == NULL ||
            !places_keep(places, place, backend, name, &address))
            legacy_be_bad(from, SERVER, "cannot keep its place");
        free(backend);
        free(name);
    }
}
