/* SPDX-License-Identifier: ISC
 *
 * reload: a real master with dummy workers, whose configuration changes while it serves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>

#include "daemon/succession.h"

#include "tests/unit/master_rig.h"

enum { MANY_RELOADS = 200, SOME_RELOADS = 30 };

/* -- helpers */

static bool logs_times(struct rig *rig, const char *text, int count)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (rig_count(rig, text) < count && clock_ms() < deadline)
        rig_read_log(rig, RIG_POLL_MS);
    return rig_count(rig, text) == count;
}

static const char DONE[] = "event=reload state=done", REFUSED[] = "event=reload state=refused",
                  BEGUN[] = "event=reload state=begun";

static bool is_gone(pid_t pid)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (kill(pid, 0) == 0 && clock_ms() < deadline)
        usleep(RIG_POLL_MS * 1000);
    return kill(pid, 0) != 0;
}

static void reload(struct rig *rig)
{
    rig_read_log(rig, 0);
    int before = rig_count(rig, DONE);
    assert_int_equal(kill(rig->master, SIGHUP), 0);
    assert_true(logs_times(rig, DONE, before + 1));
}

/* Who waits is woken by the end of its lifeline, or by one client more: so a client may still meet the generation
 * before. */
static struct client client_of(struct rig *rig, int generation)
{
    struct client client = client_open(rig);
    for (int i = 0; i < 100 && client.generation != generation; i++) {
        assert_in_range(client.generation, 1, generation - 1);
        client_close(&client);
        client = client_open(rig);
    }
    assert_int_equal(client.generation, generation);
    return client;
}

static void reload_in_vain(struct rig *rig, const char *why)
{
    int before = rig_count(rig, REFUSED);
    assert_int_equal(kill(rig->master, SIGHUP), 0);
    assert_true(logs_times(rig, REFUSED, before + 1));
    assert_non_null(strstr(rig->log, why));
}

static void wait_for_plans(const struct rig *rig, int count)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (rig->wanted->plans != count && clock_ms() < deadline)
        usleep(RIG_POLL_MS * 1000);
    assert_int_equal(rig->wanted->plans, count);
}

static void echo(const struct client *client)
{
    char line[DUMMY_LINE_SIZE];
    client_say(client, "echo");
    assert_true(client_hear(client, line));
    assert_string_equal(line, "echo\n");
}

static pid_t child_named(const struct rig *rig, const char *name)
{
    int64_t deadline = clock_deadline(RIG_PATIENCE_MS);
    while (clock_ms() < deadline) {
        pid_t all[256];
        int found = rig_children(rig, all, 256);
        for (int i = 0; i < found; i++)
            if (rig_is_named(all[i], name))
                return all[i];
        usleep(RIG_POLL_MS * 1000);
    }
    return 0;
}

static struct endpoint another_address(void)
{
    return (struct endpoint){
        .kind = ENDPOINT_IP, .address = {.family = 4, .bytes = {127, 0, 0, 1}}, .port = rig_free_port()};
}

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
    rig_start(rig);
    for (int i = 0; i < 300; i++) {
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

static void what_is_wrong_is_said_and_nothing_changes(void **state)
{
    struct rig *rig = *state;
    pid_t before[64], after[64];
    rig_start(rig);
    assert_true(rig_has_workers(rig, 2, 2));
    rig_workers(rig, before, 64);
    static const enum wanted_how ways[] = {WANTED_BAD, WANTED_BAD_IN_MASTER};
    for (int i = 0; i < 2; i++) {
        rig->wanted->how = ways[i];
        reload_in_vain(rig, "state=refused by=signal why=\"test.conf:7: listener mx: something is wrong\"");
    }
    assert_int_equal(rig_workers(rig, after, 64), 2);
    assert_memory_equal(before, after, 2 * sizeof(pid_t));
    assert_int_equal(rig->wanted->plans, 1);
    rig->wanted->how = WANTED_GOOD;
    reload(rig);
    assert_int_equal(rig_stop(rig), 0);
    assert_int_equal(rig->wanted->plans, 0);
}

static void a_check_that_crashes_is_a_refusal(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    rig->wanted->how = WANTED_CRASHES;
    reload_in_vain(rig, "the check was ended by signal 9");
    struct client client = client_open(rig);
    client_close(&client);
    assert_int_equal(rig_stop(rig), 0);
}

static void a_check_that_is_killed_is_a_refusal(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    rig->wanted->how = WANTED_HANGS;
    kill(rig->master, SIGHUP);
    pid_t check = child_named(rig, RELOAD_CHILD_NAME);
    assert_true(check > 0);
    struct client client = client_open(rig); /* served meanwhile */
    client_close(&client);
    kill(check, SIGKILL);
    assert_true(rig_logs(rig, "the check was ended by signal 9"));
    rig->wanted->how = WANTED_GOOD;
    reload(rig);
    assert_int_equal(rig_stop(rig), 0);
}

static void wishes_during_a_reload_are_one_more(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    rig->wanted->slow_ms = 500;
    kill(rig->master, SIGHUP);
    assert_true(logs_times(rig, BEGUN, 1));
    for (int i = 0; i < 10; i++) {
        kill(rig->master, SIGHUP);
        usleep(10000);
    }
    assert_int_equal(rig_count(rig, DONE), 0);
    assert_true(logs_times(rig, DONE, 2));
    usleep(700000);
    rig_read_log(rig, 0);
    assert_int_equal(rig_count(rig, BEGUN), 2);
    assert_int_equal(rig->wanted->makes, 4); /* each in the child and in the master */
    assert_int_equal(rig_stop(rig), 0);
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
    assert_true(logs_times(rig, "event=worker-cut", 2));
    echo(&next);
    client_close(&next);
    client_close(&meek);
    client_close(&stubborn);
    wait_for_plans(rig, 1);
    assert_int_equal(rig_stop(rig), 0);
    assert_null(strstr(rig->log, "worker-crashed"));
}

static void a_hup_during_the_stop_changes_nothing(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    struct client client = client_open(rig);
    kill(rig->master, SIGTERM);
    assert_true(rig_logs(rig, "to=draining"));
    kill(rig->master, SIGHUP);
    echo(&client);
    client_close(&client);
    assert_int_equal(rig_wait(rig), 0);
    assert_null(strstr(rig->log, BEGUN));
}

static void a_stop_during_a_reload_ends_both(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    rig->wanted->how = WANTED_HANGS;
    kill(rig->master, SIGHUP);
    pid_t check = child_named(rig, RELOAD_CHILD_NAME);
    assert_true(check > 0);
    assert_int_equal(rig_stop(rig), 0);
    assert_true(is_gone(check));
}

static void the_check_dies_with_the_master(void **state)
{
    struct rig *rig = *state;
    rig_start(rig);
    rig->wanted->how = WANTED_HANGS;
    kill(rig->master, SIGHUP);
    pid_t check = child_named(rig, RELOAD_CHILD_NAME);
    assert_true(check > 0);
    kill(rig->master, SIGKILL);
    assert_int_equal(rig_wait(rig), -1);
    assert_true(is_gone(check));
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

/* -- the unit alone: what takes too long for a test is only a number here */

static struct plan *hang(const struct planner *planner, char *why, size_t why_size)
{
    (void)planner, (void)why, (void)why_size;
    while (pause() != 0)
        ;
    return NULL;
}

static struct plan *hang_renewing(const struct planner *planner, const struct plan *old, char *why, size_t why_size)
{
    (void)old;
    return hang(planner, why, why_size);
}

static const struct planner HANGING = {.make = hang, .renew = hang_renewing};

static void a_check_that_hangs_is_ended(void **state)
{
    (void)state;
    struct reload reload;
    int status;
    reload_open(&reload, &HANGING);
    reload_ask(&reload, RELOAD_BY_SIGNAL);
    assert_int_equal(reload_look(&reload, NULL, true, 1000), 1000 + RELOAD_CHECK_MS);
    pid_t check = reload.child;
    assert_true(check > 0);
    reload_look(&reload, NULL, true, 1000 + RELOAD_CHECK_MS - 1);
    assert_int_equal(reload_take_news(&reload), RELOAD_NOTHING);
    reload_ask(&reload, RELOAD_BY_SIGNAL);
    reload_look(&reload, NULL, true, 1000 + RELOAD_CHECK_MS);
    assert_int_equal(reload_take_news(&reload), RELOAD_BAD);
    assert_string_equal(reload.why, "the check took longer than 30 seconds");
    reload_over(&reload, 1, reload.why);
    reload_look(&reload, NULL, true, 2000 + RELOAD_CHECK_MS); /* not before the first is gone */
    assert_int_equal(reload.child, 0);
    assert_int_equal(waitpid(check, &status, 0), check);
    assert_true(reload_reaped(&reload, check, status));
    reload_look(&reload, NULL, true, 3000 + RELOAD_CHECK_MS);
    assert_true(reload.child > 0);
    check = reload.child;
    reload_stop(&reload);
    assert_int_equal(waitpid(check, &status, 0), check);
    assert_true(reload_reaped(&reload, check, status));
}

/* Whatever the housekeeper asks for. */
static void renewals_are_rare(void **state)
{
    (void)state;
    struct reload reload;
    int status;
    reload_open(&reload, &HANGING);
    reload_ask(&reload, RELOAD_BY_FILE);
    reload_look(&reload, NULL, true, 1000);
    pid_t check = reload.child;
    assert_true(check > 0);
    assert_true(reload.running.renewal);
    kill(check, SIGKILL);
    waitpid(check, &status, 0);
    assert_true(reload_reaped(&reload, check, status));
    assert_int_equal(reload_take_news(&reload), RELOAD_BAD);
    reload_over(&reload, 1, reload.why);
    reload_ask(&reload, RELOAD_BY_FILE);
    assert_int_equal(reload_look(&reload, NULL, true, 1001), 1000 + RELOAD_RENEW_PAUSE_MS);
    assert_int_equal(reload.child, 0);
    reload_ask(&reload, RELOAD_BY_CONTROL); /* the administrator does not wait, and wants more */
    reload_look(&reload, NULL, true, 1002);
    assert_true(reload.child > 0 && !reload.running.renewal && reload.running.by == RELOAD_BY_CONTROL);
    check = reload.child;
    reload_ask(&reload, RELOAD_BY_CONTROL);
    kill(check, SIGKILL);
    waitpid(check, &status, 0);
    reload_reaped(&reload, check, status);
    assert_false(reload_over(&reload, 1, reload.why)); /* somebody waits for the next one's end */
}

#define WITH_RIG(test) cmocka_unit_test_setup_teardown(test, rig_set_up, rig_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(sessions_go_on_and_new_ones_are_served_by_others),
        WITH_RIG(nobody_is_refused_however_often_it_is_done),
        WITH_RIG(what_is_wrong_is_said_and_nothing_changes),
        WITH_RIG(a_check_that_crashes_is_a_refusal),
        WITH_RIG(a_check_that_is_killed_is_a_refusal),
        WITH_RIG(wishes_during_a_reload_are_one_more),
        WITH_RIG(listeners_come_and_go),
        WITH_RIG(an_address_keeps_its_connections_whoever_has_it),
        WITH_RIG(an_address_that_is_taken_refuses_the_reload),
        WITH_RIG(the_wildcard_of_ones_own_is_named),
        WITH_RIG(the_pool_has_its_new_size),
        WITH_RIG(other_servers_are_remembered_anew),
        WITH_RIG(the_retire_timeout_cuts),
        WITH_RIG(a_hup_during_the_stop_changes_nothing),
        WITH_RIG(a_stop_during_a_reload_ends_both),
        WITH_RIG(the_check_dies_with_the_master),
        WITH_RIG(all_generations_drain_at_the_stop),
        WITH_RIG(so_many_generations_and_no_more),
        WITH_RIG(nothing_grows),
        WITH_RIG(a_scribbler_does_not_disturb_reloads),
        cmocka_unit_test(a_check_that_hangs_is_ended),
        cmocka_unit_test(renewals_are_rare),
    };
    return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
