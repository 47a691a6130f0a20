/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "daemon/wayback.h"

enum { VARIABLE_MAX = 1024, STACK_BYTES = 64 * 1024, SIGNALS = 7, ENVIRONMENT_MAX = 4096 };

static const int CRASHES[SIGNALS] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGALRM};

static struct {
    volatile sig_atomic_t armed;
    bool catches; /* signals, and the end of the process */
    pid_t master;
    int legacy_fd, program;
    char **argv;
    const struct legacy *volatile legacy;
    char variable[VARIABLE_MAX]; /* "POSTERN_UPGRADE=back MEMFD why" */
    size_t before_why;
    char *environment[ENVIRONMENT_MAX]; /* made when armed: a handler must not allocate */
    struct sigaction before[SIGNALS];
    char stack[STACK_BYTES];
} way;

bool wayback_is_armed(void)
{
    return way.armed != 0;
}

/* By hand: a handler may. */
static void put_why(const char *why)
{
    size_t at = way.before_why;
    while (*why != '\0' && at < sizeof(way.variable) - 1)
        way.variable[at++] = *why++;
    way.variable[at] = '\0';
}

void wayback_say(const char *why)
{
    if (wayback_is_armed() && way.variable[way.before_why] == '\0')
        put_why(why);
}

static void set_alarm(int64_t ms)
{
    struct itimerval once = {.it_value = {.tv_sec = ms / 1000}};
    setitimer(ITIMER_REAL, &once, NULL);
}

/* The signal that led here is blocked in its handler, and would be in the program that is executed. */
static void unblock(void)
{
    sigset_t set;
    sigemptyset(&set);
    for (int i = 0; i < SIGNALS; i++)
        sigaddset(&set, CRASHES[i]);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* Async-signal-safe. */
void wayback_go(void)
{
    if (way.armed == 0 || getpid() != way.master)
        return;
    way.armed = 0;
    set_alarm(0);
    if (way.legacy != NULL)
        legacy_keep_open(way.legacy, true);
    fcntl(way.legacy_fd, F_SETFD, 0);
    unblock();
    execveat(way.program, "", way.argv, way.environment, AT_EMPTY_PATH);
}

static void name_signal(int number)
{
    put_why("the new program was ended by signal ");
    char digits[] = {(char)('0' + number / 10), (char)('0' + number % 10), '\0'};
    size_t end = strlen(way.variable);
    if (end + sizeof(digits) <= sizeof(way.variable))
        memcpy(way.variable + end, digits, sizeof(digits));
}

static void fall(int number)
{
    if (way.armed != 0 && getpid() == way.master) {
        if (number == SIGALRM)
            put_why("the new program was not ready in time");
        else
            name_signal(number);
        wayback_go();
    }
    sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    raise(number);
}

static void leave(void)
{
    wayback_say("the new program ended at its start");
    wayback_go();
}

/* Without the variable, which was taken out of it. */
static bool copy_environment(void)
{
    size_t count = 0;
    for (char **variable = environ; *variable != NULL; variable++) {
        if (count + 2 >= ENVIRONMENT_MAX)
            return false;
        way.environment[count++] = *variable;
    }
    way.environment[count] = way.variable;
    return true;
}

static bool prepare(int legacy_fd, int program, char **argv)
{
    way.master = getpid();
    way.legacy_fd = legacy_fd;
    way.program = program;
    way.argv = argv;
    way.before_why = (size_t)snprintf(way.variable, sizeof(way.variable), LEGACY_VARIABLE "=back %d ", legacy_fd);
    return copy_environment();
}

void wayback_arm(int legacy_fd, int program, char **argv)
{
    stack_t stack = {.ss_sp = way.stack, .ss_size = sizeof(way.stack)};
    struct sigaction action = {.sa_handler = fall, .sa_flags = SA_ONSTACK};
    fcntl(program, F_SETFD, FD_CLOEXEC);
    if (!prepare(legacy_fd, program, argv))
        return;
    way.catches = true;
    sigaltstack(&stack, NULL);
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(CRASHES[i], &action, &way.before[i]);
    unblock();
    atexit(leave);
    way.armed = 1;
    set_alarm(WAYBACK_MS);
}

void wayback_arm_again(int legacy_fd, int program, char **argv, const char *why)
{
    int copy = fcntl(program, F_DUPFD_CLOEXEC, 0); /* wayback_disarm closes it */
    if (copy < 0 || !prepare(legacy_fd, copy, argv))
        return;
    put_why(why);
    way.armed = 1;
}

bool wayback_wait(void)
{
    sigset_t pending;
    sleep(1);
    return sigpending(&pending) == 0 && !sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGINT);
}

void wayback_watch(const struct legacy *legacy)
{
    way.legacy = legacy;
}

void wayback_disarm(void)
{
    if (way.armed == 0)
        return;
    way.armed = 0;
    close(way.program);
    if (!way.catches)
        return;
    set_alarm(0);
    for (int i = 0; i < SIGNALS; i++)
        sigaction(CRASHES[i], &way.before[i], NULL);
    sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, NULL);
}
