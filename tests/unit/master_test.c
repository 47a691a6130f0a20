/* SPDX-License-Identifier: ISC
 *
 * master: a real one with dummy workers (dummy_worker.h), watched through its log, its children and its listener. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pwd.h>
#include <sys/stat.h>

#include "tests/unit/master_rig.h"

enum { SCRIBBLE_ROUNDS = 200 };

/* -- start and stop */

static void it_starts_serves_and_stops(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    rig_start(rig);
    assert_true(rig_has_workers(rig, 2, 4));
    struct client client = client_open(rig);
    client_say(&client, "echo");
    assert_true(client_hear(&client, line));
    assert_string_equal(line, "echo\n");
    client_close(&client);
    assert_int_equal(rig_stop(rig), 0);
    assert_int_equal(rig_connect(rig), -1);
    assert_int_equal(access(rig->pid_path, F_OK), -1);
    assert_null(strstr(rig->log, "worker-crashed"));
    assert_null(strstr(rig->log, "worker-cut"));
}

static void another_one_can_bind_at_once(void **state)
{
    struct rig *rig = *state;
    for (int i = 0; i < 3; i++) {
        rig_start(rig);
        struct client client = client_open(rig);
        client_close(&client);
        assert_int_equal(rig_stop(rig), 0);
        close(rig->log_fd);
        rig->log_size = 0;
        rig->log[0] = '\0';
    }
}

static void a_taken_address_is_said_and_fatal(void **state)
{
    struct rig *rig = *state;
    struct endpoint taken = rig->address;
    int fd = net_listen(&taken, 1);
    assert_true(fd >= 0);
    rig_launch(rig);
    assert_int_equal(rig_wait(rig), EXIT_FAILURE);
    assert_non_null(strstr(rig->log, "listener mx: cannot listen on 127.0.0.1:"));
    assert_non_null(strstr(rig->log, "Address already in use"));
    close(fd);
}

static void an_unknown_user_is_said_and_fatal(void **state)
{
    struct rig *rig = *state;
    if (geteuid() != 0)
        fail_msg("needs root");
    rig->process.user = "no-such-user";
    rig_launch(rig);
    assert_int_equal(rig_wait(rig), EXIT_FAILURE);
    assert_non_null(strstr(rig->log, "user no-such-user: there is no such user"));
}

static void workers_are_never_root(void **state)
{
    struct rig *rig = *state;
    if (geteuid() != 0)
        fail_msg("needs root");
    rig->process.user = "root";
    rig_launch(rig);
    assert_int_equal(rig_wait(rig), EXIT_FAILURE);
    assert_non_null(strstr(rig->log, "workers must not be root"));
}

static void the_pid_file_names_the_master_and_is_locked(void **state)
{
    struct rig *rig = *state, second = *rig;
    char text[32] = "", expected[64];
    rig_start(rig);
    FILE *file = fopen(rig->pid_path, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_int_equal(strtol(text, NULL, 10), rig->master);

    second.address.port = rig_free_port();
    second.log = calloc(1, RIG_LOG_SIZE);
    second.log_size = 0;
    rig_launch(&second);
    assert_int_equal(rig_wait(&second), EXIT_FAILURE);
    snprintf(expected, sizeof(expected), "already running as process %d", (int)rig->master);
    assert_non_null(strstr(second.log, expected));
    close(second.log_fd);
    free(second.log);

    assert_int_equal(access(rig->pid_path, F_OK), 0);
    assert_int_equal(rig_stop(rig), 0);
}

static void a_pid_file_of_someone_else_is_left_alone(void **state)
{
    struct rig *rig = *state;
    char victim[96];
    struct stat is;
    snprintf(victim, sizeof(victim), "%s/victim", rig->directory);
    int fd = open(victim, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "precious", 8), 8);
    close(fd);
    for (int hard = 0; hard <= 1; hard++) {
        assert_int_equal(hard != 0 ? link(victim, rig->pid_path) : symlink(victim, rig->pid_path), 0);
        rig_launch(rig);
        assert_int_equal(rig_wait(rig), EXIT_FAILURE);
        assert_int_equal(stat(victim, &is), 0);
        assert_int_equal(is.st_size, 8);
        close(rig->log_fd);
        unlink(rig->pid_path);
    }
    unlink(victim);
}

static void a_pid_file_in_the_directory_of_someone_else_is_refused(void **state)
{
    struct rig *rig = *state;
    if (geteuid() != 0)
        fail_msg("needs root");
    assert_int_equal(chown(rig->directory, getpwnam("nobody")->pw_uid, (gid_t)-1), 0);
    rig_launch(rig);
    assert_int_equal(rig_wait(rig), EXIT_FAILURE);
    assert_non_null(strstr(rig->log, "its directory belongs to another user"));
}

/* -- who and what a worker is */

static void a_worker_holds_only_what_it_needs(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    rig_start(rig);
    struct client client = client_open(rig);
    client_say(&client, "fds");
    assert_true(client_hear(&client, line));
    int sockets = 0, pipes = 0, epolls = 0, high = 0;
    for (char *rest = line, *word; (word = strsep(&rest, " \n")) != NULL;) {
        const char *target = strchr(word, '=');
        if (target == NULL || strtol(word, NULL, 10) <= STDERR_FILENO)
            continue;
        high++;
        sockets += strncmp(target, "=socket:", 8) == 0;
        pipes += strncmp(target, "=pipe:", 6) == 0;
        epolls += strcmp(target, "=anon_inode:[eventpoll]") == 0;
    }
    assert_int_equal(high, 8);
    assert_int_equal(sockets, 3); /* listener, client, the way to the storekeeper */
    assert_int_equal(pipes, 4);   /* lifeline, wake, both ends of the pressure pipe */
    assert_int_equal(epolls, 1);  /* its own */
    client_close(&client);
    assert_int_equal(rig_stop(rig), 0);
}

static void a_worker_is_nobody_for_good(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE], expected[DUMMY_LINE_SIZE];
    if (geteuid() != 0)
        fail_msg("needs root");
    const struct passwd *nobody = getpwnam("nobody");
    unsigned uid = nobody->pw_uid, gid = nobody->pw_gid;
    rig_start(rig);
    struct client client = client_open(rig);
    client_say(&client, "who");
    assert_true(client_hear(&client, line));
    /* one group; no capability; no new privileges; no core; not dumpable; nothing blocked; HUP, INT, PIPE, USR2 and
     * TERM ignored */
    snprintf(expected, sizeof(expected), "%u/%u/%u %u/%u/%u 1 0 1 0 0 0 5803\n", uid, uid, uid, gid, gid, gid);
    assert_string_equal(line, expected);
    client_close(&client);
    assert_int_equal(rig_stop(rig), 0);
}

/* A terminal that is the master's would be typed into by whoever takes over a worker. */
static void a_worker_has_no_terminal_and_no_children(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    rig_start_on_terminal(rig);
    struct client client = client_open(rig);
    client_say(&client, "alone");
    assert_true(client_hear(&client, line));
    assert_string_equal(line, geteuid() == 0 ? "ok ok ok\n" : line);
    client_say(&client, "fds");
    assert_true(client_hear(&client, line));
    assert_non_null(strstr(line, "0=/dev/null "));
    assert_non_null(strstr(line, "1=/dev/null "));
    client_close(&client);
    assert_int_equal(rig_stop(rig), 0);
}

/* Two descriptors of one open file share its flags: each process must have its own. */
static void stderr_is_an_open_file_of_each_process(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    struct client client = client_open(rig);
    assert_int_not_equal(rig_same_file(rig->master, client.pid), 0);
    assert_int_not_equal(rig_same_file(rig->master, getpid()), 0);
    client_close(&client);
    assert_int_equal(rig_stop(rig), 0);
}

static void the_master_keeps_five_capabilities(void **state)
{
    struct rig *rig = *state;
    char path[64], line[256];
    int checked = 0;
    if (geteuid() != 0)
        fail_msg("needs root");
    rig_start(rig);
    snprintf(path, sizeof(path), "/proc/%d/status", (int)rig->master);
    FILE *status = fopen(path, "r");
    while (fgets(line, sizeof(line), status) != NULL) {
        if (strncmp(line, "CapPrm:", 7) != 0 && strncmp(line, "CapEff:", 7) != 0 && strncmp(line, "CapBnd:", 7) != 0)
            continue;
        /* DAC_READ_SEARCH 2, KILL 5, SETGID 6, SETUID 7, NET_BIND_SERVICE 10 */
        assert_int_equal(strtoull(line + 7, NULL, 16), 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10);
        checked++;
    }
    fclose(status);
    assert_int_equal(checked, 3);
    assert_int_equal(rig_stop(rig), 0);
}

/* -- the pool at work */

static void it_grows_to_the_maximum_and_shrinks_again(void **state)
{
    struct rig *rig = *state;
    struct client clients[8];
    rig_start(rig);
    for (int i = 0; i < 8; i++) {
        clients[i] = client_open(rig); /* greeted: somebody serves it */
        assert_true(rig_worker_count(rig) <= 8);
    }
    assert_true(rig_logs(rig, "event=full listener=mx max_workers=8"));
    assert_int_equal(rig_worker_count(rig), 8);
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < i; j++)
            assert_true(clients[i].pid != clients[j].pid && clients[i].slot != clients[j].slot);
        assert_in_range(clients[i].slot, 0, 7);
    }
    for (int i = 0; i < 8; i++)
        client_close(&clients[i]);
    assert_true(rig_has_workers(rig, 2, 4));
    assert_true(rig_logs(rig, "event=worker-retired"));
    assert_int_equal(rig_stop(rig), 0);
}

static void a_client_more_than_the_maximum_waits_its_turn(void **state)
{
    struct rig *rig = *state;
    struct client clients[8], late;
    char line[DUMMY_LINE_SIZE];
    rig_start(rig);
    for (int i = 0; i < 8; i++)
        clients[i] = client_open(rig);
    late.fd = rig_connect(rig); /* the backlog takes it */
    assert_true(late.fd >= 0);
    client_close(&clients[0]);
    assert_true(client_hear(&late, line));
    client_close(&late);
    for (int i = 1; i < 8; i++)
        client_close(&clients[i]);
    assert_int_equal(rig_stop(rig), 0);
}

static void a_crash_is_logged_once_and_replaced(void **state)
{
    struct rig *rig = *state;
    char expected[256], line[DUMMY_LINE_SIZE];
    rig_start(rig);
    struct client client = client_open(rig);
    client_say(&client, "crash");
    assert_false(client_hear(&client, line));
    client_close(&client);
    const char *logged = rig_line(rig, "event=worker-crashed");
    snprintf(expected, sizeof(expected),
             "event=worker-crashed listener=mx pid=%d slot=%d signal=SEGV number=11 session=\"s?\\\"x=\" "
             "phase=greeting client=192.0.2.77\n",
             client.pid, client.slot);
    assert_memory_equal(strstr(logged, "event="), expected, strlen(expected));
    assert_true(rig_has_workers(rig, 2, 4));
    struct client next = client_open(rig);
    client_close(&next);
    assert_int_equal(rig_stop(rig), 0);
    assert_int_equal(rig_count(rig, "event=worker-crashed"), 1);
}

static void every_exit_status_has_its_line(void **state)
{
    struct rig *rig = *state;
    static const struct {
        const char *command, *event;
    } rows[] = {
        {"exit 0", "event=worker-retired"}, {"exit 10", "event=worker-deserted"}, {"exit 11", "event=worker-short"},
        {"exit 12", "event=worker-broken"}, {"exit 1", "event=worker-crashed"},
    };
    rig_start(rig);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client client = client_open(rig);
        client_say(&client, rows[i].command);
        assert_true(rig_logs(rig, rows[i].event));
        client_close(&client);
    }
    assert_int_equal(rig_stop(rig), 0);
}

static void a_client_who_kills_workers_does_not_close_the_house(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    rig_start(rig);
    for (int i = 0; i < 10; i++) {
        struct client client = client_open(rig);
        client_say(&client, "crash");
        assert_false(client_hear(&client, line));
        client_close(&client);
    }
    assert_int_equal(rig_stop(rig), 0);
    assert_int_equal(rig_count(rig, "event=worker-crashed"), 10);
    assert_null(strstr(rig->log, "event=backing-off"));
}

/* Broken from the start: tried again ever more slowly, loudly, and the master stays. */
static void broken_workers_are_tried_ever_more_slowly(void **state)
{
    struct rig *rig = *state;
    rig->dummy.exit_at_once = WORKER_BROKEN;
    rig_start(rig);
    const char *first = rig_line(rig, "retry_ms=250");
    const char *second = rig_line(rig, "retry_ms=500");
    const char *third = rig_line(rig, "retry_ms=1000");
    assert_true(first < second && second < third);
    assert_non_null(strstr(first, "event=backing-off listener=mx failures="));
    assert_in_range(rig_count(rig, "event=worker-broken"), 3, 6);
    assert_int_equal(rig_stop(rig), 0);
}

static void a_listener_that_was_shut_down_comes_back(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    rig_start(rig);
    struct client client = client_open(rig);
    client_say(&client, "shutdown");
    assert_true(client_hear(&client, line));
    assert_true(rig_logs(rig, "event=listener-closed listener=mx addresses=1"));
    struct client next = client_open(rig);
    client_close(&next);
    client_close(&client);
    assert_int_equal(rig_stop(rig), 0);
}

static void a_full_house_is_said_once(void **state)
{
    struct rig *rig = *state;
    struct client clients[8];
    rig_start(rig);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 8; i++)
            clients[i] = client_open(rig);
        assert_true(rig_logs(rig, "event=full listener=mx max_workers=8"));
        for (int i = 0; i < 8; i++)
            client_close(&clients[i]);
    }
    assert_int_equal(rig_stop(rig), 0);
    assert_int_equal(rig_count(rig, "event=full"), 1);
}

/* -- stopping */

/* As a supervisor stops a service: the session goes on as if the master alone had heard it. */
static void a_term_to_all_cuts_nobody(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    pid_t workers[64];
    rig_start(rig);
    struct client client = client_open(rig);
    int count = rig_workers(rig, workers, 64);
    for (int i = 0; i < count; i++)
        kill(workers[i], SIGTERM);
    kill(rig->master, SIGTERM);
    assert_true(rig_logs(rig, "to=draining"));
    client_say(&client, "echo");
    assert_true(client_hear(&client, line));
    client_close(&client);
    assert_int_equal(rig_wait(rig), 0);
    assert_null(strstr(rig->log, "worker-cut"));
    assert_null(strstr(rig->log, "worker-crashed"));
}

static void a_kill_from_outside_while_stopping_is_no_crash(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    struct client client = client_open(rig);
    kill(rig->master, SIGTERM);
    assert_true(rig_logs(rig, "to=draining"));
    kill(client.pid, SIGKILL);
    assert_int_equal(rig_wait(rig), 0);
    assert_int_equal(rig_count(rig, "event=worker-cut"), 1);
    assert_null(strstr(rig->log, "worker-crashed"));
    client_close(&client);
}

static void the_next_master_starts_while_one_drains(void **state)
{
    struct rig *rig = *state, next = *rig;
    rig_start(rig);
    struct client client = client_open(rig);
    kill(rig->master, SIGTERM);
    assert_true(rig_logs(rig, "to=draining"));
    next.log = calloc(1, RIG_LOG_SIZE);
    next.log_size = 0;
    rig_start(&next);
    struct client other = client_open(&next);
    client_close(&other);
    shutdown(client.fd, SHUT_RDWR); /* the next master inherited a copy */
    client_close(&client);
    assert_int_equal(rig_wait(rig), 0);
    assert_int_equal(access(rig->pid_path, F_OK), 0); /* the next one's is left alone */
    assert_int_equal(rig_stop(&next), 0);
    close(next.log_fd);
    free(next.log);
}

static void a_busy_worker_finishes_before_the_master_ends(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    rig_start(rig);
    struct client client = client_open(rig);
    kill(rig->master, SIGTERM);
    assert_true(rig_logs(rig, "event=stop from=serving to=draining"));
    assert_true(rig_has_workers(rig, 1, 1));
    assert_int_equal(rig_connect(rig), -1);
    client_say(&client, "echo");
    assert_true(client_hear(&client, line));
    assert_string_equal(line, "echo\n");
    client_close(&client);
    assert_int_equal(rig_wait(rig), 0);
    assert_null(strstr(rig->log, "worker-cut"));
}

static void a_second_term_cuts(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    rig_start(rig);
    struct client meek = client_open(rig), stubborn = client_open(rig);
    client_say(&stubborn, "stubborn");
    assert_true(client_hear(&stubborn, line));
    kill(rig->master, SIGTERM);
    assert_true(rig_logs(rig, "to=draining"));
    assert_true(rig_has_workers(rig, 2, 2)); /* the idle ones are gone */
    kill(rig->master, SIGINT);
    assert_int_equal(rig_wait(rig), 0);
    assert_non_null(strstr(rig->log, "signal=USR1"));
    assert_non_null(strstr(rig->log, "signal=KILL"));
    assert_int_equal(rig_count(rig, "event=worker-cut"), 2);
    assert_null(strstr(rig->log, "worker-crashed"));
    client_close(&meek);
    client_close(&stubborn);
}

static void the_drain_timeout_cuts(void **state)
{
    struct rig *rig = *state;
    rig->process.drain_timeout_ms = 500; /* time for the idle ones to go */
    rig_start(rig);
    struct client client = client_open(rig);
    assert_int_equal(rig_stop(rig), 0);
    assert_non_null(strstr(rig->log, "event=stop from=draining to=terminating workers=1"));
    client_close(&client);
}

/* -- a hostile worker */

/* A process that nobody may signal: it blocks all that can be blocked, so that one that came is pending. */
static pid_t canary_start(void)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    sigset_t all;
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves it behind */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    for (;;)
        pause();
}

static bool canary_was_left_alone(pid_t pid)
{
    char path[64], line[256];
    unsigned long long pending = 0;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
    FILE *status = fopen(path, "r");
    if (status == NULL)
        return false;
    while (fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "SigPnd:", 7) == 0 || strncmp(line, "ShdPnd:", 7) == 0)
            pending |= strtoull(line + 7, NULL, 16);
    fclose(status);
    int result;
    bool alive = waitpid(pid, &result, WNOHANG) == 0;
    kill(pid, SIGKILL);
    waitpid(pid, &result, 0);
    return alive && pending == 0;
}

static void a_scribbler_harms_nobody_but_its_service(void **state)
{
    struct rig *rig = *state;
    pid_t canary = canary_start();
    assert_true(canary > 0);
    rig_start(rig);
    struct client scribbler = client_open(rig);
    client_say(&scribbler, "scribble");
    for (int i = 0; i < SCRIBBLE_ROUNDS; i++) {
        struct client client = client_open(rig);
        assert_true(client.pid != scribbler.pid);
        assert_true(rig_worker_count(rig) <= 8);
        if (i % 20 == 0)
            client_say(&client, "crash"); /* a slot read by the master right after it was scribbled on */
        client_close(&client);
        rig_read_log(rig, 0);
    }
    kill(scribbler.pid, SIGKILL); /* its slot, full of nonsense, is what the master reads now */
    assert_true(rig_logs(rig, "signal=KILL"));
    assert_true(rig_has_workers(rig, 2, 8));
    struct client after = client_open(rig);
    client_close(&after);
    assert_int_equal(rig_stop(rig), 0);
    assert_true(canary_was_left_alone(canary));
    for (const char *c = rig->log; *c != '\0'; c++)
        assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(it_starts_serves_and_stops),
        WITH_RIG(another_one_can_bind_at_once),
        WITH_RIG(a_taken_address_is_said_and_fatal),
        WITH_RIG(an_unknown_user_is_said_and_fatal),
        WITH_RIG(workers_are_never_root),
        WITH_RIG(the_pid_file_names_the_master_and_is_locked),
        WITH_RIG(a_pid_file_of_someone_else_is_left_alone),
        WITH_RIG(a_pid_file_in_the_directory_of_someone_else_is_refused),
        WITH_RIG(a_worker_holds_only_what_it_needs),
        WITH_RIG(a_worker_is_nobody_for_good),
        WITH_RIG(a_worker_has_no_terminal_and_no_children),
        WITH_RIG(stderr_is_an_open_file_of_each_process),
        WITH_RIG(the_master_keeps_five_capabilities),
        WITH_RIG(it_grows_to_the_maximum_and_shrinks_again),
        WITH_RIG(a_client_more_than_the_maximum_waits_its_turn),
        WITH_RIG(a_crash_is_logged_once_and_replaced),
        WITH_RIG(every_exit_status_has_its_line),
        WITH_RIG(a_client_who_kills_workers_does_not_close_the_house),
        WITH_RIG(broken_workers_are_tried_ever_more_slowly),
        WITH_RIG(a_listener_that_was_shut_down_comes_back),
        WITH_RIG(a_full_house_is_said_once),
        WITH_RIG(a_term_to_all_cuts_nobody),
        WITH_RIG(a_kill_from_outside_while_stopping_is_no_crash),
        WITH_RIG(the_next_master_starts_while_one_drains),
        WITH_RIG(a_busy_worker_finishes_before_the_master_ends),
        WITH_RIG(a_second_term_cuts),
        WITH_RIG(the_drain_timeout_cuts),
        WITH_RIG(a_scribbler_harms_nobody_but_its_service),
    };
    return cmocka_run_group_tests_name("master", tests, NULL, NULL);
}
