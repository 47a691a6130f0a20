/* SPDX-License-Identifier: ISC
 *
 * posternd: the command, and the one place that hands the workers' code to the master.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/version.h"

#include "workers/housekeeper/housekeeper.h"
#include "workers/worker.h"

#include "daemon/arguments.h"
#include "daemon/background.h"
#include "daemon/master.h"
#include "daemon/planning.h"
#include "daemon/settings.h"

enum { EXIT_USAGE = 2, WHY_MAX = 1024 };

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
static int begin(struct planning *planning, const struct planner *planner, struct plan *plan, int background)
{
    char path[PATH_MAX];
    struct master_setup setup = {planner, plan, worker_main, housekeeper_main, background};
    if (!make_absolute(planning->path, path)) {
        planner->drop(planner, &plan);
        return complain_of("cannot find the configuration again");
    }
    planning->path = path;
    planning_settle(planning, plan);
    process_open_log(plan->process);
    int status = master_run(&setup);
    planning_clear(planning);
    return status;
}

static int serve(struct planning *planning, const struct planner *planner, struct plan *plan, bool foreground)
{
    int background = foreground ? -1 : background_enter();
    if (foreground || background >= 0)
        return begin(planning, planner, plan, background);
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

static int plan_and_go(const struct arguments *arguments, const struct block *root)
{
    char why[WHY_MAX] = "";
    struct planning planning = {.path = arguments->path,
                                .root = root,
                                .overrides = &arguments->overrides,
                                .log_to_stderr = arguments->log_to_stderr};
    const struct planner planner = planning_planner(&planning);
    if (!arguments->check && !arguments->foreground)
        background_prepare();
    struct plan *plan = planner.make(&planner, why, sizeof(why));
    if (plan == NULL)
        return complain(why);
    if (!arguments->check)
        return serve(&planning, &planner, plan, arguments->foreground);
    int status = check_only(plan, arguments->path);
    planner.drop(&planner, &plan);
    return status;
}

static int run(const struct arguments *arguments)
{
    struct settings_block root;
    if (arguments->help)
        return !arguments_print_usage(stdout);
    if (arguments->version)
        return puts("posternd " POSTERN_VERSION) < 0;
    settings_assemble(&root);
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
