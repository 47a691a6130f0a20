/* SPDX-License-Identifier: ISC
 *
 * notify: what a service manager hears at a socket of the test's own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"

#include "daemon/notify.h"

enum { HEARD_MAX = 2048, PATIENCE_MS = 10000, QUEUE_MAX = 100000 };

struct manager {
    int fd;
    char directory[64], name[120]; /* as in $NOTIFY_SOCKET */
};

static void manager_bind(struct manager *m)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(m->name);
    memcpy(address.sun_path, m->name, size);
    if (m->name[0] == '@')
        address.sun_path[0] = '\0';
    m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(m->fd >= 0);
    size += offsetof(struct sockaddr_un, sun_path);
    assert_int_equal(bind(m->fd, (const struct sockaddr *)&address, (socklen_t)size), 0);
}

static void manager_open(struct manager *m, bool abstract)
{
    snprintf(m->directory, sizeof(m->directory), "/tmp/postern-notify-XXXXXX");
    assert_non_null(mkdtemp(m->directory));
    if (abstract)
        snprintf(m->name, sizeof(m->name), "@%s", m->directory);
    else
        snprintf(m->name, sizeof(m->name), "%s/notify", m->directory);
    manager_bind(m);
    setenv("NOTIFY_SOCKET", m->name, 1);
    notify_open();
}

static void manager_close(struct manager *m)
{
    close(m->fd);
    unlink(m->name);
    rmdir(m->directory);
}

static void hear(const struct manager *m, char text[HEARD_MAX])
{
    struct pollfd waiting = {.fd = m->fd, .events = POLLIN};
    assert_int_equal(clock_poll(&waiting, 1, clock_deadline(PATIENCE_MS)), 1);
    ssize_t size = recv(m->fd, text, HEARD_MAX - 1, 0);
    assert_true(size > 0);
    text[size] = '\0';
}

static void assert_heard(const struct manager *m, const char *wanted)
{
    char text[HEARD_MAX];
    hear(m, text);
    assert_string_equal(text, wanted);
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    assert_non_null(directory);
    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

static void hears_each_state(bool abstract)
{
    struct manager m;
    char ready[64];
    manager_open(&m, abstract);
    int before = open_descriptors();
    assert_true(notify_is_on());
    notify_ready();
    snprintf(ready, sizeof(ready), "READY=1\nMAINPID=%d", (int)getpid());
    assert_heard(&m, ready);
    notify_stopping();
    assert_heard(&m, "STOPPING=1");
    notify_status("%d sessions", 7);
    assert_heard(&m, "STATUS=7 sessions");
    assert_int_equal(open_descriptors(), before);
    manager_close(&m);
}

static void a_path_is_spoken_to(void **state)
{
    (void)state;
    hears_each_state(false);
}

static void an_abstract_name_is_spoken_to(void **state)
{
    (void)state;
    hears_each_state(true);
}

/* The manager takes an answer that seems older than its question for another's. */
static void a_reload_bears_a_time_that_is_not_past(void **state)
{
    struct manager m;
    char text[HEARD_MAX];
    long long said;
    struct timespec asked;
    (void)state;
    manager_open(&m, false);
    clock_gettime(CLOCK_MONOTONIC, &asked);
    notify_reloading();
    hear(&m, text);
    assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%lld", &said), 1);
    assert_true(said >= asked.tv_sec * 1000000LL + asked.tv_nsec / 1000);
    manager_close(&m);
}

static void the_variable_is_not_inherited(void **state)
{
    struct manager m;
    (void)state;
    manager_open(&m, false);
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_open(); /* as the child would */
    assert_false(notify_is_on());
    notify_ready();
    char byte;
    assert_int_equal(recv(m.fd, &byte, 1, MSG_DONTWAIT), -1);
    manager_close(&m);
}

static void nonsense_is_nobody(void **state)
{
    char huge[200];
    memset(huge, 'x', sizeof(huge) - 1);
    huge[0] = '/';
    huge[sizeof(huge) - 1] = '\0';
    const char *const names[] = {"", "/", "@", "relative", "vsock:2:1234", huge};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        notify_open();
        if (notify_is_on())
            fail_msg("'%s' was taken for a socket", names[i]);
        notify_ready();
    }
}

static void a_status_is_one_line_and_bounded(void **state)
{
    struct manager m;
    char text[HEARD_MAX];
    (void)state;
    manager_open(&m, false);
    notify_status("%s", "calm\nREADY=1");
    assert_heard(&m, "STATUS=calm READY=1");
    notify_status("%01000d", 1);
    hear(&m, text);
    assert_int_equal(strlen(text), 511);
    manager_close(&m);
}

/* What is full is passed over; what has gone is no reason to fail. */
static void a_manager_that_does_not_read_holds_nobody_up(void **state)
{
    struct manager m;
    (void)state;
    manager_open(&m, false);
    int queued = 0, own = 0;
    char text[HEARD_MAX];
    for (int i = 0; i < QUEUE_MAX; i++)
        notify_status("%d", i); /* more than any queue holds */
    while (recv(m.fd, text, sizeof(text), 0) > 0)
        queued++;
    assert_in_range(queued, 1, QUEUE_MAX - 1);
    for (int i = 0; i < queued; i++)
        notify_status("%d", i);
    int64_t begin = clock_ms();
    notify_stopping(); /* waits, but not for ever */
    assert_in_range(clock_ms() - begin, 0, PATIENCE_MS);
    while (recv(m.fd, text, sizeof(text), 0) > 0)
        own++;
    assert_int_equal(own, queued);
    manager_close(&m);
    notify_ready();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_is_spoken_to),
        cmocka_unit_test(an_abstract_name_is_spoken_to),
        cmocka_unit_test(a_reload_bears_a_time_that_is_not_past),
        cmocka_unit_test(the_variable_is_not_inherited),
        cmocka_unit_test(nonsense_is_nobody),
        cmocka_unit_test(a_status_is_one_line_and_bounded),
        cmocka_unit_test(a_manager_that_does_not_read_holds_nobody_up),
    };
    return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
