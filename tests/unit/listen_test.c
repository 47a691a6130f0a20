/* SPDX-License-Identifier: ISC
 *
 * listen: sockets taken over by a reload, and what is shut down after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

#include "daemon/listen.h"

enum { WHY_MAX = 256 };

struct fixture {
    char directory[64];
    struct endpoint here, there;
};

static struct endpoint unix_at(const char *directory, const char *name)
{
    struct endpoint at = {.kind = ENDPOINT_UNIX};
    snprintf(at.path, sizeof(at.path), "%s/%s", directory, name);
    return at;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    *state = f;
    snprintf(f->directory, sizeof(f->directory), "/tmp/postern-listen-XXXXXX");
    if (mkdtemp(f->directory) == NULL)
        return -1;
    f->here = unix_at(f->directory, "here");
    f->there = unix_at(f->directory, "there");
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    unlink(f->here.path);
    unlink(f->there.path);
    rmdir(f->directory);
    free(f);
    return 0;
}

static bool open_at(struct listen_set *set, const struct endpoint *at, const struct listen_set *before)
{
    char why[WHY_MAX] = "";
    struct listen_options options = {{at, 1}};
    struct listen_sets sets = {before, before != NULL};
    return listen_open(set, &options, &sets, why, sizeof(why));
}

static ino_t socket_of(const struct listen_set *set)
{
    struct stat is;
    assert_int_equal(fstat(set->fds[0], &is), 0);
    return is.st_ino;
}

static bool is_listening(const struct listen_set *set)
{
    int listening = 0;
    socklen_t size = sizeof(listening);
    assert_int_equal(getsockopt(set->fds[0], SOL_SOCKET, SO_ACCEPTCONN, &listening, &size), 0);
    return listening != 0;
}

static bool can_connect(const struct endpoint *at)
{
    struct wait wait = {0};
    int fd;
    if (net_connect(at, &wait, CLOCK_NEVER, &fd) != IO_OK)
        return false;
    close(fd);
    return true;
}

static void what_stays_is_the_same_socket(void **state)
{
    struct fixture *f = *state;
    struct listen_set before, after;
    assert_true(open_at(&before, &f->here, NULL));
    assert_true(open_at(&after, &f->here, &before));
    assert_int_equal(socket_of(&before), socket_of(&after));
    struct listen_sets taken = {&after, 1};
    listen_shutdown(&before, &taken);
    listen_close(&before);
    assert_true(is_listening(&after));
    assert_true(can_connect(&f->here));
    listen_shutdown(&after, NULL);
    assert_false(can_connect(&f->here));
    listen_close(&after);
}

static void what_goes_is_shut_also_for_who_holds_a_copy(void **state)
{
    struct fixture *f = *state;
    struct listen_set before, after;
    assert_true(open_at(&before, &f->here, NULL));
    assert_true(open_at(&after, &f->there, &before));
    assert_int_not_equal(socket_of(&before), socket_of(&after));
    int copy = dup(before.fds[0]);
    struct listen_sets taken = {&after, 1};
    listen_shutdown(&before, &taken);
    listen_close(&before);
    assert_false(can_connect(&f->here));
    assert_true(can_connect(&f->there));
    close(copy);
    listen_close(&after);
}

/* Somebody cleaned up: the socket is there, but no way leads to it. */
static void a_path_that_was_removed_is_made_anew(void **state)
{
    struct fixture *f = *state;
    struct listen_set before, after;
    assert_true(open_at(&before, &f->here, NULL));
    assert_int_equal(unlink(f->here.path), 0);
    assert_true(open_at(&after, &f->here, &before));
    assert_int_not_equal(socket_of(&before), socket_of(&after));
    struct listen_sets taken = {&after, 1};
    listen_shutdown(&before, &taken);
    listen_close(&before);
    assert_true(can_connect(&f->here));
    listen_close(&after);
}

static void what_the_manager_gave_is_never_shut(void **state)
{
    struct fixture *f = *state;
    struct listen_set set, copy;
    assert_true(open_at(&set, &f->here, NULL));
    set.origins[0].inherited = true;
    assert_true(open_at(&copy, &f->here, &set));
    assert_true(copy.origins[0].inherited);
    listen_shutdown(&copy, NULL);
    assert_true(can_connect(&f->here));
    listen_close(&copy);
    listen_close(&set);
}

static int queue_up(const struct endpoint *at, int fds[], int count)
{
    struct wait wait = {0};
    int queued = 0;
    while (queued < count && net_connect(at, &wait, clock_deadline(100), &fds[queued]) == IO_OK)
        queued++;
    for (int i = 0; i < queued; i++)
        close(fds[i]);
    return queued;
}

static void what_others_changed_of_it_is_put_right(void **state)
{
    enum { CLIENTS = 8 };
    struct fixture *f = *state;
    struct listen_set set;
    int fds[CLIENTS];
    assert_true(open_at(&set, &f->here, NULL));
    int copy = dup(set.fds[0]);
    assert_int_equal(listen(copy, 0), 0);
    assert_int_equal(fcntl(copy, F_SETFL, 0), 0);
    assert_in_range(queue_up(&f->here, fds, CLIENTS), 0, CLIENTS - 1);
    struct listen_loss loss = listen_restore(&set);
    assert_int_equal(loss.reopened + loss.lost, 0);
    assert_int_not_equal(fcntl(set.fds[0], F_GETFL) & O_NONBLOCK, 0);
    assert_int_equal(queue_up(&f->here, fds, CLIENTS), CLIENTS);
    close(copy);
    listen_close(&set);
}

#define IT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IT(what_stays_is_the_same_socket),          IT(what_goes_is_shut_also_for_who_holds_a_copy),
        IT(a_path_that_was_removed_is_made_anew),   IT(what_the_manager_gave_is_never_shut),
        IT(what_others_changed_of_it_is_put_right),
    };
    return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
