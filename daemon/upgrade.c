/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#include "daemon/notify.h"
#include "daemon/privilege.h"
#include "daemon/spawn.h"
#include "daemon/takeover.h"
#include "daemon/upgrade.h"

enum { VARIABLE_MAX = 80, ARGUMENTS_MAX = 1024, SHOWN_PATH_MAX = 512 };

void upgrade_open(struct upgrade *upgrade, const struct program *program, const struct planner *planner)
{
    *upgrade = (struct upgrade){.program = program, .planner = planner, .said_fd = -1, .until_ms = CLOCK_NEVER};
}

void upgrade_ask(struct upgrade *upgrade)
{
    upgrade->wished |= !upgrade->running; /* who asks while it runs hears its end */
}

bool upgrade_is_wished(const struct upgrade *upgrade)
{
    return upgrade->wished && upgrade->dying == 0;
}

bool upgrade_is_running(const struct upgrade *upgrade)
{
    return upgrade->running;
}

static void log_begun(const struct upgrade *upgrade)
{
    struct record r;
    record_begin(&r, "upgrade-begun");
    record_string(&r, "program", upgrade->program->path);
    record_send(&r, LEVEL_NOTICE);
}

static void refuse(struct upgrade *upgrade, const char *why)
{
    upgrade->news = UPGRADE_REFUSED;
    snprintf(upgrade->why, sizeof(upgrade->why), "%s", why);
}

static void refuse_file(struct upgrade *upgrade)
{
    snprintf(upgrade->why, sizeof(upgrade->why), "cannot look at %.*s: %s", SHOWN_PATH_MAX, upgrade->program->path,
             strerror(errno));
    upgrade->news = UPGRADE_REFUSED;
}

/* -- the child */

static bool bound_child(pid_t parent)
{
    static const struct rlimit seconds = {UPGRADE_TRIAL_MS / 1000, UPGRADE_TRIAL_MS / 1000}, none = {0, 0};
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && setrlimit(RLIMIT_CPU, &seconds) == 0 &&
           setrlimit(RLIMIT_CORE, &none) == 0;
}

/* -t first: a posternd that has never heard of upgrades then does no more than look at the configuration. */
static bool add_check(char **argv, char *with[ARGUMENTS_MAX])
{
    static char check[] = "-t";
    int count = 0;
    with[count++] = argv[0];
    with[count++] = check;
    for (int i = 1; argv[i] != NULL; i++) {
        if (count == ARGUMENTS_MAX - 1)
            return false;
        with[count++] = argv[i];
    }
    with[count] = NULL;
    return true;
}

static _Noreturn void fail(const char *what, const char *why)
{
    printf("%s%s\n", what, why);
    fflush(stdout);
    _exit(EXIT_FAILURE);
}

static bool keep_legacy_alone(const struct legacy *legacy)
{
    int *kept = calloc((size_t)legacy->kept_count + 1, sizeof(*kept));
    if (kept == NULL)
        return false;
    for (int i = 0; i < legacy->kept_count; i++)
        kept[i] = legacy->kept[i].fd;
    kept[legacy->kept_count] = legacy->fd;
    bool closed = spawn_close_others(kept, legacy->kept_count + 1);
    free(kept);
    return closed;
}

/* Whatever the new program says on stdout and stderr is the reason, where it fails: a library that is missing has the
 * linker say so there. */
static _Noreturn void try(const struct upgrade *upgrade, const struct legacy *legacy, int said_fd, pid_t parent)
{
    char why[UPGRADE_WHY_MAX] = "", variable[VARIABLE_MAX], *argv[ARGUMENTS_MAX];
    prctl(PR_SET_NAME, UPGRADE_CHILD_NAME);
    spawn_reset_signals();
    if (!bound_child(parent) || dup2(said_fd, STDOUT_FILENO) < 0 || dup2(said_fd, STDERR_FILENO) < 0 ||
        !keep_legacy_alone(legacy) || !privilege_keep_reading())
        fail("cannot try the new program: ", strerror(errno));
    if (upgrade->planner->make(upgrade->planner, why, sizeof(why)) == NULL)
        fail("", why);
    snprintf(variable, sizeof(variable), "trial %d", legacy->fd);
    legacy_keep_open(legacy, true);
    if (setenv(LEGACY_VARIABLE, variable, 1) == 0 && add_check(upgrade->program->argv, argv) && privilege_hand_on())
        execv(upgrade->program->path, argv);
    fail("cannot execute it: ", strerror(errno));
}

static bool start_child(struct upgrade *upgrade, const struct legacy *legacy)
{
    int ends[2];
    pid_t master = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    upgrade->child = fork();
    if (upgrade->child == 0)
        try(upgrade, legacy, ends[1], master);
    int error = errno;
    close(ends[1]);
    upgrade->said_fd = ends[0];
    errno = error;
    return upgrade->child > 0;
}

/* -- its life */

static void forget_child(struct upgrade *upgrade)
{
    if (upgrade->said_fd >= 0)
        close(upgrade->said_fd);
    upgrade->said_fd = -1;
    upgrade->child = 0;
    upgrade->until_ms = CLOCK_NEVER;
}

/* Root executes nothing that others can write: whoever may ask for an upgrade would be root with it. */
static bool is_others(const struct stat *program)
{
    bool by_others = (program->st_mode & S_IWOTH) != 0 || ((program->st_mode & S_IWGRP) != 0 && program->st_gid != 0);
    return geteuid() == 0 && (program->st_uid != 0 || by_others);
}

void upgrade_begin(struct upgrade *upgrade, const struct legacy *legacy, int64_t now_ms)
{
    upgrade->wished = false;
    upgrade->running = true;
    log_begun(upgrade);
    upgrade->until_ms = now_ms + UPGRADE_TRIAL_MS;
    if (upgrade->program->path[0] == '\0')
        refuse(upgrade, "it is not known where this program was executed from");
    else if (upgrade->program->fd < 0)
        refuse(upgrade, "there would be no way back: /proc/self/exe could not be opened at the start");
    else if (stat(upgrade->program->path, &upgrade->tried) != 0)
        refuse_file(upgrade);
    else if (is_others(&upgrade->tried))
        refuse(upgrade, "the program belongs to another user than root, or others may write to it");
    else if (!start_child(upgrade, legacy)) {
        forget_child(upgrade);
        refuse(upgrade, strerror(errno));
    }
}

int64_t upgrade_look(struct upgrade *upgrade, int64_t now_ms)
{
    if (upgrade->child != 0 && now_ms >= upgrade->until_ms) {
        kill(upgrade->child, SIGKILL);
        upgrade->dying = upgrade->child;
        forget_child(upgrade);
        refuse(upgrade, "the new program did not answer in time");
    }
    return upgrade->news != UPGRADE_NOTHING ? now_ms : upgrade->until_ms;
}

/* The end of it: what comes before may be its log. */
static void read_said(const struct upgrade *upgrade, char said[UPGRADE_WHY_MAX])
{
    char more[UPGRADE_WHY_MAX / 2];
    size_t used = 0;
    ssize_t got;
    while ((got = read(upgrade->said_fd, more, sizeof(more))) > 0) {
        size_t size = (size_t)got,
               surplus = used + size > UPGRADE_WHY_MAX - 1 ? used + size - (UPGRADE_WHY_MAX - 1) : 0;
        memmove(said, said + surplus, used - surplus);
        memcpy(said + used - surplus, more, size);
        used += size - surplus;
    }
    while (used > 0 && said[used - 1] == '\n')
        used--;
    said[used] = '\0';
}

static void make_one_line(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '\n')
            *text = ' ';
}

/* Its log may be on stderr, too: the last line counts. */
static bool has_passed(const char *said)
{
    const char *line = strrchr(said, '\n');
    line = line != NULL ? line + 1 : said;
    return strncmp(line, TAKEOVER_PASSED " ", strlen(TAKEOVER_PASSED " ")) == 0;
}

static void judge(struct upgrade *upgrade, int status)
{
    char said[UPGRADE_WHY_MAX], why[UPGRADE_WHY_MAX];
    read_said(upgrade, said);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS && has_passed(said)) {
        upgrade->news = UPGRADE_TRIED;
        return;
    }
    make_one_line(said);
    if (WIFSIGNALED(status))
        snprintf(why, sizeof(why), "the new program was ended by signal %d when it was tried", WTERMSIG(status));
    else if (WEXITSTATUS(status) == EXIT_SUCCESS)
        snprintf(why, sizeof(why), "what lies there is no posternd that can take a place");
    else if (said[0] != '\0')
        snprintf(why, sizeof(why), "%s", said);
    else
        snprintf(why, sizeof(why), "the new program ended with status %d when it was tried", WEXITSTATUS(status));
    refuse(upgrade, why);
}

bool upgrade_reaped(struct upgrade *upgrade, pid_t pid, int status)
{
    if (pid == upgrade->dying) {
        upgrade->dying = 0;
        return true;
    }
    if (pid != upgrade->child)
        return false;
    judge(upgrade, status);
    forget_child(upgrade);
    return true;
}

enum upgrade_news upgrade_take_news(struct upgrade *upgrade)
{
    enum upgrade_news news = upgrade->news;
    upgrade->news = UPGRADE_NOTHING;
    return news;
}

/* -- the step itself */

static void execute(const struct program *program, const struct legacy *legacy)
{
    char variable[VARIABLE_MAX];
    snprintf(variable, sizeof(variable), "to %d %d", legacy->fd, program->fd);
    notify_hand_on(); /* first: upgrade_execute takes it back whatever fails here */
    if (setenv(LEGACY_VARIABLE, variable, 1) != 0 || !privilege_hand_on())
        return;
    legacy_keep_open(legacy, true);
    fcntl(program->fd, F_SETFD, 0);
    execv(program->path, program->argv);
}

static bool is_what_was_tried(const struct upgrade *upgrade)
{
    const struct stat *was = &upgrade->tried;
    struct stat is;
    return stat(upgrade->program->path, &is) == 0 && is.st_dev == was->st_dev && is.st_ino == was->st_ino &&
           is.st_size == was->st_size && is.st_mtim.tv_sec == was->st_mtim.tv_sec &&
           is.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
}

bool upgrade_execute(const struct upgrade *upgrade, const struct legacy *legacy, char *why, size_t why_size)
{
    const struct program *program = upgrade->program;
    if (!is_what_was_tried(upgrade)) {
        snprintf(why, why_size, "%s was replaced while it was tried", program->path);
        return false;
    }
    execute(program, legacy);
    int error = errno;
    legacy_keep_open(legacy, false);
    fcntl(program->fd, F_SETFD, FD_CLOEXEC);
    unsetenv(LEGACY_VARIABLE);
    notify_open();
    privilege_reduce();
    snprintf(why, why_size, "cannot execute %s: %s", program->path, strerror(error));
    return false;
}

void upgrade_over(struct upgrade *upgrade)
{
    upgrade->running = false;
}

void upgrade_stop(struct upgrade *upgrade)
{
    if (upgrade->child != 0) {
        kill(upgrade->child, SIGKILL);
        upgrade->dying = upgrade->child;
    }
    forget_child(upgrade);
    upgrade->wished = upgrade->running = false;
    upgrade->news = UPGRADE_NOTHING;
}
