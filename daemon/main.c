/* SPDX-License-Identifier: ISC
 *
 * posternd: the command line, the configuration as a whole, and the one place that knows master and workers both.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "common/scoreboard.h"
#include "common/version.h"

#include "workers/service.h"
#include "workers/worker.h"

#include "daemon/background.h"
#include "daemon/master.h"

#define POSTERN_CONF "/etc/postern/postern.conf"

enum { EXIT_USAGE = 2, WHY_MAX = 1024 };

static const char USAGE[] = "usage: posternd [-dfhtV] [-c file] [-o option=value ..]\n"
                            "  -c file   the configuration (" POSTERN_CONF ")\n"
                            "  -o ..     one more option over the file's: option=value, block.option=value or\n"
                            "            block.NAME.option=value; as often as needed\n"
                            "  -t        check the configuration and end: status 0 when it is good\n"
                            "  -f        stay in the foreground, log to stderr\n"
                            "  -d        print all options with their meaning\n"
                            "  -V        print the version\n"
                            "  -h        print this\n";

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

static bool check_root(struct config *config, const void *filled)
{
    const struct root_options *root = filled;
    int64_t slots = 0;
    for (size_t i = 0; i < root->listeners.count; i++)
        slots += ((const struct listener_block *)block_at(&root->listeners, i))->pool.max_workers;
    if (slots > SCOREBOARD_SLOTS_MAX)
        return config_refuse(config, filled, "listener", "all max_workers together are %lld, at most %d are possible",
                             (long long)slots, SCOREBOARD_SLOTS_MAX);
    return check_loops(config, root);
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

/* -- from configuration to master */

/* What master and workers are given, one of each for each listener. */
struct assignment {
    struct listener_plan *plans;
    struct service *services;
    int count;
};

static bool assign(struct assignment *all, const struct root_options *root)
{
    backend_number_servers(&root->backends);
    size_t count = root->listeners.count;
    *all = (struct assignment){calloc(count, sizeof(*all->plans)), calloc(count, sizeof(*all->services)), (int)count};
    if (all->plans == NULL || all->services == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct listener_block *listener = block_at(&root->listeners, i);
        all->services[i] = (struct service){root->hostname, listener->name, &listener->session};
        all->plans[i] = (struct listener_plan){listener->name, &listener->listen, &listener->pool, &all->services[i]};
    }
    return true;
}

static void unassign(struct assignment *all)
{
    free(all->plans);
    free(all->services);
}

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

static int serve(const struct root_options *root, bool foreground)
{
    struct process_options process = root->process;
    struct assignment all;
    if (foreground)
        process.log = PROCESS_LOG_STDERR;
    int background = foreground ? -1 : background_enter();
    if (!foreground && background < 0)
        return complain_of("cannot go to the background");
    process_open_log(&process);
    if (!assign(&all, root)) {
        unassign(&all);
        return complain("no memory for the listeners");
    }
    struct master_setup setup = {&process, all.plans, all.count, background};
    int status = master_run(&setup, worker_main);
    unassign(&all);
    return status;
}

static int check_only(const struct root_options *root, const char *path)
{
    struct identity identity;
    char why[WHY_MAX];
    if (!privilege_look_up(root->process.user, root->process.group, &identity, why, sizeof(why)))
        return complain(why);
    printf("%s: good\n", path);
    return EXIT_SUCCESS;
}

/* -- command line */

struct command {
    const char *path;
    const char **overrides; /* at most one for each argument */
    size_t override_count;
    bool check, foreground, reference, version, help;
};

/* False: not understood; getopt has said what. */
static bool command_parse(struct command *command, int argc, char **argv)
{
    for (int letter; (letter = getopt(argc, argv, "c:o:tfdhV")) != -1;) {
        switch (letter) {
        case 'c':
            command->path = optarg;
            break;
        case 'o':
            command->overrides[command->override_count++] = optarg;
            break;
        case 't':
            command->check = true;
            break;
        case 'f':
            command->foreground = true;
            break;
        case 'd':
            command->reference = true;
            break;
        case 'h':
            command->help = true;
            break;
        case 'V':
            command->version = true;
            break;
        default:
            return false;
        }
    }
    return optind == argc;
}

static int load_and_go(const struct command *command, const struct block *root)
{
    char why[WHY_MAX] = "";
    struct text_list overrides = {command->overrides, command->override_count};
    struct config *config = config_load_with(command->path, root, &overrides, why, sizeof(why));
    if (config == NULL)
        return complain(why);
    const struct root_options *options = config_root(config);
    int status = command->check ? check_only(options, command->path) : serve(options, command->foreground);
    config_free(&config);
    return status;
}

static int run(const struct command *command)
{
    struct root_block root;
    if (command->help)
        return fputs(USAGE, stdout) < 0;
    if (command->version)
        return puts("posternd " POSTERN_VERSION) < 0;
    root_assemble(&root);
    if (!command->reference)
        return load_and_go(command, &root.block);
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
    if (!fill_standard_descriptors())
        return EXIT_FAILURE;
    const char **overrides = calloc((size_t)argc + 1, sizeof(*overrides));
    struct command command = {.path = POSTERN_CONF, .overrides = overrides};
    if (overrides == NULL)
        return complain_of("cannot begin");
    int status = EXIT_USAGE;
    if (command_parse(&command, argc, argv))
        status = run(&command);
    else
        fputs(USAGE, stderr);
    free(overrides);
    return status;
}
