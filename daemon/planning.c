/* SPDX-License-Identifier: ISC */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workers/backend.h"
#include "workers/greylist_options.h"
#include "workers/limits/limit_words.h"
#include "workers/lists/list_options.h"
#include "workers/prepared.h"

#include "daemon/planning.h"
#include "daemon/settings.h"
#include "daemon/watch.h"

/* A configuration in memory: shared by the plan that was made with it and those that renewed that one. */
struct settings {
    struct config *config;
    const struct root_options *root;
    int users;
};

/* What the master's plan is a part of. */
struct full_plan {
    struct plan plan;
    struct settings *settings;
    struct process_options process;
    struct listener_plan *listeners;
    struct service *services;       /* one for each listener */
    struct tls_client **inside_tls; /* one for each backend */
    struct prepared **prepared;     /* one for each policy */
    struct plan_server *servers;
    struct plan_certificate *certificates;
    struct plan_limit *limits;
    struct plan_list *lists;
    struct housekeeping housekeeping;
    struct resolver resolver;
    char **watched;
};

static struct planning *planning_of(const struct planner *planner)
{
    return (struct planning *)(uintptr_t)planner->context;
}

static struct full_plan *full(const struct plan *plan)
{
    return (struct full_plan *)(uintptr_t)plan;
}

static void settings_drop(struct settings *settings)
{
    if (settings == NULL || --settings->users > 0)
        return;
    config_free(&settings->config);
    free(settings);
}

static void drop(const struct planner *planner, struct plan **plan)
{
    struct planning *planning = planning_of(planner);
    if (*plan == NULL)
        return;
    struct full_plan *all = full(*plan);
    for (int i = 0; i < all->plan.server_count; i++)
        places_give_back(&planning->places, all->servers[i].slot);
    for (int i = 0; i < all->plan.listener_count; i++)
        tls_server_free(&all->services[i].tls);
    for (size_t i = 0; all->inside_tls != NULL && i < all->settings->root->backends.count; i++)
        tls_client_free(&all->inside_tls[i]);
    for (size_t i = 0; all->prepared != NULL && i < all->settings->root->policies.count; i++)
        prepared_free(&all->prepared[i]);
    for (int i = 0; i < all->plan.watched_count; i++)
        free(all->watched[i]);
    if (all->plan.watch >= 0)
        close(all->plan.watch);
    settings_drop(all->settings);
    free(all->listeners);
    free(all->services);
    free(all->inside_tls);
    free(all->prepared);
    free(all->servers);
    free(all->certificates);
    free(all->limits);
    free(all->lists);
    free(all->watched);
    free(all);
    *plan = NULL;
}

/* One more for each name; the last one is NULL. */
static bool watch_file(struct full_plan *all, const char *path, const char *ending)
{
    char **more, *name;
    if (path == NULL)
        return true;
    more = reallocarray(all->watched, (size_t)all->plan.watched_count + 1, sizeof(*more));
    if (more == NULL || asprintf(&name, "%s%s", path, ending) < 0)
        return false;
    more[all->plan.watched_count++] = name;
    all->watched = more;
    return true;
}

static bool watch_server_files(struct full_plan *all, const struct tls_server_options *tls)
{
    bool noted = watch_file(all, tls->client_ca, "");
    for (size_t i = 0; noted && i < tls->certificates.count; i++)
        noted = watch_file(all, tls->certificates.items[i], "") && watch_file(all, tls->certificates.items[i], ".ocsp");
    for (size_t i = 0; noted && i < tls->keys.count; i++)
        noted = watch_file(all, tls->keys.items[i], "");
    return noted;
}

static bool watch_policy_files(struct full_plan *all, const struct policy *policy)
{
    bool noted = true;
    for (size_t i = 0; noted && prepared_file(policy, i) != NULL; i++)
        noted = watch_file(all, prepared_file(policy, i), "");
    return noted;
}

static bool plan_watch(struct full_plan *all)
{
    const struct root_options *root = all->settings->root;
    bool noted = true;
    for (size_t i = 0; noted && i < root->listeners.count; i++)
        noted = watch_server_files(all, &((const struct listener_block *)block_at(&root->listeners, i))->session.tls);
    for (size_t i = 0; noted && i < root->backends.count; i++)
        noted = watch_file(all, ((const struct backend *)block_at(&root->backends, i))->tls.ca, "");
    for (size_t i = 0; noted && i < root->policies.count; i++)
        noted = watch_policy_files(all, block_at(&root->policies, i));
    all->plan.watched = (const char *const *)all->watched;
    if (noted && all->plan.watched_count > 0)
        all->plan.watch = watch_open(all->plan.watched, all->plan.watched_count);
    all->plan.watched_mark = watch_mark(all->plan.watched, all->plan.watched_count);
    return noted;
}

/* What went wrong with files that the configuration names; all NULL: no memory. */
struct why {
    char *text;
    size_t size;
};

static bool blame(const struct full_plan *all, const void *options, const struct tls_fault *fault, struct why *why)
{
    return config_complain(all->settings->config, why->text, why->size, options, fault->option, "%s", fault->text);
}

static bool plan_backends(struct full_plan *all, struct why *why)
{
    const struct block_list *backends = &all->settings->root->backends;
    all->inside_tls = calloc(backends->count, sizeof(struct tls_client *));
    if (all->inside_tls == NULL)
        return false;
    for (size_t i = 0; i < backends->count; i++) {
        const struct backend *backend = block_at(backends, i);
        struct tls_fault fault = {0};
        all->inside_tls[i] = tls_client_new(&backend->tls, &fault);
        if (all->inside_tls[i] == NULL && fault.option != NULL)
            return blame(all, &backend->tls, &fault, why);
    }
    return true;
}

static struct tls_client *inside_tls_of(const struct full_plan *all, const struct backend *wanted)
{
    const struct block_list *backends = &all->settings->root->backends;
    for (size_t i = 0; i < backends->count; i++)
        if (block_at(backends, i) == wanted)
            return all->inside_tls[i];
    return NULL;
}

/* What the plan before has made of files that are as they were is shared with it: it must be of these settings. */
static bool plan_policies(struct full_plan *all, const struct full_plan *old, struct why *why)
{
    const struct block_list *policies = &all->settings->root->policies;
    all->prepared = calloc(policies->count, sizeof(*all->prepared));
    if (all->prepared == NULL)
        return false;
    for (size_t i = 0; i < policies->count; i++) {
        struct prepared_fault fault;
        all->prepared[i] =
            prepared_new(block_at(policies, i), old != NULL ? old->prepared[i] : NULL, watch_mark, &fault);
        if (all->prepared[i] == NULL)
            return fault.options != NULL && config_complain(all->settings->config, why->text, why->size, fault.options,
                                                            fault.fault.option, "%s", fault.fault.text);
    }
    malloc_trim(0); /* lists of a million entries were read */
    return true;
}

static const struct prepared *prepared_of(const struct full_plan *all, const struct policy *wanted)
{
    const struct block_list *policies = &all->settings->root->policies;
    for (size_t i = 0; i < policies->count; i++)
        if (block_at(policies, i) == wanted)
            return all->prepared[i];
    return NULL;
}

static bool plan_listener(struct full_plan *all, const struct listener_block *listener, struct why *why)
{
    int i = all->plan.listener_count++;
    struct tls_fault fault = {0};
    struct tls_expiry expiry;
    all->services[i] = (struct service){
        .hostname = all->plan.hostname,
        .listener = listener->name,
        .session = &listener->session,
        .scoreboard = &all->settings->root->scoreboard,
        .store = &all->settings->root->store,
        .resolver = &all->resolver,
        .prepared = prepared_of(all, listener->session.policy),
        .tls = tls_server_new(&listener->session.tls, &fault),
        .inside_tls = inside_tls_of(all, listener->session.backend),
    };
    all->listeners[i] = (struct listener_plan){listener->name, &listener->listen, &listener->pool, &all->services[i]};
    if (all->services[i].tls == NULL)
        return fault.option == NULL || blame(all, &listener->session.tls, &fault, why);
    if (tls_server_expiry(all->services[i].tls, &expiry))
        all->certificates[all->plan.certificate_count++] =
            (struct plan_certificate){listener->name, expiry.file, expiry.not_after};
    return true;
}

static bool plan_listeners(struct full_plan *all, struct why *why)
{
    const struct block_list *listeners = &all->settings->root->listeners;
    size_t count = listeners->count;
    all->listeners = calloc(count, sizeof(*all->listeners));
    all->services = calloc(count, sizeof(*all->services));
    all->certificates = calloc(count, sizeof(*all->certificates));
    if (all->listeners == NULL || all->services == NULL || all->certificates == NULL)
        return false;
    all->plan.listeners = all->listeners;
    all->plan.certificates = all->certificates;
    for (size_t i = 0; i < count; i++)
        if (!plan_listener(all, block_at(listeners, i), why))
            return false;
    return true;
}

static int place_of(void *context, const char *backend, const struct server *server)
{
    return places_take(context, backend, server->name, &server->address);
}

static int count_servers(const struct block_list *backends)
{
    int count = 0;
    for (size_t i = 0; i < backends->count; i++)
        count += (int)((const struct backend *)block_at(backends, i))->servers.count;
    return count;
}

/* Nobody could see there how many are with it. */
static bool check_place(const struct full_plan *all, const struct server *server, struct why *why)
{
    if (server->max_sessions == 0 || server_has_place(server))
        return true;
    return config_complain(all->settings->config, why->text, why->size, server, "max_sessions",
                           "there are more than %d servers, those of earlier configurations that still have sessions "
                           "among them, and for this one it cannot be kept",
                           SCOREBOARD_SERVERS_MAX);
}

static bool plan_servers(struct full_plan *all, struct places *places, struct why *why)
{
    const struct root_options *root = all->settings->root;
    bool kept = true;
    all->servers = calloc((size_t)count_servers(&root->backends), sizeof(*all->servers));
    if (all->servers == NULL)
        return false;
    backend_number_servers(&root->backends, place_of, places);
    for (size_t i = 0; i < root->backends.count; i++) {
        const struct backend *backend = block_at(&root->backends, i);
        for (size_t j = 0; j < backend->servers.count; j++) {
            const struct server *server = block_at(&backend->servers, j);
            all->servers[all->plan.server_count++] = (struct plan_server){backend->name, server->name, server->address,
                                                                          server->heard_slot, server->max_sessions};
            kept = check_place(all, server, why) && kept;
        }
    }
    all->plan.servers = all->servers;
    return kept;
}

static struct plan_limit limit_of(const struct limit_line *line)
{
    struct plan_limit limit = {.action = line->action, .mode = line->mode};
    snprintf(limit.name, sizeof(limit.name), "%s", line->name);
    snprintf(limit.of, sizeof(limit.of), "%s", line->of);
    snprintf(limit.per, sizeof(limit.per), "%s", line->per);
    snprintf(limit.rate, sizeof(limit.rate), "%s", line->rate);
    return limit;
}

static bool plan_limits(struct full_plan *all)
{
    const struct block_list *policies = &all->settings->root->policies;
    struct limit_line line;
    for (size_t i = 0; i < policies->count; i++) {
        for (size_t j = 0; limits_describe(block_at(policies, i), j, &line); j++) {
            struct plan_limit *more =
                reallocarray(all->limits, (size_t)all->plan.limit_count + 1, sizeof(*all->limits));
            if (more == NULL)
                return false;
            all->limits = more;
            all->limits[all->plan.limit_count++] = limit_of(&line);
        }
    }
    all->plan.limits = all->limits;
    return true;
}

static bool has_list(const struct plan *plan, const struct plan_list *list)
{
    for (int i = 0; i < plan->list_count; i++)
        if (plan->lists[i].test_hash == list->test_hash && plan->lists[i].count_hash == list->count_hash &&
            strcmp(plan->lists[i].of, list->of) == 0)
            return true;
    return false;
}

static bool plan_lists(struct full_plan *all)
{
    const struct root_options *root = all->settings->root;
    const struct list *list;
    for (size_t i = 0; (list = lists_at(&root->policies, i)) != NULL; i++) {
        struct plan_list line = {.name = list->name,
                                 .zone = list_zone(list),
                                 .is_tested = list->self_test && root->housekeeper.dnsbl_test_interval_ms > 0,
                                 .test_hash = list_test_hash(list),
                                 .count_hash = list_count_hash(list)};
        list_of_words(list, line.of);
        if (has_list(&all->plan, &line))
            continue;
        struct plan_list *more = reallocarray(all->lists, (size_t)all->plan.list_count + 1, sizeof(*more));
        if (more == NULL)
            return false;
        all->plan.lists = all->lists = more;
        all->lists[all->plan.list_count++] = line;
    }
    return true;
}

static void plan_housekeeping(struct full_plan *all)
{
    const struct root_options *root = all->settings->root;
    all->housekeeping = (struct housekeeping){.options = &root->housekeeper,
                                              .hostname = root->hostname,
                                              .backends = &root->backends,
                                              .tls = all->inside_tls,
                                              .policies = &root->policies,
                                              .resolver = &all->resolver,
                                              .store = &root->store};
    all->plan.housekeeping = &all->housekeeping;
}

static struct process_options process_of(const struct planning *planning, const struct settings *settings)
{
    struct process_options process = settings->root->process;
    if (planning->log_to_stderr)
        process.log = PROCESS_LOG_STDERR;
    return process;
}

/* The plan of these settings, which it uses from now on, also when there is none: NULL with why. `old`: an earlier one
 * of the same settings, or NULL. */
static struct plan *plan_with(const struct planner *planner, struct settings *settings, const struct full_plan *old,
                              char *text, size_t size)
{
    struct planning *planning = planning_of(planner);
    struct why why = {text, size};
    struct full_plan *all = calloc(1, sizeof(*all));
    snprintf(text, size, "no memory"); /* unless something else is found */
    if (all == NULL) {
        settings_drop(settings);
        return NULL;
    }
    struct plan *plan = &all->plan;
    all->settings = settings;
    all->process = process_of(planning, settings);
    resolver_settle(&all->resolver, &settings->root->resolver, RESOLVER_FILE);
    *plan = (struct plan){.process = &all->process,
                          .scoreboard = &settings->root->scoreboard,
                          .store = &settings->root->store,
                          .greylisted = greylist_prefixes(&settings->root->policies),
                          .hostname = settings->root->hostname,
                          .watch = -1};
    if (plan_watch(all) && plan_policies(all, old, &why) && plan_backends(all, &why) && plan_listeners(all, &why) &&
        plan_servers(all, &planning->places, &why) && plan_limits(all) && plan_lists(all)) {
        plan_housekeeping(all);
        return plan;
    }
    drop(planner, &plan);
    return NULL;
}

static struct settings *load(const struct planning *planning, char *why, size_t why_size)
{
    struct settings *settings = calloc(1, sizeof(*settings));
    if (settings == NULL) {
        snprintf(why, why_size, "no memory");
        return NULL;
    }
    settings->config = config_load_with(planning->path, planning->root, planning->overrides, why, why_size);
    if (settings->config == NULL) {
        free(settings);
        return NULL;
    }
    settings->root = config_root(settings->config);
    settings->users = 1;
    return settings;
}

static bool may_change(const struct planning *planning, const struct plan *plan, char *why, size_t why_size)
{
    if (planning->running == NULL)
        return true;
    const struct settings *settings = full(plan)->settings;
    struct process_options running = process_of(planning, planning->running);
    const char *option = process_unchangeable(&running, plan->process);
    const struct scoreboard_options *now = &planning->running->root->scoreboard;
    if (now->rates != plan->scoreboard->rates || now->reputations != plan->scoreboard->reputations)
        return config_complain(settings->config, why, why_size, plan->scoreboard,
                               now->rates != plan->scoreboard->rates ? "rates" : "reputations",
                               "the tables cannot change while posternd runs: restart posternd, or take it back");
    return option == NULL || config_complain(settings->config, why, why_size, settings->root, option,
                                             "cannot change while posternd runs: restart posternd, or take it back");
}

static struct plan *make(const struct planner *planner, char *why, size_t why_size)
{
    struct planning *planning = planning_of(planner);
    struct settings *settings = load(planning, why, why_size);
    struct plan *plan = settings != NULL ? plan_with(planner, settings, NULL, why, why_size) : NULL;
    if (plan != NULL && !may_change(planning, plan, why, why_size))
        drop(planner, &plan);
    return plan;
}

static struct plan *renew(const struct planner *planner, const struct plan *old, char *why, size_t why_size)
{
    struct settings *settings = full(old)->settings;
    settings->users++;
    return plan_with(planner, settings, full(old), why, why_size);
}

struct planner planning_planner(struct planning *planning)
{
    return (struct planner){make, renew, drop, planning, &planning->places};
}

void planning_settle(struct planning *planning, const struct plan *plan)
{
    planning->running = full(plan)->settings;
    planning->running->users++;
}

void planning_clear(struct planning *planning)
{
    settings_drop(planning->running);
    planning->running = NULL;
}
