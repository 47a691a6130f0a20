/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/landlock.h"
#include "common/log.h"
#include "common/sandbox.h"
#include "common/sandbox_internal.h"

#ifdef __SANITIZE_ADDRESS__
static const char *const BUILD_LACKS = "sanitizers need more system calls than that";
#else
static const char *const BUILD_LACKS = NULL;
#endif

/* For the handler, which gets nothing else. Set once, when the sandbox is entered. Not zero before: it lies beside the
 * log's state then, on a page that each worker writes to anyway. */
static struct {
    const struct sandbox *sandbox;
    const char *session;
    size_t session_max;
} entered = {.session = ""};

/* -- in the master */

/* NULL: filters can be loaded, and what they refuse can be told. */
static const char *kernel_lacks(void)
{
    static const uint32_t wanted[] = {SECCOMP_RET_TRAP, SECCOMP_RET_LOG};
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &wanted[i]) != 0)
            return errno == EPERM ? "whoever started posternd does not let it (seccomp)"
                                  : "the kernel has no seccomp filters";
    return NULL;
}

/* The list was written for these, where each call is one of its own and takes its arguments as such. Elsewhere others
 * are made for the same (mmap2, socketcall), and who got no answer but SIGSYS would serve nobody. */
static bool knows_machine(void)
{
    uint32_t machine = seccomp_arch_native();
    return machine == SCMP_ARCH_X86_64 || machine == SCMP_ARCH_AARCH64;
}

static bool compile_all(struct sandbox *sandbox)
{
    bool good = knows_machine();
    for (int role = 0; role < SANDBOX_ROLES; role++)
        for (int mode = SANDBOX_LOG; mode < SANDBOX_MODES; mode++)
            good = good &&
                   sandbox_compile(&sandbox->programs[mode][role], (enum sandbox_mode)mode, (enum sandbox_role)role);
    return good;
}

struct sandbox *sandbox_new(void)
{
    struct sandbox *sandbox = calloc(1, sizeof(*sandbox));
    if (sandbox == NULL)
        return NULL;
    sandbox->landlock = landlock_abi();
    sandbox->missing = BUILD_LACKS != NULL ? BUILD_LACKS : kernel_lacks();
    if (sandbox->missing == NULL && !compile_all(sandbox))
        sandbox->missing = "its list is not made for this kind of machine";
    sandbox_name_calls(sandbox);
    return sandbox;
}

void sandbox_free(struct sandbox **sandbox)
{
    free(*sandbox);
    *sandbox = NULL;
}

const char *sandbox_missing(const struct sandbox *sandbox)
{
    return sandbox->missing;
}

static enum sandbox_mode in_force(const struct sandbox *sandbox, enum sandbox_mode mode)
{
    return sandbox == NULL || sandbox->missing != NULL ? SANDBOX_OFF : mode;
}

const char *sandbox_in_force(const struct sandbox *sandbox, enum sandbox_mode mode)
{
    static const char *const names[] = {[SANDBOX_OFF] = "off", [SANDBOX_LOG] = "log", [SANDBOX_ON] = "on"};
    return names[in_force(sandbox, mode)];
}

int sandbox_landlock(const struct sandbox *sandbox, enum sandbox_mode mode)
{
    return in_force(sandbox, mode) == SANDBOX_ON ? sandbox->landlock : 0;
}

/* -- in the child */

static bool move(int *fd, int from)
{
    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, from);
    if (moved < 0 && errno == EINVAL)
        errno = EMFILE; /* RLIMIT_NOFILE is lower than that */
    if (moved < 0)
        return false;
    close(*fd);
    *fd = moved;
    return true;
}

bool sandbox_make_way(int *fd)
{
    if (*fd < SANDBOX_LISTENERS_FROM)
        return true;
    errno = EMFILE;
    return move(fd, STDERR_FILENO + 1) && *fd < SANDBOX_LISTENERS_FROM;
}

bool sandbox_set_listener_apart(int *fd)
{
    return *fd >= SANDBOX_LISTENERS_FROM || move(fd, SANDBOX_LISTENERS_FROM);
}

/* What is interrupted is the refused call itself, in the middle of nothing of the log's but when it is the log's own:
 * that one is refused again, and then the default action ends it. */
static void handle_refusal(int number, siginfo_t *info, void *context)
{
    const struct sandbox *sandbox = entered.sandbox;
    struct record r;
    (void)context;
    bool known = info->si_arch == sandbox->machine && info->si_syscall >= 0 && info->si_syscall < SANDBOX_CALLS_MAX;
    record_begin(&r, "sandbox");
    if (known && sandbox->names[info->si_syscall][0] != '\0')
        record_string(&r, "call", sandbox->names[info->si_syscall]);
    else
        record_number(&r, "call", (uint64_t)(unsigned int)info->si_syscall);
    if (entered.session != NULL)
        record_text(&r, "session", slice_make(entered.session, strnlen(entered.session, entered.session_max)));
    record_string(&r, "why", "a call that is not on the list; this process ends");
    record_send(&r, LEVEL_ERROR);
    raise(number); /* which is not blocked, and has its default action again */
    __builtin_trap();
}

static bool install_handler(void)
{
    struct sigaction action = {.sa_sigaction = handle_refusal, .sa_flags = SA_SIGINFO | SA_NODEFER | (int)SA_RESETHAND};
    sigemptyset(&action.sa_mask);
    return sigaction(SIGSYS, &action, NULL) == 0;
}

static bool load(const struct sandbox_program *program)
{
    struct sock_filter own[SANDBOX_PROGRAM_MAX];
    memcpy(own, program->code, program->count * sizeof(own[0]));
    for (unsigned short i = 0; i < program->own_pid_count; i++)
        own[program->own_pid[i]].k = (uint32_t)getpid();
    const struct sock_fprog code = {.len = program->count, .filter = own};
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) == 0;
}

/* For good: no call that could change it is allowed. */
static bool limit_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    if (limit.rlim_max > SANDBOX_FILES_MAX)
        limit.rlim_max = SANDBOX_FILES_MAX;
    if (limit.rlim_cur > limit.rlim_max)
        limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

bool sandbox_enter(const struct sandbox *sandbox, enum sandbox_mode mode, enum sandbox_role role, const char *session,
                   size_t session_max)
{
    if (in_force(sandbox, mode) == SANDBOX_OFF)
        return true;
    entered.sandbox = sandbox;
    entered.session = session;
    entered.session_max = session_max;
    if (mode == SANDBOX_ON && role == SANDBOX_WORKER && !limit_files())
        return false;
    return install_handler() && (mode != SANDBOX_ON || landlock_enter(sandbox->landlock)) &&
           load(&sandbox->programs[mode][role]);
}
