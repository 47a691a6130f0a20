/* SPDX-License-Identifier: ISC */
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

#include "common/clock.h"
#include "common/log.h"

#include "daemon/reload.h"
#include "daemon/spawn.h"
#include "daemon/watch.h"

_Static_assert(RELOAD_WHY_MAX <= 4096, "a pipe takes the reason whole, at once");

enum { ROOM_BYTES = 16 << 20 };

static const char *by_name(enum reload_by by)
{
    static const char *const names[] = {"signal", "control", "file", "listener"};
    return names[by];
}

void reload_open(struct reload *reload, const struct planner *planner)
{
    *reload = (struct reload){.planner = planner, .why_fd = -1, .until_ms = CLOCK_NEVER, .retry_ms = CLOCK_NEVER};
}

/* Of several wishes, the one that wants more has its name. */
static int weight(enum reload_by by)
{
    static const int weights[] = {
        [RELOAD_BY_FILE] = 0, [RELOAD_BY_LISTENER] = 1, [RELOAD_BY_SIGNAL] = 2, [RELOAD_BY_CONTROL] = 2};
    return weights[by];
}

void reload_ask(struct reload *reload, enum reload_by by)
{
    struct reload_wish *next = &reload->next;
    if (!next->any || weight(by) > weight(next->by))
        next->by = by;
    next->renewal = weight(next->by) < weight(RELOAD_BY_SIGNAL);
    next->by_control |= by == RELOAD_BY_CONTROL;
    next->any = true;
}

bool reload_is_running(const struct reload *reload)
{
    return reload->running.any;
}

/* More than any configuration was seen to take. Asked for before, at once and in vain rather than in the middle, where
 * a parser cannot go on; given back for who needs it. The child may have found room where the master has none. */
static bool has_room(char *why, size_t why_size)
{
    void *room = mmap(NULL, ROOM_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room != MAP_FAILED)
        return munmap(room, ROOM_BYTES) == 0;
    snprintf(why, why_size, "no memory to read the configuration with: %s", strerror(errno));
    return false;
}

struct plan *reload_plan(const struct reload *reload, const struct plan *present, char *why, size_t why_size)
{
    const struct planner *planner = reload->planner;
    if (!has_room(why, why_size))
        return NULL;
    return reload->running.renewal ? planner->renew(planner, present, why, why_size)
                                   : planner->make(planner, why, why_size);
}

/* -- the child */

static bool bound_child(pid_t parent)
{
    static const struct rlimit seconds = {RELOAD_CHECK_MS / 1000, RELOAD_CHECK_MS / 1000}, none = {0, 0};
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent && setrlimit(RLIMIT_CPU, &seconds) == 0 &&
           setrlimit(RLIMIT_CORE, &none) == 0;
}

static _Noreturn void check(const struct reload *reload, const struct plan *present, int why_fd, pid_t parent)
{
    char why[RELOAD_WHY_MAX] = "";
    prctl(PR_SET_NAME, RELOAD_CHILD_NAME);
    spawn_reset_signals();
    if (!bound_child(parent) || !spawn_close_others(&why_fd, 1) || !privilege_keep_reading())
        snprintf(why, sizeof(why), "cannot check the configuration: %s", strerror(errno));
    else if (reload_plan(reload, present, why, sizeof(why)) != NULL)
        _exit(EXIT_SUCCESS);
    ssize_t written = write(why_fd, why, strlen(why));
    _exit(written >= 0 ? EXIT_FAILURE : EXIT_FAILURE + 1);
}

static bool start_child(struct reload *reload, const struct plan *present)
{
    int ends[2];
    pid_t master = getpid();
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    reload->child = fork();
    if (reload->child == 0)
        check(reload, present, ends[1], master);
    int error = errno;
    close(ends[1]);
    reload->why_fd = ends[0];
    errno = error;
    return reload->child > 0;
}

/* -- its life */

static void be_bad(struct reload *reload, const char *why)
{
    reload->news = RELOAD_BAD;
    snprintf(reload->why, sizeof(reload->why), "%s", why);
}

static void forget_child(struct reload *reload)
{
    if (reload->why_fd >= 0)
        close(reload->why_fd);
    reload->why_fd = -1;
    reload->child = 0;
    reload->until_ms = CLOCK_NEVER;
}

static void log_state(const struct reload_wish *wish, const char *state, uint32_t generation, const char *why,
                      enum level level)
{
    struct record r;
    record_begin(&r, "reload");
    record_string(&r, "state", state);
    record_string(&r, "by", by_name(wish->by));
    if (generation > 0)
        record_number(&r, "generation", generation);
    record_string(&r, "why", why);
    record_send(&r, level);
}

static void begin(struct reload *reload, const struct plan *present, int64_t now_ms)
{
    reload->running = reload->next;
    reload->next = (struct reload_wish){0};
    reload->waits = false;
    if (reload->running.renewal) {
        reload->renew_after_ms = now_ms + RELOAD_RENEW_PAUSE_MS;
        reload->mark = watch_mark(present->watched, present->watched_count);
    }
    log_state(&reload->running, "begun", 0, NULL, LEVEL_NOTICE);
    reload->until_ms = now_ms + RELOAD_CHECK_MS;
    if (start_child(reload, present))
        return;
    char why[RELOAD_WHY_MAX];
    snprintf(why, sizeof(why), "cannot check the configuration: %s", strerror(errno));
    forget_child(reload);
    be_bad(reload, why);
}

static void give_up(struct reload *reload)
{
    char why[RELOAD_WHY_MAX];
    kill(reload->child, SIGKILL);
    reload->dying = reload->child;
    forget_child(reload);
    snprintf(why, sizeof(why), "the check took longer than %d seconds", RELOAD_CHECK_MS / 1000);
    be_bad(reload, why);
}

static void say_that_it_waits(struct reload *reload)
{
    if (!reload->waits)
        log_state(&reload->next, "waits", 0, "sessions of too many earlier configurations go on", LEVEL_WARNING);
    reload->waits = true;
}

static int64_t when_to_look(const struct reload *reload, int64_t now_ms)
{
    int64_t look_ms = reload->until_ms < reload->retry_ms ? reload->until_ms : reload->retry_ms;
    return reload->news != RELOAD_NOTHING ? now_ms : look_ms;
}

/* Somebody asked for a renewal: this is whether there is anything new to read. */
static bool is_of_use(const struct reload *reload, const struct plan *present)
{
    uint64_t mark = watch_mark(present->watched, present->watched_count);
    bool was_refused = reload->retry_ms != CLOCK_NEVER && mark == reload->mark;
    return reload->next.by != RELOAD_BY_FILE || (mark != present->watched_mark && !was_refused);
}

static void retry(struct reload *reload)
{
    reload->retry_ms = CLOCK_NEVER;
    reload_ask(reload, RELOAD_BY_FILE);
}

int64_t reload_look(struct reload *reload, const struct plan *present, bool room, int64_t now_ms)
{
    bool busy = reload->running.any || reload->dying != 0;
    if (reload->child != 0 && now_ms >= reload->until_ms)
        give_up(reload);
    if (now_ms >= reload->retry_ms)
        retry(reload);
    if (!reload->next.any || busy)
        return when_to_look(reload, now_ms);
    if (reload->next.renewal && now_ms < reload->renew_after_ms)
        return reload->renew_after_ms;
    if (reload->next.renewal && !is_of_use(reload, present))
        reload->next = (struct reload_wish){0};
    else if (room)
        begin(reload, present, now_ms);
    else
        say_that_it_waits(reload);
    return when_to_look(reload, now_ms);
}

/* It has ended: what it wrote is in the pipe. */
static void read_why(const struct reload *reload, int status, char why[RELOAD_WHY_MAX])
{
    ssize_t size = read(reload->why_fd, why, RELOAD_WHY_MAX - 1);
    why[size > 0 ? size : 0] = '\0';
    if (WIFSIGNALED(status))
        snprintf(why, RELOAD_WHY_MAX, "the check was ended by signal %d", WTERMSIG(status));
    else if (why[0] == '\0')
        snprintf(why, RELOAD_WHY_MAX, "the check ended with status %d", WEXITSTATUS(status));
}

bool reload_reaped(struct reload *reload, pid_t pid, int status)
{
    char why[RELOAD_WHY_MAX];
    if (pid == reload->dying) {
        reload->dying = 0;
        return true;
    }
    if (pid != reload->child)
        return false;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SUCCESS) {
        reload->news = RELOAD_GOOD;
    } else {
        read_why(reload, status, why);
        be_bad(reload, why);
    }
    forget_child(reload);
    return true;
}

enum reload_news reload_take_news(struct reload *reload)
{
    enum reload_news news = reload->news;
    reload->news = RELOAD_NOTHING;
    return news;
}

bool reload_over(struct reload *reload, uint32_t generation, const char *why)
{
    if (why == NULL)
        log_state(&reload->running, "done", generation, NULL, LEVEL_NOTICE);
    else
        log_state(&reload->running, "refused", 0, why, LEVEL_ERROR);
    if (why != reload->why)
        snprintf(reload->why, sizeof(reload->why), "%s", why != NULL ? why : "");
    if (why == NULL)
        reload->retry_ms = CLOCK_NEVER;
    else if (reload->running.renewal)
        reload->retry_ms = reload->renew_after_ms + RELOAD_RETRY_MS;
    reload->running = (struct reload_wish){0};
    return !reload->next.by_control;
}

void reload_stop(struct reload *reload)
{
    if (reload->child != 0) {
        kill(reload->child, SIGKILL);
        reload->dying = reload->child;
    }
    forget_child(reload);
    reload->next = reload->running = (struct reload_wish){0};
    reload->news = RELOAD_NOTHING;
}
