/* SPDX-License-Identifier: ISC
 *
 * log: against a datagram socket and a pipe of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum { LINE_SIZE = 8192, PATIENCE_MS = 10000, MANY = 20000 };

struct server {
    char directory[64];
    struct sockaddr_un address;
    int fd;
};

static void server_open(struct server *s)
{
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (const struct sockaddr *)&s->address, sizeof(s->address)), 0);
}

static void server_close(struct server *s)
{
    close(s->fd);
    unlink(s->address.sun_path);
}

static int set_up(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    *state = s;
    snprintf(s->directory, sizeof(s->directory), "/tmp/postern-log-XXXXXX");
    if (mkdtemp(s->directory) == NULL)
        return -1;
    s->address.sun_family = AF_UNIX;
    snprintf(s->address.sun_path, sizeof(s->address.sun_path), "%s/log", s->directory);
    server_open(s);
    log_set_level(LEVEL_INFO);
    log_to_syslog("postern", LOG_MAIL, s->address.sun_path);
    return 0;
}

static int tear_down(void **state)
{
    struct server *s = *state;
    log_to_stderr("test");
    server_close(s);
    rmdir(s->directory);
    free(s);
    return 0;
}

static bool arrives(int fd)
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    return clock_poll(&wanted, 1, clock_deadline(PATIENCE_MS)) > 0;
}

static size_t receive(int fd, char line[LINE_SIZE])
{
    assert_true(arrives(fd));
    ssize_t size = read(fd, line, LINE_SIZE - 1);
    assert_true(size >= 0);
    line[size] = '\0';
    return (size_t)size;
}

/* What stands behind "ident[pid]: ", after the part before it was checked. */
static const char *text_of(const char *line, int priority, pid_t pid)
{
    char head[64];
    int size = snprintf(head, sizeof(head), "<%d>", priority);
    assert_memory_equal(line, head, (size_t)size);
    const char *stamp = line + size;
    assert_non_null(
        strstr("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec", (char[]){stamp[0], stamp[1], stamp[2], 0}));
    assert_true(stamp[3] == ' ' && stamp[6] == ' ' && stamp[9] == ':' && stamp[12] == ':' && stamp[15] == ' ');
    assert_true(stamp[4] == ' ' || (stamp[4] >= '1' && stamp[4] <= '3'));
    size = snprintf(head, sizeof(head), "postern[%d]: ", (int)pid);
    assert_memory_equal(stamp + 16, head, (size_t)size);
    return stamp + 16 + size;
}

static void a_line_is_one_datagram_of_rfc_3164(void **state)
{
    struct server *s = *state;
    char line[LINE_SIZE];
    log_line(LEVEL_WARNING, "hello %d", 7);
    receive(s->fd, line);
    assert_string_equal(text_of(line, LOG_MAIL | LOG_WARNING, getpid()), "hello 7");
}

static void lines_beyond_the_level_are_not_written(void **state)
{
    struct server *s = *state;
    char line[LINE_SIZE];
    assert_false(log_wants(LEVEL_DEBUG));
    log_line(LEVEL_DEBUG, "not this");
    log_line(LEVEL_INFO, "this");
    receive(s->fd, line);
    assert_string_equal(text_of(line, LOG_MAIL | LOG_INFO, getpid()), "this");
}

static void controls_in_a_line_forge_nothing(void **state)
{
    struct server *s = *state;
    char line[LINE_SIZE];
    log_line(LEVEL_INFO, "%s", "a\r\n<0>Jan  1 00:00:00 root: b\x7f\x1b[2J");
    receive(s->fd, line);
    assert_string_equal(text_of(line, LOG_MAIL | LOG_INFO, getpid()), "a?"
                                                                      "?<0>Jan  1 00:00:00 root: b?"
                                                                      "?[2J");
}

static void a_line_too_long_is_cut(void **state)
{
    struct server *s = *state;
    char line[LINE_SIZE], text[RECORD_MAX * 2];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_line(LEVEL_INFO, "%s", text);
    receive(s->fd, line);
    assert_int_equal(strlen(text_of(line, LOG_MAIL | LOG_INFO, getpid())), RECORD_MAX - 1);
}

/* Nobody reads: the first line that does not fit waits once, the others not at all. */
static void a_stopped_reader_costs_one_wait(void **state)
{
    struct server *s = *state;
    int64_t begin = clock_ms();
    for (int i = 0; i < MANY; i++)
        log_line(LEVEL_INFO, "line %d", i);
    int64_t took = clock_ms() - begin;
    assert_true(took < MANY / 10 * (int64_t)LOG_WAIT_MS); /* waiting for each would be 4,000 s */
    assert_true(took >= LOG_WAIT_MS);
    char line[LINE_SIZE];
    unsigned arrived = 0, dropped = 0;
    while (recv(s->fd, line, sizeof(line), MSG_DONTWAIT) > 0)
        arrived++;
    log_line(LEVEL_INFO, "after");
    receive(s->fd, line);
    assert_string_equal(text_of(line, LOG_MAIL | LOG_INFO, getpid()), "after");
    line[receive(s->fd, line)] = '\0';
    assert_int_equal(sscanf(text_of(line, LOG_MAIL | LOG_WARNING, getpid()), "event=log-drops lines=%u", &dropped), 1);
    assert_int_equal(arrived + dropped, MANY);
    assert_int_equal(recv(s->fd, line, sizeof(line), MSG_DONTWAIT), -1);
}

static void who_ends_reports_its_drops(void **state)
{
    struct server *s = *state;
    char line[LINE_SIZE];
    uint64_t before = log_dropped();
    server_close(s);
    log_line(LEVEL_INFO, "lost");
    log_report_drops(); /* in vain */
    assert_int_equal(log_dropped(), before + 1);
    server_open(s);
    log_report_drops();
    receive(s->fd, line);
    assert_non_null(strstr(line, "event=log-drops lines=1"));
    assert_int_equal(log_dropped(), before + 1); /* reported, and lost all the same */
    log_report_drops();
    assert_int_equal(recv(s->fd, line, sizeof(line), MSG_DONTWAIT), -1);
}

static void a_new_reader_under_the_old_name_is_found(void **state)
{
    struct server *s = *state;
    char line[LINE_SIZE];
    log_line(LEVEL_INFO, "one");
    receive(s->fd, line);
    server_close(s);
    log_line(LEVEL_INFO, "lost");
    server_open(s);
    log_line(LEVEL_INFO, "two");
    receive(s->fd, line);
    assert_string_equal(text_of(line, LOG_MAIL | LOG_INFO, getpid()), "two");
    receive(s->fd, line);
    assert_non_null(strstr(line, "event=log-drops lines=1"));
}

/* The child's descriptor table: what it inherited from the log must not be what it logs through. */
static void child_logs(struct server *s, int inherited)
{
    char name[64];
    close(inherited);
    int mine = open("/dev/null", O_WRONLY); /* gets the number of the closed one */
    log_line(LEVEL_INFO, "child");
    snprintf(name, sizeof(name), "/proc/self/fd/%d", mine);
    char target[64];
    ssize_t size = readlink(name, target, sizeof(target) - 1);
    (void)s;
    _exit(mine == inherited && size == 9 && memcmp(target, "/dev/null", 9) == 0 ? 0 : 1);
}

static void a_child_uses_its_own_socket(void **state)
{
    struct server *s = *state;
    char line[LINE_SIZE];
    int next = dup(STDERR_FILENO); /* the lowest free number: the log's socket will have it */
    close(next);
    log_line(LEVEL_INFO, "parent");
    receive(s->fd, line);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_logs(s, next);
    receive(s->fd, line);
    assert_string_equal(text_of(line, LOG_MAIL | LOG_INFO, pid), "child");
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* What its parent lost is the parent's to report. */
static void a_child_reports_no_drops_of_its_parent(void **state)
{
    struct server *s = *state;
    char line[LINE_SIZE];
    server_close(s);
    log_line(LEVEL_INFO, "lost");
    assert_false(log_is_heard());
    server_open(s);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        log_line(LEVEL_INFO, "child");
        _exit(log_is_heard() && log_dropped() == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    receive(s->fd, line);
    assert_string_equal(text_of(line, LOG_MAIL | LOG_INFO, pid), "child");
    assert_int_equal(recv(s->fd, line, sizeof(line), MSG_DONTWAIT), -1);
}

/* The old reader hangs, with its queue full, and a new one has the name. */
static void a_reader_that_hangs_can_be_replaced(void **state)
{
    struct server *s = *state, hung = *s;
    struct pollfd news = {.events = POLLIN};
    for (int i = 0; i < MANY / 10; i++)
        log_line(LEVEL_INFO, "line %d", i);
    assert_false(log_is_heard());
    unlink(s->address.sun_path);
    server_open(s);
    news.fd = s->fd;
    for (int64_t end = clock_deadline(PATIENCE_MS); poll(&news, 1, 10) == 0 && clock_ms() < end;)
        log_line(LEVEL_INFO, "is anybody there");
    assert_true(arrives(s->fd));
    close(hung.fd);
}

/* -- stderr */

static int swap_stderr(int fd)
{
    int old = dup(STDERR_FILENO);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    return old;
}

static void restore_stderr(int old)
{
    dup2(old, STDERR_FILENO);
    close(old);
}

static void stderr_has_one_write_a_line(void **state)
{
    (void)state;
    int ends[2];
    char line[LINE_SIZE], expected[64];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0); /* keeps the borders of writes */
    int old = swap_stderr(ends[1]);
    log_to_stderr("postern");
    log_line(LEVEL_INFO, "one");
    log_line(LEVEL_INFO, "two");
    restore_stderr(old);
    receive(ends[0], line);
    snprintf(expected, sizeof(expected), "postern[%d]: one\n", (int)getpid());
    assert_string_equal(line, expected);
    receive(ends[0], line);
    snprintf(expected, sizeof(expected), "postern[%d]: two\n", (int)getpid());
    assert_string_equal(line, expected);
    close(ends[0]);
    close(ends[1]);
}

/* A blocking pipe, full, with nobody reading: still nothing waits for ever. */
static void a_full_pipe_does_not_block(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int old = swap_stderr(ends[1]);
    log_to_stderr("postern");
    for (int i = 0; i < MANY; i++)
        log_line(LEVEL_INFO, "a line that is somewhat longer than the others: %d", i);
    restore_stderr(old);
    close(ends[0]);
    close(ends[1]);
}

/* The starter's pipe stays as it is: only our open file of it does not wait. */
static void a_pipe_is_opened_anew(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int old = swap_stderr(ends[1]);
    log_to_stderr("postern");
    int ours = fcntl(STDERR_FILENO, F_GETFL), starters = fcntl(ends[1], F_GETFL);
    bool kept = log_keep_stderr();
    restore_stderr(old);
    close(ends[0]);
    close(ends[1]);
    assert_true(ours & O_NONBLOCK);
    assert_false(starters & O_NONBLOCK);
    assert_true(kept);
}

/* -- records */

static char sunk[RECORD_MAX + 1];

static void sink(enum level level, const char *line)
{
    assert_int_equal(level, LEVEL_INFO);
    snprintf(sunk, sizeof(sunk), "%s", line);
}

static void values_are_escaped(void **state)
{
    (void)state;
    static const struct {
        struct slice value;
        const char *printed;
    } rows[] = {
        {SLICE("plain"), " k=plain"},
        {SLICE("<a@b.example>"), " k=<a@b.example>"},
        {SLICE(""), ""},
        {SLICE("two words"), " k=\"two words\""},
        {SLICE("a=b"), " k=\"a=b\""},
        {SLICE("say \"no\""), " k=\"say \\\"no\\\"\""},
        {SLICE("it's"), " k=\"it's\""},
        {SLICE("back\\slash"), " k=\"back\\\\slash\""},
        {SLICE("a\r\nb"), " k=\"a\\x0D\\x0Ab\""},
        {SLICE("nul\0nul"), " k=\"nul\\x00nul\""},
        {SLICE("\x7f\x80\xff"), " k=\"\\x7F\\x80\\xFF\""},
        {SLICE("x result=passed"), " k=\"x result=passed\""},
    };
    log_to_function(sink);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct record r;
        char expected[128];
        record_begin(&r, "e");
        record_text(&r, "k", rows[i].value);
        record_number(&r, "n", UINT64_MAX);
        record_send(&r, LEVEL_INFO);
        snprintf(expected, sizeof(expected), "event=e%s n=18446744073709551615", rows[i].printed);
        assert_string_equal(sunk, expected);
    }
}

static void a_value_that_is_absent_leaves_no_field(void **state)
{
    (void)state;
    struct record r;
    log_to_function(sink);
    record_begin(&r, "e");
    record_string(&r, "k", NULL);
    record_send(&r, LEVEL_INFO);
    assert_string_equal(sunk, "event=e");
}

/* All sizes around the limit: never past the end, never half a field, and the line says so. */
static void what_does_not_fit_is_left_out_whole(void **state)
{
    (void)state;
    static char value[RECORD_MAX * 2];
    memset(value, '\n', sizeof(value)); /* four octets each */
    log_to_function(sink);
    for (size_t size = 1; size < sizeof(value); size++) {
        struct record r;
        record_begin(&r, "e");
        record_text(&r, "big", (struct slice){value, size});
        record_string(&r, "small", "x");
        record_send(&r, LEVEL_INFO);
        bool fits = sizeof("event=e big=\"\"") - 1 + 4 * size + sizeof(" cut=yes") <= RECORD_MAX;
        assert_int_equal(strstr(sunk, "big=") != NULL, fits);
        assert_int_equal(strstr(sunk, " cut=yes") != NULL, r.cut);
        assert_true(strstr(sunk, " small=x") != NULL || r.cut);
    }
    assert_string_equal(sunk, "event=e small=x cut=yes");
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(a_line_is_one_datagram_of_rfc_3164),
        WITH_SERVER(lines_beyond_the_level_are_not_written),
        WITH_SERVER(controls_in_a_line_forge_nothing),
        WITH_SERVER(a_line_too_long_is_cut),
        WITH_SERVER(a_stopped_reader_costs_one_wait),
        WITH_SERVER(who_ends_reports_its_drops),
        WITH_SERVER(a_new_reader_under_the_old_name_is_found),
        WITH_SERVER(a_child_uses_its_own_socket),
        WITH_SERVER(a_child_reports_no_drops_of_its_parent),
        WITH_SERVER(a_reader_that_hangs_can_be_replaced),
        cmocka_unit_test(stderr_has_one_write_a_line),
        cmocka_unit_test(a_full_pipe_does_not_block),
        cmocka_unit_test(a_pipe_is_opened_anew),
        cmocka_unit_test(values_are_escaped),
        cmocka_unit_test(a_value_that_is_absent_leaves_no_field),
        cmocka_unit_test(what_does_not_fit_is_left_out_whole),
    };
    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
