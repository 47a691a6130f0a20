/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

#include "daemon/household.h"

enum { ASK_READ_BYTES = 4096, ASK_READS_MAX = 16, EVENT_MAX = 32 };

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

bool household_open(struct household *household, struct house *house, const struct household_kind *kind)
{
    int ends[2];
    *household = (struct household){.kind = kind, .house = house, .kill_ms = CLOCK_NEVER};
    household->lifeline = household->ask_read = household->ask_write = -1;
    if (!kind->asks)
        return true;
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    household->ask_read = ends[0];
    household->ask_write = ends[1];
    return true;
}

void household_close(struct household *household)
{
    close_fd(&household->lifeline);
    close_fd(&household->ask_read);
    close_fd(&household->ask_write);
}

void household_change(struct household *household, const struct plan *plan, uint32_t generation, int64_t now_ms)
{
    household->plan = plan;
    household->generation = generation;
    household->not_before_ms = 0;
    household->backoff_ms = 0;
    if (household->pid == 0 || household->leaving)
        return;
    household->leaving = true;
    household->kill_ms = now_ms + household->kind->leave_ms;
    close_fd(&household->lifeline);
}

/* -- making one */

static void back_off(struct household *household, int64_t now_ms)
{
    household->backoff_ms = household->backoff_ms == 0 ? HOUSEHOLD_BACKOFF_MIN_MS : household->backoff_ms * 2;
    if (household->backoff_ms > HOUSEHOLD_BACKOFF_MAX_MS)
        household->backoff_ms = HOUSEHOLD_BACKOFF_MAX_MS;
    household->not_before_ms = now_ms + household->backoff_ms;
}

static void log_fork_failed(const struct household *household, int error)
{
    struct record r;
    record_begin(&r, "fork-failed");
    record_string(&r, "process", household->kind->name);
    record_string(&r, "error", strerror(error));
    record_number(&r, "retry_ms", (uint64_t)household->backoff_ms);
    record_send(&r, LEVEL_ERROR);
}

static void make(struct household *household, int64_t now_ms)
{
    int ends[2] = {-1, -1};
    pid_t pid = pipe2(ends, O_NONBLOCK | O_CLOEXEC) == 0 ? household->kind->spawn(household, ends[0]) : -1;
    int error = errno;
    close_fd(&ends[0]);
    if (pid < 0) {
        close_fd(&ends[1]);
        back_off(household, now_ms);
        log_fork_failed(household, error);
        return;
    }
    household->pid = pid;
    household->last_status = 0;
    household->lifeline = ends[1];
    household->started_ms = now_ms;
}

int64_t household_look(struct household *household, int64_t now_ms)
{
    if (household->pid != 0 && now_ms >= household->kill_ms)
        household_kill(household);
    if (household->pid != 0 || household->plan == NULL || !household->kind->is_wanted(household))
        return household->kill_ms;
    if (now_ms >= household->not_before_ms)
        make(household, now_ms);
    return household->pid != 0 ? household->kill_ms : household->not_before_ms;
}

void household_kill(struct household *household)
{
    if (household->pid == 0)
        return;
    kill(household->pid, SIGKILL);
    household->kill_ms = CLOCK_NEVER;
}

/* -- its end */

static void log_left(const struct household *household, int status)
{
    struct record r;
    char event[EVENT_MAX];
    bool killed = WIFSIGNALED(status);
    snprintf(event, sizeof(event), "%s-left", household->kind->name);
    record_begin(&r, event);
    record_number(&r, "pid", (uint64_t)household->pid);
    record_string(&r, "signal", killed ? sigabbrev_np(WTERMSIG(status)) : NULL);
    record_send(&r, killed ? LEVEL_WARNING : LEVEL_DEBUG);
}

static void log_crashed(const struct household *household, int status)
{
    struct record r;
    char event[EVENT_MAX];
    snprintf(event, sizeof(event), "%s-crashed", household->kind->name);
    record_begin(&r, event);
    record_number(&r, "pid", (uint64_t)household->pid);
    if (WIFSIGNALED(status))
        record_string(&r, "signal", sigabbrev_np(WTERMSIG(status)));
    else
        record_number(&r, "status", (uint64_t)WEXITSTATUS(status));
    record_number(&r, "retry_ms", (uint64_t)household->backoff_ms);
    record_send(&r, LEVEL_ERROR);
}

static void lose(struct household *household, int status, int64_t now_ms)
{
    household->last_status = status;
    if (now_ms - household->started_ms >= HOUSEHOLD_OLD_MS)
        household->backoff_ms = 0;
    back_off(household, now_ms);
    household->restarts++;
    log_crashed(household, status);
}

bool household_reaped(struct household *household, pid_t pid, int status, int64_t now_ms)
{
    if (household->pid == 0 || pid != household->pid)
        return false;
    if (household->leaving)
        log_left(household, status);
    else
        lose(household, status, now_ms);
    if (household->kind->ended != NULL)
        household->kind->ended(household);
    close_fd(&household->lifeline);
    household->pid = 0;
    household->leaving = false;
    household->kill_ms = CLOCK_NEVER;
    return true;
}

bool household_has_asked(const struct household *household)
{
    char calls[ASK_READ_BYTES];
    bool asked = false;
    for (int i = 0; i < ASK_READS_MAX; i++) {
        ssize_t size = read(household->ask_read, calls, sizeof(calls));
        asked |= size > 0;
        if (size < (ssize_t)sizeof(calls))
            break;
    }
    return asked;
}
