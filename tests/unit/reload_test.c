/* SPDX-License-Identifier: ISC
 *
 * reload: what is wrong is said and changes nothing; checks that crash, hang and are killed; many wishes; the stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

#include "daemon/control.h"
#include "daemon/watch.h"

#include "tests/unit/reload_rig.h"

/* -- in a real master */

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

/* -- who asks at the control socket */

static int say_to_control(const struct rig *rig, const char *request)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", rig->process.control_socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(write(fd, request, strlen(request)), strlen(request));
    return fd;
}

/* Does its answer begin like that, within the time? */
static bool answers(int fd, const char *words, int64_t wait_ms)
{
    char text[256];
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    if (clock_poll(&wanted, 1, clock_deadline(wait_ms)) <= 0)
        return false;
    ssize_t size = read(fd, text, sizeof(text));
    close(fd);
    return size >= (ssize_t)strlen(words) && memcmp(text, words, strlen(words)) == 0;
}

/* A reload may have to wait for hours, and each posternctl gives up after a minute. */
static void who_gave_up_waiting_takes_no_place(void **state)
{
    struct rig *rig = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/control", rig->directory);
    rig->process.control_socket = path;
    rig_start(rig);
    rig->wanted->how = WANTED_HANGS;
    for (int i = 0; i < 2 * CONTROL_CONNECTIONS_MAX; i++)
        close(say_to_control(rig, "reload\n"));
    int patient = say_to_control(rig, "reload\n");
    shutdown(patient, SHUT_WR); /* has no more to say, and is there */
    assert_true(answers(say_to_control(rig, "version\n"), "version ", 5000));
    assert_false(answers(patient, "", 200));
    assert_int_equal(rig_stop(rig), 0);
    assert_true(answers(patient, "error why=\"posternd is stopping\"", 5000));
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
    static const struct plan plan = {.watched_mark = 1}; /* always another */
    struct reload reload;
    int status;
    reload_open(&reload, &HANGING);
    reload_ask(&reload, RELOAD_BY_FILE);
    reload_look(&reload, &plan, true, 1000);
    pid_t check = reload.child;
    assert_true(check > 0);
    assert_true(reload.running.renewal);
    kill(check, SIGKILL);
    waitpid(check, &status, 0);
    assert_true(reload_reaped(&reload, check, status));
    assert_int_equal(reload_take_news(&reload), RELOAD_BAD);
    reload_over(&reload, 1, NULL);
    reload_ask(&reload, RELOAD_BY_FILE);
    assert_int_equal(reload_look(&reload, &plan, true, 1001), 1000 + RELOAD_RENEW_PAUSE_MS);
    assert_int_equal(reload.child, 0);
    reload_ask(&reload, RELOAD_BY_CONTROL); /* the administrator does not wait, and wants more */
    reload_look(&reload, &plan, true, 1002);
    assert_true(reload.child > 0 && !reload.running.renewal && reload.running.by == RELOAD_BY_CONTROL);
    check = reload.child;
    reload_ask(&reload, RELOAD_BY_CONTROL);
    kill(check, SIGKILL);
    waitpid(check, &status, 0);
    reload_reaped(&reload, check, status);
    assert_false(reload_over(&reload, 1, reload.why)); /* somebody waits for the next one's end */
}

/* -- renewals: of what has changed */

static char path[64];
static const char *const FILES[] = {path};

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static struct plan *refuse_renewing(const struct planner *planner, const struct plan *old, char *why, size_t why_size)
{
    (void)planner, (void)old;
    snprintf(why, why_size, "the key is another certificate's");
    return NULL;
}

static const struct planner REFUSING = {.make = hang, .renew = refuse_renewing};

/* Is one made when somebody asks? It is refused then. */
static bool is_renewed(struct reload *reload, const struct plan *plan, int64_t now_ms)
{
    int status;
    reload_ask(reload, RELOAD_BY_FILE);
    reload_look(reload, plan, true, now_ms);
    pid_t check = reload->child;
    if (check == 0) {
        assert_false(reload->next.any);
        return false;
    }
    assert_int_equal(waitpid(check, &status, 0), check);
    assert_true(reload_reaped(reload, check, status));
    assert_int_equal(reload_take_news(reload), RELOAD_BAD);
    reload_over(reload, 1, reload->why);
    return true;
}

static void what_is_as_it_was_is_not_read_again(void **state)
{
    (void)state;
    struct plan plan = {.watched = FILES, .watched_count = 1};
    struct reload reload;
    reload_open(&reload, &REFUSING);
    snprintf(path, sizeof(path), "/tmp/reload_test.%d", (int)getpid());
    write_file("one");
    plan.watched_mark = watch_mark(FILES, 1);
    assert_false(is_renewed(&reload, &plan, 1000));
    write_file("another");
    assert_true(is_renewed(&reload, &plan, 2000));
    unlink(path);
}

static void what_was_refused_is_read_again_when_it_changes_or_later(void **state)
{
    (void)state;
    struct plan plan = {.watched = FILES, .watched_count = 1};
    struct reload reload;
    int64_t now_ms = 1000;
    reload_open(&reload, &REFUSING);
    snprintf(path, sizeof(path), "/tmp/reload_test.%d", (int)getpid());
    plan.watched_mark = watch_mark(FILES, 1); /* it was not there */
    write_file("half");
    assert_true(is_renewed(&reload, &plan, now_ms));
    assert_false(is_renewed(&reload, &plan, now_ms += RELOAD_RENEW_PAUSE_MS));
    write_file("a whole one");
    assert_int_equal(reload_look(&reload, &plan, true, now_ms), 1000 + RELOAD_RENEW_PAUSE_MS + RELOAD_RETRY_MS);
    reload_ask(&reload, RELOAD_BY_FILE);
    reload_look(&reload, &plan, false, now_ms); /* no room yet, and then there is */
    assert_true(is_renewed(&reload, &plan, now_ms));
    now_ms += RELOAD_RENEW_PAUSE_MS;
    assert_false(is_renewed(&reload, &plan, now_ms));
    now_ms += RELOAD_RETRY_MS;
    assert_true(is_renewed(&reload, &plan, now_ms));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(what_is_wrong_is_said_and_nothing_changes),
        WITH_RIG(a_check_that_crashes_is_a_refusal),
        WITH_RIG(a_check_that_is_killed_is_a_refusal),
        WITH_RIG(wishes_during_a_reload_are_one_more),
        WITH_RIG(a_hup_during_the_stop_changes_nothing),
        WITH_RIG(a_stop_during_a_reload_ends_both),
        WITH_RIG(the_check_dies_with_the_master),
        WITH_RIG(who_gave_up_waiting_takes_no_place),
        cmocka_unit_test(a_check_that_hangs_is_ended),
        cmocka_unit_test(renewals_are_rare),
        cmocka_unit_test(what_is_as_it_was_is_not_read_again),
        cmocka_unit_test(what_was_refused_is_read_again_when_it_changes_or_later),
    };
    return cmocka_run_group_tests_name("reload", tests, NULL, NULL);
}
