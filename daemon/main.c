/* SPDX-License-Identifier: ISC
 *
 * posternd: the command, and the one place that hands the workers' code to the master.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/version.h"

#include "workers/explain/explain.h"
#include "workers/housekeeper/housekeeper.h"
#include "workers/storekeeper/storekeeper.h"
#include "workers/teller/teller.h"
#include "workers/worker.h"

#include "daemon/adopted.h"
#include "daemon/arguments.h"
#include "daemon/background.h"
#include "daemon/master.h"
#include "daemon/planning.h"
#include "daemon/settings.h"
#include "daemon/wayback.h"

enum { EXIT_USAGE = 2, WHY_MAX = 1024 };

static int complain(const char *what)
{
    fprintf(stderr, "posternd: %s\n", what);
    wayback_say(what);
    return EXIT_FAILURE;
}

static int complain_of(const char *what)
{
    fprintf(stderr, "posternd: %s: %s\n", what, strerror(errno));
    return EXIT_FAILURE;
}

/* What the whole command works with. */
struct command {
    struct arguments arguments;
    struct program program;
    struct takeover takeover;
    struct planning planning;
};

/* The plan becomes the master's. */
static int begin(struct command *command, const struct planner *planner, struct plan *plan, int background)
{
    struct planning *planning = &command->planning;
    struct master_setup setup = {.planner = planner,
                                 .plan = plan,
                                 .worker = worker_main,
                                 .housekeeper = housekeeper_main,
                                 .explainer = explain_main,
                                 .storekeeper = storekeeper_main,
                                 .teller = teller_main,
                                 .background = background,
                                 .program = &command->program,
                                 .takeover = &command->takeover};
    planning_settle(planning, plan);
    process_open_log(plan->process);
    int status = master_run(&setup);
    planning_clear(planning);
    return status;
}

static int serve(struct command *command, const struct planner *planner, struct plan *plan)
{
    bool stay = command->arguments.foreground || command->takeover.how != TAKEOVER_NONE;
    int background = stay ? -1 : background_enter();
    if (stay || background >= 0)
        return begin(command, planner, plan, background);
    planner->drop(planner, &plan);
    return complain_of("cannot go to the background");
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

/* On the way back there is nothing left to go back to, and workers go on meanwhile: until it can be read again, as it
 * could a moment ago, or until somebody wants us to end. */
static struct plan *make_plan(const struct command *command, const struct planner *planner, char *why)
{
    struct plan *plan = planner->make(planner, why, WHY_MAX);
    while (plan == NULL && command->takeover.how == TAKEOVER_BACK && wayback_wait())
        plan = planner->make(planner, why, WHY_MAX);
    return plan;
}

static int plan_and_go(struct command *command, const struct block *root)
{
    char why[WHY_MAX] = "";
    const struct arguments *arguments = &command->arguments;
    struct planning *planning = &command->planning;
    bool is_first = command->takeover.how == TAKEOVER_NONE;
    if (is_first && !program_make_absolute(arguments->path, command->program.config))
        return complain_of("cannot find the configuration again");
    *planning = (struct planning){.path = is_first ? arguments->path : command->program.config,
                                  .root = root,
                                  .overrides = &arguments->overrides,
                                  .log_to_stderr = arguments->log_to_stderr};
    const struct planner planner = planning_planner(planning);
    if (is_first && !arguments->check && !arguments->foreground)
        background_prepare();
    adopted_keep_places(&command->takeover.legacy, &planning->places);
    struct plan *plan = make_plan(command, &planner, why);
    if (plan == NULL)
        return complain(why);
    planning->path = command->program.config;
    if (!arguments->check || !is_first)
        return serve(command, &planner, plan);
    int status = check_only(plan, arguments->path);
    planner.drop(&planner, &plan);
    return status;
}

static int run(struct command *command)
{
    const struct arguments *arguments = &command->arguments;
    struct settings_block root;
    if (arguments->help)
        return !arguments_print_usage(stdout);
    if (arguments->version)
        return printf("posternd %s\n", postern_version) < 0;
    settings_assemble(&root);
    if (!arguments->reference)
        return plan_and_go(command, &root.block);
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

/* What malloc puts off is done by every child anew, on its own copy of each page: small pieces that were freed are put
 * together at once instead (50 pages of a worker that asks DNS, or shakes hands). And what is large lies by itself. */
static void spare_children(void)
{
    enum { LARGE_BYTES = 32768 };
    mallopt(M_MXFAST, 0);
    mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
}

int main(int argc, char **argv)
{
    static struct command command;
    char why[WHY_MAX];
    spare_children();
    program_find(&command.program, argv);
    if (!takeover_begin(&command.takeover, &command.program, why, sizeof(why)))
        return complain(why);
    if (!fill_standard_descriptors())
        return EXIT_FAILURE;
    int status = arguments_parse(&command.arguments, argc, argv) ? run(&command) : EXIT_USAGE;
    arguments_clear(&command.arguments);
    return status;
}
