/* SPDX-License-Identifier: ISC
 *
 * sink - an inside SMTP server for tests and benchmarks: small, fast, severe.
 *
 * It shares no code with Postern, so that a parser's mistake cannot hide itself. All processes accept from one
 * listener; the first one also speaks for all (--ready, --count) and takes the others along when it leaves.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sink/house.h"
#include "tests/sink/loop.h"
#include "tests/sink/maildir.h"
#include "tests/sink/place.h"

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "sink: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void allow_many_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* They are read from signalfd, in every process its own. */
static void block_signals(void)
{
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, SIGTERM);
    sigaddset(&own, SIGINT);
    sigaddset(&own, SIGUSR1);
    sigprocmask(SIG_BLOCK, &own, NULL);
}

static void set_up(struct house *house, const struct options *options)
{
    *house = (struct house){.options = options, .raw = -1};
    if (options->maildir && !maildir_make(options->maildir))
        fail(options->maildir);
    if (options->raw && (house->raw = open(options->raw, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) < 0)
        fail(options->raw);
    house->totals = mmap(NULL, sizeof *house->totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (house->totals == MAP_FAILED)
        fail("shared memory");
    house->listener = place_listen(options->address);
    if (house->listener < 0)
        exit(1);
}

static void say_ready(const struct house *house)
{
    char text[PLACE_TEXT_MAX];
    place_print(house->listener, house->options->address, text);
    printf("ready %s\n", text);
    fflush(stdout);
}

static void start_others(const struct house *house, pid_t *pids)
{
    pid_t first = getpid();
    for (int i = 1; i < house->options->processes; i++) {
        pids[i] = fork();
        if (pids[i] < 0)
            fail("fork");
        if (pids[i] > 0)
            continue;
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        exit(getppid() == first && loop_run(house) ? 0 : 1);
    }
}

static bool end_others(const struct house *house, const pid_t *pids)
{
    bool all_well = true;
    int status;
    for (int i = 1; i < house->options->processes; i++)
        kill(pids[i], SIGTERM);
    for (int i = 1; i < house->options->processes; i++)
        all_well = waitpid(pids[i], &status, 0) == pids[i] && status == 0 && all_well;
    return all_well;
}

int main(int argc, char **argv)
{
    struct options options;
    struct house house;
    pid_t pids[PROCESSES_MAX] = {0};
    options_parse(argc, argv, &options);
    allow_many_descriptors();
    block_signals();
    set_up(&house, &options);
    start_others(&house, pids);
    if (options.ready)
        say_ready(&house);
    bool well = loop_run(&house);
    well = end_others(&house, pids) && well;
    if (options.count)
        totals_say(house.totals, &options);
    if (strncmp(options.address, "unix:", 5) == 0)
        unlink(options.address + 5);
    return well ? 0 : 1;
}
