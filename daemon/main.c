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

#include "workers/service.h"
#include "workers/worker.h"

#include "daemon/background.h"
#include "daemon/arguments.h"
#include "daemon/master.h"

#define POSTERN_VERSION "0.1"

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
    struct option_group groups[3];
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
    struct service *services; /* one for each listener */
    struct plan_server *servers;
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
    settings_drop(all->settings);
    free(all->listeners);
    free(all->services);
    free(all->servers);
    free(all);
    *plan = NULL;
}

static bool plan_listeners(struct full_plan *all, const struct root_options *root)
{
    size_t count = root->listeners.count;
    all->listeners = calloc(count, sizeof(*all->listeners));
    all->services = calloc(count, sizeof(*all->services));
    if (all->listeners == NULL || all->services == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct listener_block *listener = block_at(&root->listeners, i);
        all->services[i] =
            (struct service){.hostname = root->hostname, .listener = listener->name, .session = &listener->session};
        all->listeners[i] =
            (struct listener_plan){listener->name, &listener->listen, &listener->pool, &all->services[i]};
    }
    all->plan.listeners = all->listeners;
    all->plan.listener_count = (int)count;
    return true;
}

static bool plan_servers(struct full_plan *all, const struct root_options *root)
{
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

/* The plan of these settings, which it uses from now on, also when there is none: NULL with why. */
static struct plan *plan_with(const struct planner *planner, struct settings *settings, char *why, size_t why_size)
{
    const struct planning *planning = planner->context;
    const struct root_options *root = settings->root;
    struct full_plan *all = calloc(1, sizeof(*all));
    if (all == NULL) {
        settings_drop(settings);
        snprintf(why, why_size, "no memory");
        return NULL;
    }
    struct plan *plan = &all->plan;
    all->settings = settings;
    all->process = root->process;
    if (planning->log_to_stderr)
        all->process.log = PROCESS_LOG_STDERR;
    *plan = (struct plan){.process = &all->process, .hostname = root->hostname};
    if (plan_listeners(all, root) && plan_servers(all, root))
        return plan;
    snprintf(why, why_size, "no memory");
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
        struct master_setup setup = {planner, plan, worker_main, NULL, background};
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
