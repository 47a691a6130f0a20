/* SPDX-License-Identifier: ISC
 *
 * succession: a real master with dummy workers, whose configuration changes while it serves: who is served by whom,
 * which address is whose, how earlier generations end, and that nothing grows. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/reload_rig.h"

enum { MANY_RELOADS = 200, SOME_RELOADS = 30 };

/* -- the change */

static void sessions_go_on_and_new_ones_are_served_by_others(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    struct client old = client_open(rig);
    reload(rig);
    echo(&old);
    for (int i = 0; i < 10; i++) {
        struct client next = client_of(rig, 2);
        assert_int_not_equal(next.pid, old.pid);
        client_close(&next);
    }
    assert_int_equal(rig->wanted->plans, 2); /* the old one's is kept for it */
    echo(&old);
    client_close(&old);
    assert_true(is_gone(old.pid));
    wait_for_plans(rig, 1);
    assert_true(rig_logs(rig, "event=worker-left listener=mx"));
    assert_int_equal(rig_stop(rig), 0);
    assert_null(strstr(rig->log, "worker-cut"));
    assert_null(strstr(rig->log, "worker-crashed"));
    assert_null(strstr(rig->log, "worker-deserted"));
}

static void nobody_is_refused_however_often_it_is_done(void **state)
{
    struct rig *rig = *state;
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    rig_start(rig);
    /* On, until some reloads are over, however slow the machine is. */
    for (int i = 0; i < 300 || (rig_count(rig, DONE) <= 5 && clock_ms() < deadline); i++) {
        if (i % 5 == 0)
            kill(rig->master, SIGHUP);
        struct client client = client_open(rig); /* greeted */
        echo(&client);
        client_close(&client);
        rig_read_log(rig, 0);
    }
    assert_int_equal(rig_stop(rig), 0);
    assert_true(rig_count(rig, DONE) > 5);
    assert_null(strstr(rig->log, REFUSED));
    assert_null(strstr(rig->log, "worker-crashed"));
    assert_int_equal(rig->wanted->plans, 0);
}

/* -- listeners and pools */

static void listeners_come_and_go(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    struct wanted *wanted = rig->wanted;
    struct endpoint second = another_address();
    assert_int_equal(rig_connect_to(second.port), -1);
    wanted->listeners[1] = (struct wanted_listener){"more", second, rig->pool, rig->dummy};
    wanted->listener_count = 2;
    reload(rig);
    struct client here = client_open(rig), there = client_open_at(second.port);
    wanted->listeners[0] = wanted->listeners[1];
    wanted->listener_count = 1;
    reload(rig);
    assert_int_equal(rig_connect(rig), -1); /* although a worker of it is busy */
    struct client next = client_open_at(second.port);
    echo(&here);
    echo(&there);
    client_close(&here);
    client_close(&there);
    client_close(&next);
    assert_int_equal(rig_stop(rig), 0);
    assert_null(strstr(rig->log, "event=accept-failed"));
    assert_null(strstr(rig->log, "worker-crashed"));
}

/* Connections that nobody could accept yet are not lost with the listener's name. */
static void an_address_keeps_its_connections_whoever_has_it(void **state)
{
    struct rig *rig = *state;
    rig->pool = (struct pool_options){.min_spare = 1, .max_spare = 2, .max_workers = 2};
    rig_start(rig);
    struct wanted *wanted = rig->wanted;
    struct client first = client_open(rig), second = client_open(rig), waiting[8];
    char line[DUMMY_LINE_SIZE];
    for (int i = 0; i < 8; i++)
        waiting[i].fd = rig_connect(rig); /* in the backlog: both workers are busy */
    wanted->listeners[1] = wanted->listeners[0];
    wanted->listeners[0] = (struct wanted_listener){"new", another_address(), rig->pool, rig->dummy};
    snprintf(wanted->listeners[1].name, sizeof(wanted->listeners[1].name), "moved");
    wanted->listener_count = 2;
    wanted->listeners[1].pool.max_workers = 12;
    reload(rig);
    for (int i = 0; i < 8; i++) {
        assert_true(client_hear(&waiting[i], line));
        close(waiting[i].fd);
    }
    client_close(&first);
    client_close(&second);
    assert_int_equal(rig_stop(rig), 0);
}

static void an_address_that_is_taken_refuses_the_reload(void **state)
{
    struct rig *rig = *state;
    struct endpoint taken = another_address();
    rig_start(rig);
    int fd = net_listen(&taken, 1); /* not before: the master would have a copy */
    rig->wanted->listeners[1] = (struct wanted_listener){"more", taken, rig->pool, rig->dummy};
    rig->wanted->listener_count = 2;
    reload_in_vain(rig, "listener more: cannot listen on 127.0.0.1:");
    struct client client = client_open(rig);
    client_close(&client);
    close(fd);
    reload(rig);
    assert_int_equal(rig_stop(rig), 0);
}

static void the_wildcard_of_ones_own_is_named(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    rig->wanted->listeners[0].address.address.bytes[0] = 0;
    rig->wanted->listeners[0].address.address.bytes[3] = 0;
    reload_in_vain(rig, "while this gate still listens on 127.0.0.1:");
    assert_int_equal(rig_stop(rig), 0);
}

static void the_pool_has_its_new_size(void **state)
{
    struct rig *rig = *state;
    struct client clients[12];
    rig_start(rig);
    rig->wanted->listeners[0].pool = (struct pool_options){.min_spare = 1, .max_spare = 2, .max_workers = 12};
    reload(rig);
    for (int i = 0; i < 12; i++)
        clients[i] = client_of(rig, 2);
    assert_true(rig_logs(rig, "event=full listener=mx max_workers=12"));
    rig->wanted->listeners[0].pool = (struct pool_options){.min_spare = 1, .max_spare = 2, .max_workers = 2};
    reload(rig);
    assert_true(rig_has_workers(rig, 13, 14)); /* twelve busy ones, and the new pool */
    for (int i = 0; i < 12; i++) {
        echo(&clients[i]);
        client_close(&clients[i]);
    }
    assert_true(rig_has_workers(rig, 1, 2));
    assert_int_equal(rig_stop(rig), 0);
}

static void other_servers_are_remembered_anew(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    rig_start(rig);
    struct client client = client_open(rig);
    client_say(&client, "remember");
    assert_true(client_hear(&client, line));
    reload(rig);
    client_say(&client, "remembered");
    assert_true(client_hear(&client, line));
    assert_string_equal(line, "yes\n");
    rig->wanted->server.address.port++;
    reload(rig);
    client_say(&client, "remembered");
    assert_true(client_hear(&client, line));
    assert_string_equal(line, "no\n");
    client_close(&client);
    assert_int_equal(rig_stop(rig), 0);
}

/* -- time limits, and the end */

static bool was_cut_by(struct rig *rig, pid_t pid, const char *signal_name)
{
    char head[64], tail[32];
    snprintf(head, sizeof(head), "event=worker-cut listener=mx pid=%d ", (int)pid);
    snprintf(tail, sizeof(tail), " signal=%s ", signal_name);
    if (!rig_logs(rig, head))
        return false;
    const char *line = strstr(rig->log, head), *found = strstr(line, tail), *end = strchr(line, '\n');
    return found != NULL && (end == NULL || found < end);
}

static void the_retire_timeout_cuts(void **state)
{
    struct rig *rig = *state;
    char line[DUMMY_LINE_SIZE];
    rig_start(rig);
    struct client meek = client_open(rig), stubborn = client_open(rig);
    client_say(&stubborn, "stubborn");
    assert_true(client_hear(&stubborn, line));
    rig->wanted->process.retire_timeout_ms = 50;
    reload(rig);
    assert_true(rig_logs(rig, "event=retired generation=1 workers="));
    assert_true(is_gone(meek.pid) && is_gone(stubborn.pid));
    struct client next = client_open(rig);
    assert_true(was_cut_by(rig, meek.pid, "USR1") && was_cut_by(rig, stubborn.pid, "KILL"));
    echo(&next);
    client_close(&next);
    client_close(&meek);
    client_close(&stubborn);
    wait_for_plans(rig, 1);
    assert_int_equal(rig_stop(rig), 0);
    assert_null(strstr(rig->log, "worker-crashed"));
}

/* A session of its own only where there is a terminal to be left. */
static void a_worker_has_a_group_of_its_own(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    struct client client = client_open(rig);
    int terminal = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    assert_int_equal(getpgid(client.pid), client.pid);
    assert_int_equal(getsid(client.pid), terminal >= 0 || errno != ENXIO ? client.pid : getsid(rig->master));
    if (terminal >= 0)
        close(terminal);
    client_close(&client);
    assert_int_equal(rig_stop(rig), 0);
}

static void all_generations_drain_at_the_stop(void **state)
{
    struct rig *rig = *state;
    struct client clients[3];
    rig_start(rig);
    for (int i = 0; i < 3; i++) {
        clients[i] = client_of(rig, i + 1);
        reload(rig);
    }
    kill(rig->master, SIGTERM);
    assert_true(rig_logs(rig, "event=stop from=serving to=draining"));
    for (int i = 0; i < 3; i++) {
        echo(&clients[i]);
        client_close(&clients[i]);
    }
    assert_int_equal(rig_wait(rig), 0);
    assert_null(strstr(rig->log, "worker-cut"));
    assert_int_equal(rig->wanted->plans, 0);
}

/* Each is kept by a session; then the next reload waits until one of them is gone. */
static void so_many_generations_and_no_more(void **state)
{
    struct rig *rig = *state;
    struct client clients[SUCCESSION_DRAINING_MAX];
    rig_start(rig);
    for (int i = 0; i < SUCCESSION_DRAINING_MAX; i++) {
        clients[i] = client_of(rig, i + 1);
        reload(rig);
    }
    for (int i = 0; i < 3; i++) {
        kill(rig->master, SIGHUP);
        usleep(20000);
    }
    assert_true(logs_times(rig, "event=reload state=waits by=signal", 1));
    struct client client = client_open(rig);
    client_close(&client);
    assert_int_equal(rig_count(rig, DONE), SUCCESSION_DRAINING_MAX);
    client_close(&clients[5]);
    assert_true(logs_times(rig, DONE, SUCCESSION_DRAINING_MAX + 1));
    for (int i = 0; i < SUCCESSION_DRAINING_MAX; i++) {
        if (i == 5)
            continue;
        echo(&clients[i]);
        client_close(&clients[i]);
    }
    wait_for_plans(rig, 1);
    assert_int_equal(rig_stop(rig), 0);
}

/* -- what must not grow, and who must not matter */

static int count_descriptors(const struct rig *rig)
{
    char path[64];
    int count = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", (int)rig->master);
    DIR *directory = opendir(path);
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static long data_kib(const struct rig *rig)
{
    char path[64], line[256];
    long kib = -1;
    snprintf(path, sizeof(path), "/proc/%d/status", (int)rig->master);
    FILE *status = fopen(path, "r");
    assert_non_null(status);
    while (fgets(line, sizeof(line), status) != NULL)
        if (strncmp(line, "VmData:", 7) == 0)
            kib = strtol(line + 7, NULL, 10);
    fclose(status);
    return kib;
}

/* A sanitizer keeps what was freed. */
#ifdef __SANITIZE_ADDRESS__
static const long GROWTH_KIB = 64 * 1024;
#else
static const long GROWTH_KIB = 0;
#endif

static void nothing_grows(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    for (int i = 0; i < SOME_RELOADS; i++)
        reload(rig);
    wait_for_plans(rig, 1);
    int descriptors = count_descriptors(rig);
    long kib = data_kib(rig);
    for (int i = SOME_RELOADS; i < MANY_RELOADS; i++) {
        rig->wanted->how = i % 10 == 0 ? WANTED_BAD_IN_MASTER : WANTED_GOOD;
        if (i % 10 == 0)
            reload_in_vain(rig, REFUSED);
        else
            reload(rig);
    }
    wait_for_plans(rig, 1);
    assert_true(rig_has_workers(rig, 2, 4));
    assert_int_equal(count_descriptors(rig), descriptors);
    assert_in_range(data_kib(rig), 0, (unsigned long)(kib + GROWTH_KIB));
    assert_int_equal(rig_stop(rig), 0);
}

static void a_scribbler_does_not_disturb_reloads(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    struct client scribbler = client_open(rig);
    client_say(&scribbler, "scribble");
    for (int i = 0; i < SOME_RELOADS; i++) {
        reload(rig);
        struct client client = client_open(rig);
        assert_int_not_equal(client.pid, scribbler.pid);
        assert_true(rig_worker_count(rig) <= 32);
        client_close(&client);
    }
    kill(scribbler.pid, SIGKILL);
    assert_true(is_gone(scribbler.pid));
    assert_int_equal(rig_stop(rig), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(sessions_go_on_and_new_ones_are_served_by_others),
        WITH_RIG(nobody_is_refused_however_often_it_is_done),
        WITH_RIG(listeners_come_and_go),
        WITH_RIG(an_address_keeps_its_connections_whoever_has_it),
        WITH_RIG(an_address_that_is_taken_refuses_the_reload),
        WITH_RIG(the_wildcard_of_ones_own_is_named),
        WITH_RIG(the_pool_has_its_new_size),
        WITH_RIG(other_servers_are_remembered_anew),
        WITH_RIG(the_retire_timeout_cuts),
        WITH_RIG(a_worker_has_a_group_of_its_own),
        WITH_RIG(all_generations_drain_at_the_stop),
        WITH_RIG(so_many_generations_and_no_more),
        WITH_RIG(nothing_grows),
        WITH_RIG(a_scribbler_does_not_disturb_reloads),
    };
    return cmocka_run_group_tests_name("succession", tests, NULL, NULL);
}
