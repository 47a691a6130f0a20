/* SPDX-License-Identifier: ISC
 *
 * sandbox: what an attacker's code would call is refused and named, what a worker needs goes, and one that ends by
 * itself is seen to end of what it ended of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/must.h"
#include "common/net.h"
#include "common/sandbox.h"
#include "tests/lib/forbidden.h"

enum { FAILED = 1, DONE = 2, WRONG_ERROR = 3, TEXT_MAX = 4096, LARGE = 8 << 20, PATIENCE_MS = 20000 };

#ifdef __SANITIZE_ADDRESS__
static const bool SANITIZED = true; /* a sandbox there is none in */
#else
static const bool SANITIZED = false;
#endif

/* In the place of libseccomp's: another kind of machine, while it is set. */
static uint32_t machine;

uint32_t seccomp_arch_native(void)
{
    struct utsname here;
    return machine != 0 || uname(&here) != 0 ? machine : seccomp_arch_resolve_name(here.machine);
}

static const char SESSION[] = "1k0t361f2da0000";

struct fixture {
    struct sandbox *sandbox;
    int listener;
    struct endpoint at;
    enum sandbox_mode mode;
    enum sandbox_role role;
};

static int set_up(void **state)
{
    static struct fixture f;
    struct endpoint any = {.kind = ENDPOINT_IP, .address = {.family = 4, .bytes = {127, 0, 0, 1}}};
    struct sockaddr_storage own;
    socklen_t size = sizeof(own);
    f = (struct fixture){.sandbox = sandbox_new(), .listener = net_listen(&any, 4), .mode = SANDBOX_ON};
    *state = &f;
    if (f.sandbox == NULL || f.listener < 0 || getsockname(f.listener, (struct sockaddr *)&own, &size) != 0)
        return -1;
    endpoint_from_socket(&own, size, &f.at);
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    sandbox_free(&f->sandbox);
    close(f->listener);
    return 0;
}

/* Where there is no sandbox, nothing is proved. */
static void need_sandbox(const struct fixture *f)
{
    if (sandbox_missing(f->sandbox) == NULL)
        return;
    print_message("no sandbox: %s\n", sandbox_missing(f->sandbox));
    skip();
}

/* -- a child in the sandbox; what it logs comes through a pipe */

typedef int deed(struct fixture *f, const void *what);

static void enter(struct fixture *f)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !sandbox_set_listener_apart(&f->listener) ||
        !sandbox_enter(f->sandbox, f->mode, f->role, SESSION, sizeof(SESSION)))
        _exit(FAILED);
}

static int run(struct fixture *f, deed *doing, const void *what, char log[TEXT_MAX])
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        log_to_stderr("test");
        enter(f);
        _exit(doing(f, what));
    }
    close(ends[1]);
    size_t size = 0;
    for (ssize_t got; (got = read(ends[0], log + size, TEXT_MAX - 1 - size)) > 0;)
        size += (size_t)got;
    log[size] = '\0';
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* -- what is refused */

static int try_forbidden(struct fixture *f, const void *what)
{
    const struct forbidden *call = what;
    if (forbidden_try(call, f->listener))
        return DONE;
    return errno == call->error ? 0 : WRONG_ERROR;
}

static void expect_refused(struct fixture *f, const struct forbidden *call)
{
    char log[TEXT_MAX], expected[TEXT_MAX];
    int status = run(f, try_forbidden, call, log);
    if (call->error != 0) {
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            fail_msg("%s (%s): status %#x, not error %d; %s", call->what, call->call, status, call->error, log);
        assert_string_equal(log, "");
        return;
    }
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
        fail_msg("%s (%s): status %#x, not SIGSYS; %s", call->what, call->call, status, log);
    snprintf(expected, sizeof(expected), "event=sandbox call=%s session=%s ", call->call, SESSION);
    if (strstr(log, expected) == NULL)
        fail_msg("%s: the log does not say %s but %s", call->what, expected, log);
}

static void test_what_a_worker_must_not_do_is_refused_and_named(void **state)
{
    struct fixture *f = *state;
    need_sandbox(f);
    for (int i = 0; i < forbidden_count; i++)
        expect_refused(f, &forbidden_calls[i]);
}

static void test_the_housekeeper_neither(void **state)
{
    struct fixture *f = *state;
    need_sandbox(f);
    f->role = SANDBOX_HOUSEKEEPER;
    for (int i = 0; i < forbidden_count; i++)
        if (!forbidden_calls[i].on_listener) /* it has none */
            expect_refused(f, &forbidden_calls[i]);
}

static void test_the_listener_listens_on(void **state)
{
    struct fixture *f = *state;
    int listens = 0;
    socklen_t size = sizeof(listens);
    need_sandbox(f);
    for (int i = 0; i < forbidden_count; i++)
        if (forbidden_calls[i].on_listener)
            expect_refused(f, &forbidden_calls[i]);
    assert_int_equal(getsockopt(f->listener, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size), 0);
    assert_int_equal(listens, 1);
    assert_true((fcntl(f->listener, F_GETFL) & O_NONBLOCK) != 0);
}

#ifdef __x86_64__
static int call_as_of_32_bits(struct fixture *f, const void *what)
{
    enum { GETPID = 20 };
    long result = GETPID;
    (void)f;
    (void)what;
    __asm__ volatile("int $0x80" : "+a"(result) : : "r8", "r9", "r10", "r11", "memory");
    return DONE;
}

/* A kernel that has no such calls ends it as well, by its own means. */
static void test_the_calls_of_32_bits_are_refused(void **state)
{
    char log[TEXT_MAX];
    need_sandbox(*state);
    int status = run(*state, call_as_of_32_bits, NULL, log);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV)
        return;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS || strstr(log, "event=sandbox call=20 ") == NULL)
        fail_msg("status %#x; %s", status, log);
}
#endif

static int open_sockets(struct fixture *f, const void *what)
{
    int count = 0;
    (void)f;
    (void)what;
    while (count <= SANDBOX_FILES_MAX && socket(AF_INET, SOCK_STREAM, 0) >= 0)
        count++;
    return count > 0 && count < SANDBOX_FILES_MAX && errno == EMFILE ? 0 : 15;
}

/* -- what goes */

static bool dozes(int fd)
{
    char octet;
    return clock_let_doze(fd) && clock_recv(fd, &octet, 1) < 0;
}

/* From connect to close, both ends in one process. */
static int hold_session(struct fixture *f, const void *what)
{
    struct wait wait = {.watchdog_s = 60};
    struct endpoint peer, local;
    struct linger reset = {.l_onoff = 1};
    int out, unread;
    char octet;
    (void)what;
    wait_alive(&wait, clock_ms());
    if (net_connect(&f->at, &wait, clock_deadline(PATIENCE_MS), &out) != IO_OK)
        return 10;
    int place = clock_queue(f->listener), in = net_accept(f->listener, &peer, &local);
    struct pollfd ready = {.fd = in, .events = POLLIN};
    if (place < 0 || in < 0 || !net_ends(out, &local, &peer) || !dozes(in))
        return 11;
    net_narrow(in, 1024);
    if (send(out, "x", 1, MSG_NOSIGNAL) != 1 || clock_poll(&ready, 1, clock_deadline(PATIENCE_MS)) != 1 ||
        ioctl(in, FIONREAD, &unread) != 0 || read(in, &octet, 1) != 1)
        return 12;
    if (fcntl(in, F_SETFL, fcntl(in, F_GETFL) | O_NONBLOCK) != 0 ||
        setsockopt(out, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) != 0 || shutdown(in, SHUT_RDWR) != 0)
        return 13;
    return close(in) == 0 && close(out) == 0 && close(place) == 0 ? 0 : 14;
}

static int use_memory(struct fixture *f, const void *what)
{
    char *at = malloc(LARGE);
    (void)f;
    (void)what;
    if (at == NULL)
        return 20;
    memset(at, 'x', LARGE);
    char *grown = realloc(at, 2 * LARGE);
    if (grown == NULL || grown[LARGE - 1] != 'x')
        return 21;
    free(grown);
    return 0;
}

static int ask_the_c_library(struct fixture *f, const void *what)
{
    (void)f;
    (void)what;
    return sysconf(_SC_NPROCESSORS_ONLN) > 0 && sysconf(_SC_OPEN_MAX) > 0 && sysconf(_SC_PHYS_PAGES) > 0 ? 0 : 25;
}

/* A log daemon that was restarted is found again, by its path. */
static int log_again(struct fixture *f, const void *what)
{
    (void)f;
    log_to_syslog("test", 16, what);
    log_line(LEVEL_ERROR, "found");
    return log_is_heard() ? 0 : 30;
}

static void expect_done(struct fixture *f, deed *doing, const void *what)
{
    char log[TEXT_MAX];
    int status = run(f, doing, what, log);
    if (status != 0)
        fail_msg("status %#x; %s", status, log);
}

static void test_a_worker_holds_few_connections(void **state)
{
    need_sandbox(*state);
    expect_done(*state, open_sockets, NULL);
}

static void test_a_session_goes(void **state)
{
    need_sandbox(*state);
    expect_done(*state, hold_session, NULL);
}

static void test_memory_goes(void **state)
{
    need_sandbox(*state);
    expect_done(*state, use_memory, NULL);
}

static void test_questions_of_the_c_library_go(void **state)
{
    need_sandbox(*state);
    expect_done(*state, ask_the_c_library, NULL);
}

static void test_the_log_goes(void **state)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    need_sandbox(*state);
    snprintf(at.sun_path, sizeof(at.sun_path), "/tmp/postern-sandbox-%d", (int)getpid());
    int daemon = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(daemon, (const struct sockaddr *)&at, sizeof(at)), 0);
    expect_done(*state, log_again, at.sun_path);
    unlink(at.sun_path);
    close(daemon);
}

/* -- ends */

static int break_off(struct fixture *f, const void *what)
{
    (void)what;
    must(f == NULL);
    return 0;
}

extern void __stack_chk_fail(void);

static int smash_stack(struct fixture *f, const void *what)
{
    (void)f;
    (void)what;
    __stack_chk_fail();
    return 0;
}

static void expect_abort(struct fixture *f, deed *doing, const char *said)
{
    char log[TEXT_MAX];
    int status = run(f, doing, NULL, log);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || strstr(log, said) == NULL)
        fail_msg("status %#x; %s", status, log);
}

static void test_a_bug_aborts(void **state)
{
    need_sandbox(*state);
    expect_abort(*state, break_off, "event=bug");
}

static void test_a_smashed_stack_aborts(void **state)
{
    need_sandbox(*state);
    expect_abort(*state, smash_stack, "stack smashing detected");
}

/* -- modes */

static int open_file(struct fixture *f, const void *what)
{
    (void)f;
    return open(what, O_RDONLY) >= 0 && mremap(NULL, 0, 0, 0) == MAP_FAILED && errno == EINVAL &&
                   memfd_create("x", 0) >= 0
               ? 0
               : 40;
}

static void test_log_refuses_nothing(void **state)
{
    struct fixture *f = *state;
    need_sandbox(f);
    f->mode = SANDBOX_LOG;
    expect_done(f, open_file, "/etc/passwd");
    expect_done(f, hold_session, NULL);
    assert_string_equal(sandbox_in_force(f->sandbox, f->mode), "log");
    assert_int_equal(sandbox_landlock(f->sandbox, f->mode), 0);
}

static void test_off_is_off(void **state)
{
    struct fixture *f = *state;
    f->mode = SANDBOX_OFF;
    expect_done(f, open_file, "/etc/passwd");
    assert_string_equal(sandbox_in_force(f->sandbox, f->mode), "off");
    assert_string_equal(sandbox_in_force(NULL, SANDBOX_ON), "off");
    assert_true(sandbox_enter(NULL, SANDBOX_ON, SANDBOX_WORKER, NULL, 0));
}

/* What a build or a machine lacks is said, and is no reason not to run. */
static void test_what_is_missing_is_said(void **state)
{
    struct fixture *f = *state;
    if (sandbox_missing(f->sandbox) == NULL)
        assert_string_equal(sandbox_in_force(f->sandbox, SANDBOX_ON), "on");
    else
        assert_string_equal(sandbox_in_force(f->sandbox, SANDBOX_ON), "off");
    assert_true(!SANITIZED || sandbox_missing(f->sandbox) != NULL);
}

static void test_another_kind_of_machine_has_none(void **state)
{
    (void)state;
    machine = AUDIT_ARCH_ARM;
    struct sandbox *sandbox = sandbox_new();
    machine = 0;
    assert_non_null(sandbox_missing(sandbox));
    assert_string_equal(sandbox_in_force(sandbox, SANDBOX_ON), "off");
    sandbox_free(&sandbox);
}

/* -- numbers */

static void test_listeners_are_set_apart(void **state)
{
    struct fixture *f = *state;
    int other = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, SANDBOX_LISTENERS_FROM), listener = dup(f->listener);
    int none = -1, low = listener;
    assert_true(other >= SANDBOX_LISTENERS_FROM);
    assert_true(sandbox_make_way(&other) && sandbox_make_way(&none));
    assert_true(other > STDERR_FILENO && other < SANDBOX_LISTENERS_FROM);
    assert_int_equal(none, -1);
    assert_true(sandbox_set_listener_apart(&listener));
    assert_int_equal(listener, SANDBOX_LISTENERS_FROM);
    assert_int_equal(fcntl(low, F_GETFD), -1);
    assert_true(sandbox_set_listener_apart(&listener));
    assert_int_equal(listener, SANDBOX_LISTENERS_FROM);
    close(listener);
    close(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest everywhere[] = {
        TEST(test_off_is_off),
        TEST(test_what_is_missing_is_said),
        TEST(test_another_kind_of_machine_has_none),
        TEST(test_listeners_are_set_apart),
    };
    const struct CMUnitTest in_it[] = {
        TEST(test_what_a_worker_must_not_do_is_refused_and_named),
        TEST(test_the_housekeeper_neither),
        TEST(test_the_listener_listens_on),
#ifdef __x86_64__
        TEST(test_the_calls_of_32_bits_are_refused),
#endif
        TEST(test_a_worker_holds_few_connections),
        TEST(test_a_session_goes),
        TEST(test_memory_goes),
        TEST(test_questions_of_the_c_library_go),
        TEST(test_the_log_goes),
        TEST(test_a_bug_aborts),
        TEST(test_a_smashed_stack_aborts),
        TEST(test_log_refuses_nothing),
    };
    int failed = cmocka_run_group_tests(everywhere, NULL, NULL);
    return SANITIZED ? failed : failed + cmocka_run_group_tests(in_it, NULL, NULL);
}
