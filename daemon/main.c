/* SPDX-License-Identifier: ISC
 *
 * posternd: the configuration as a whole, the plans that are made of it, and the one place that knows master and
 * workers both.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "common/version.h"

#include "workers/housekeeper/housekeeper.h"
#include "workers/service.h"
#include "workers/worker.h"

#include "daemon/background.h"
#include "daemon/arguments.h"
#include "daemon/master.h"
#include "daemon/watch.h"

enum { EXIT_USAGE = 2, WHY_MAX = 1024 };

/* -- the configuration as a whole */

struct listener_block {
    const char *name;
    struct listen_options listen;
    struct pool_options pool;
    struct session_options session;
};

struct root_options {
    struct process_options process;
    struct housekeeper_options housekeeper;
    const char *hostname;
    struct block_list listeners; /* struct listener_block */
    struct block_list backends;  /* struct backend */
    struct block_list policies;  /* struct policy */
};

static bool check_listener(struct config *config, const void *filled)
{
    const struct listener_block *listener = filled;
    return listen_check_options(config, filled, &listener->listen) &&
           pool_check_options(config, filled, &listener->pool) && service_check(config, filled, &listener->session);
}

static const struct option_group LISTENER_GROUPS[] = {
    {listen_option_rows, offsetof(struct listener_block, listen)},
    {pool_option_rows, offsetof(struct listener_block, pool)},
    {session_option_rows, offsetof(struct listener_block, session)},
    {NULL, 0},
};

static const struct block LISTENER_BLOCK = {
    .name = "listener",
    .meaning = "Addresses where connections are taken, the workers that take them, and how a session is held.",
    .size = sizeof(struct listener_block),
    .titled = true,
    .needed = true,
    .groups = LISTENER_GROUPS,
    .title_offset = offsetof(struct listener_block, name),
    .check = check_listener,
};

/* Would a connection to `to` arrive at a listener that is bound to `at`? A wildcard takes its family's loopback;
 * whether another address is this host's is not known here. */
static bool takes(const struct endpoint *at, const struct endpoint *to)
{
    static const struct ipaddr none;
    struct ipaddr any = none;
    any.family = at->address.family;
    if (endpoint_equal(at, to))
        return true;
    return at->kind == ENDPOINT_IP && to->kind == ENDPOINT_IP && at->port == to->port &&
           ipaddr_equal(&at->address, &any) && to->address.family == any.family && ipaddr_is_loopback(&to->address);
}

static bool listens_at(const struct root_options *root, const struct endpoint *address)
{
    for (size_t i = 0; i < root->listeners.count; i++) {
        const struct listener_block *listener = block_at(&root->listeners, i);
        for (size_t j = 0; j < listener->listen.addresses.count; j++) {
            if (takes(&listener->listen.addresses.items[j], address))
                return true;
        }
    }
    return false;
}

/* A gate in front of itself would pass each connection on to itself until none is left. */
static bool check_loops(struct config *config, const struct root_options *root)
{
    for (size_t i = 0; i < root->backends.count; i++) {
        const struct backend *backend = block_at(&root->backends, i);
        for (size_t j = 0; j < backend->servers.count; j++) {
            const struct server *server = block_at(&backend->servers, j);
            if (listens_at(root, &server->address))
                return config_refuse(config, server, "address",
                                     "is where this gate itself listens: write the inside server's own address");
        }
    }
    return true;
}

/* How often it is an address of a listener, up to and with this one. */
static int count_address(const struct root_options *root, size_t last, const struct endpoint *address)
{
    int found = 0;
    for (size_t i = 0; i <= last; i++) {
        const struct listener_block *listener = block_at(&root->listeners, i);
        for (size_t j = 0; j < listener->listen.addresses.count; j++)
            found += endpoint_equal(&listener->listen.addresses.items[j], address);
    }
    return found;
}

static bool check_addresses(struct config *config, const struct root_options *root)
{
    for (size_t i = 0; i < root->listeners.count; i++) {
        const struct listener_block *listener = block_at(&root->listeners, i);
        for (size_t j = 0; j < listener->listen.addresses.count; j++) {
            char text[ENDPOINT_TEXT_MAX];
            if (count_address(root, i, &listener->listen.addresses.items[j]) == 1)
                continue;
            endpoint_print(&listener->listen.addresses.items[j], text);
            return config_refuse(config, listener, "address", "%s is there twice; an address has one listener", text);
        }
    }
    return true;
}

/* Half of the slots: the workers of a reload need their own beside those that were there before. */
static bool check_root(struct config *config, const void *filled)
{
    const struct root_options *root = filled;
    int64_t slots = 0;
    for (size_t i = 0; i < root->listeners.count; i++)
        slots += ((const struct listener_block *)block_at(&root->listeners, i))->pool.max_workers;
    if (slots > SCOREBOARD_SLOTS_MAX / 2)
        return config_refuse(config, filled, "listener", "all max_workers together are %lld, at most %d are possible",
                             (long long)slots, SCOREBOARD_SLOTS_MAX / 2);
    return check_addresses(config, root) && check_loops(config, root);
}

/* Put together at run time: the block of policies is, from the table of checks. */
struct root_block {
    struct option rows[5];
    struct option_group groups[4];
    struct block block;
};

static struct option block_row(const struct block *block, size_t offset)
{
    return (struct option){
        .name = block->name, .type = OPTION_BLOCK, .offset = offset, .meaning = block->meaning, .block = block};
}

static void root_assemble(struct root_block *root)
{
    *root = (struct root_block){0};
    root->rows[0] = (struct option){
        .name = "hostname",
        .type = OPTION_HOSTNAME,
        .offset = offsetof(struct root_options, hostname),
        .meaning = "This gate's own name: in the banner, in EHLO inside and in Received. Must be in DNS.",
        .required = true,
    };
    root->rows[1] = block_row(&LISTENER_BLOCK, offsetof(struct root_options, listeners));
    root->rows[2] = block_row(&backend_block, offsetof(struct root_options, backends));
    root->rows[3] = block_row(policy_block(), offsetof(struct root_options, policies));
    root->groups[0] = (struct option_group){root->rows, 0};
    root->groups[1] = (struct option_group){process_option_rows, offsetof(struct root_options, process)};
    root->groups[2] = (struct option_group){housekeeper_option_rows, offsetof(struct root_options, housekeeper)};
    root->block = (struct block){.size = sizeof(struct root_options), .groups = root->groups, .check = check_root};
}

/* -- plans */

/* A configuration in memory: shared by the plan that was made with it and those that renewed that one. */
struct settings {
    struct config *config;
    const struct root_options *root;
    int users;
};

struct planning {
    const char *path;
    const struct block *root;
    const struct text_list *overrides;
    bool log_to_stderr;
    const struct process_options *running; /* NULL: not yet */
};

/* What the master's plan is a part of. */
struct full_plan {
    struct plan plan;
    struct settings *settings;
    struct process_options process;
    struct listener_plan *listeners;
    struct service *services;       /* one for each listener */
    struct tls_client **inside_tls; /* one for each backend */
    struct plan_server *servers;
    struct plan_certificate *certificates;
    struct housekeeping housekeeping;
    char **watched;
};

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
    (void)planner;
    if (*plan == NULL)
        return;
    struct full_plan *all = full(*plan);
    for (int i = 0; i < all->plan.listener_count; i++)
        tls_server_free(&all->services[i].tls);
    for (size_t i = 0; all->inside_tls != NULL && i < all->settings->root->backends.count; i++)
        tls_client_free(&all->inside_tls[i]);
    for (int i = 0; i < all->plan.watched_count; i++)
        free(all->watched[i]);
    if (all->plan.watch >= 0)
        close(all->plan.watch);
    settings_drop(all->settings);
    free(all->listeners);
    free(all->services);
    free(all->inside_tls);
    free(all->servers);
    free(all->certificates);
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

static bool plan_watch(struct full_plan *all)
{
    const struct root_options *root = all->settings->root;
    bool noted = true;
    for (size_t i = 0; noted && i < root->listeners.count; i++)
        noted = watch_server_files(all, &((const struct listener_block *)block_at(&root->listeners, i))->session.tls);
    for (size_t i = 0; noted && i < root->backends.count; i++)
        noted = watch_file(all, ((const struct backend *)block_at(&root->backends, i))->tls.ca, "");
    all->plan.watched = (const char *const *)all->watched;
    if (noted && all->plan.watched_count > 0)
        all->plan.watch = watch_open(all->plan.watched, all->plan.watched_count);
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

static bool plan_listener(struct full_plan *all, const struct listener_block *listener, struct why *why)
{
    int i = all->plan.listener_count++;
    struct tls_fault fault = {0};
    struct tls_expiry expiry;
    all->services[i] = (struct service){
        .hostname = all->plan.hostname,
        .listener = listener->name,
        .session = &listener->session,
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

static bool plan_servers(struct full_plan *all)
{
    const struct root_options *root = all->settings->root;
    int count = backend_number_servers(&root->backends);
    all->servers = calloc((size_t)count, sizeof(*all->servers));
    if (all->servers == NULL)
        return false;
    for (size_t i = 0; i < root->backends.count; i++) {
        const struct backend *backend = block_at(&root->backends, i);
        for (size_t j = 0; j < backend->servers.count; j++) {
            const struct server *server = block_at(&backend->servers, j);
            all->servers[all->plan.server_count++] =
                (struct plan_server){backend->name, server->name, server->address, server->heard_slot};
        }
    }
    all->plan.servers = all->servers;
    return true;
}

static void plan_housekeeping(struct full_plan *all)
{
    const struct root_options *root = all->settings->root;
    all->housekeeping = (struct housekeeping){&root->housekeeper, root->hostname, &root->backends, all->inside_tls};
    all->plan.housekeeping = &all->housekeeping;
}

/* The plan of these settings, which it uses from now on, also when there is none: NULL with why. */
static struct plan *plan_with(const struct planner *planner, struct settings *settings, char *text, size_t size)
{
    const struct planning *planning = planner->context;
    struct why why = {text, size};
    struct full_plan *all = calloc(1, sizeof(*all));
    snprintf(text, size, "no memory"); /* unless something else is found */
    if (all == NULL) {
        settings_drop(settings);
        return NULL;
    }
    struct plan *plan = &all->plan;
    all->settings = settings;
    all->process = settings->root->process;
    if (planning->log_to_stderr)
        all->process.log = PROCESS_LOG_STDERR;
    *plan = (struct plan){.process = &all->process, .hostname = settings->root->hostname, .watch = -1};
    if (plan_watch(all) && plan_backends(all, &why) && plan_listeners(all, &why) && plan_servers(all)) {
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
    const struct settings *settings = full(plan)->settings;
    const char *option = planning->running != NULL ? process_unchangeable(planning->running, plan->process) : NULL;
    return option == NULL || config_complain(settings->config, why, why_size, settings->root, option,
                                             "cannot change while posternd runs: restart posternd, or take it back");
}

static struct plan *make(const struct planner *planner, char *why, size_t why_size)
{
    const struct planning *planning = planner->context;
    struct settings *settings = load(planning, why, why_size);
    struct plan *plan = settings != NULL ? plan_with(planner, settings, why, why_size) : NULL;
    if (plan != NULL && !may_change(planning, plan, why, why_size))
        drop(planner, &plan);
    return plan;
}

static struct plan *renew(const struct planner *planner, const struct plan *old, char *why, size_t why_size)
{
    struct settings *settings = full(old)->settings;
    settings->users++;
    return plan_with(planner, settings, why, why_size);
}

/* -- the command */

static int complain(const char *what)
{
    fprintf(stderr, "posternd: %s\n", what);
    return EXIT_FAILURE;
}

static int complain_of(const char *what)
{
    fprintf(stderr, "posternd: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

/* Without symbolic links resolved: who changes a configuration by changing a link means the new one at a reload. */
static bool make_absolute(const char *path, char absolute[PATH_MAX])
{
    char here[PATH_MAX] = "";
    bool is_relative = path[0] != '/';
    if (is_relative && getcwd(here, sizeof(here)) == NULL)
        return false;
    return snprintf(absolute, PATH_MAX, "%s%s%s", here, is_relative ? "/" : "", path) < PATH_MAX;
}

/* The plan becomes the master's. */
static int serve(const struct planner *planner, struct planning *planning, struct plan *plan, bool foreground)
{
    char path[PATH_MAX];
    struct process_options running = *plan->process;
    struct settings *first = full(plan)->settings;
    int background = -1, status = EXIT_FAILURE;
    first->users++; /* what runs now is compared with what a reload wants */
    planning->running = &running;
    if (!make_absolute(planning->path, path))
        complain_of("cannot find the configuration again");
    else if (!foreground && (background = background_enter()) < 0)
        complain_of("cannot go to the background");
    else {
        planning->path = path;
        process_open_log(&running);
        struct master_setup setup = {planner, plan, worker_main, housekeeper_main, background};
        plan = NULL;
        status = master_run(&setup);
    }
    drop(planner, &plan);
    settings_drop(first);
    return status;
}

static int check_only(const struct plan *plan, const char *path)
{
    struct identity identity;
    char why[WHY_MAX];
    if (!privilege_look_up(plan->process->user, plan->process->group, &identity, why, sizeof(why)))
        return complain(why);
    printf("%s: good\n", path);
    return EXIT_SUCCESS;
}

static int plan_and_go(const struct arguments *arguments, const struct block *root)
{
    char why[WHY_MAX] = "";
    struct planning planning = {.path = arguments->path,
                                .root = root,
                                .overrides = &arguments->overrides,
                                .log_to_stderr = arguments->log_to_stderr};
    const struct planner planner = {make, renew, drop, &planning};
    struct plan *plan = make(&planner, why, sizeof(why));
    if (plan == NULL)
        return complain(why);
    if (!arguments->check)
        return serve(&planner, &planning, plan, arguments->foreground);
    int status = check_only(plan, arguments->path);
    drop(&planner, &plan);
    return status;
}

static int run(const struct arguments *arguments)
{
    struct root_block root;
    if (arguments->help)
        return !arguments_print_usage(stdout);
    if (arguments->version)
        return puts("posternd " POSTERN_VERSION) < 0;
    root_assemble(&root);
    if (!arguments->reference)
        return plan_and_go(arguments, &root.block);
    config_print_reference(stdout, &root.block);
    return fflush(stdout) != 0;
}

/* Or a listener, or the scoreboard, would get the number of stderr, and what is printed would go there. */
static bool fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

int main(int argc, char **argv)
{
    struct arguments arguments;
    if (!fill_standard_descriptors())
        return EXIT_FAILURE;
    int status = arguments_parse(&arguments, argc, argv) ? run(&arguments) : EXIT_USAGE;
    arguments_clear(&arguments);
    return status;
}
