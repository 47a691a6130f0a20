/* SPDX-License-Identifier: ISC
 *
 * inherited: a child plays the service, with sockets from descriptor 3 on, as a manager hands them over.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/inherited.h"

enum { FIRST = 3, HIGH = 100, WHY = 256 };

/* What a child is handed: -1 for a number that is no open descriptor. */
struct handed {
    int fds[INHERITED_MAX + 1];
    int count;
    const char *said_count; /* $LISTEN_FDS; NULL: count */
    bool for_another;       /* $LISTEN_PID is another process's */
};

/* A check that runs in the child; what it finds wrong it says, and is what the test fails with. */
typedef const char *child_check(bool taken, const char *why);

/* -- sockets to hand over */

static int bound(int family, int kind, bool only_v6, struct endpoint *at_out)
{
    struct sockaddr_storage address = {.ss_family = (sa_family_t)family};
    socklen_t size = family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(family, kind | SOCK_CLOEXEC, 0), on = only_v6;
    assert_true(fd >= 0);
    if (family == AF_INET6)
        assert_int_equal(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)), 0);
    else
        ((struct sockaddr_in *)&address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    endpoint_from_socket(&address, size, at_out);
    return fd;
}

static int listening(int family, bool only_v6, struct endpoint *at_out)
{
    int fd = bound(family, SOCK_STREAM, only_v6, at_out);
    assert_int_equal(listen(fd, 8), 0);
    return fd;
}

static int listening_at_path(struct endpoint *at_out)
{
    *at_out = (struct endpoint){.kind = ENDPOINT_UNIX};
    snprintf(at_out->path, sizeof(at_out->path), "/tmp/postern-inherited-%d.sock", (int)getpid());
    int fd = net_listen(at_out, 8);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0); /* a manager hands them over blocking */
    return fd;
}

/* -- the child */

/* First out of the way, then to their places: one may stand where another has to go. */
static void put_in_place(const struct handed *handed)
{
    for (int i = 0; i < handed->count; i++)
        if (handed->fds[i] >= 0)
            dup2(handed->fds[i], HIGH + i);
    for (int i = 0; i < handed->count; i++) {
        close(FIRST + i);
        if (handed->fds[i] >= 0)
            dup2(HIGH + i, FIRST + i);
    }
}

static void set_environment(const struct handed *handed)
{
    char number[24];
    snprintf(number, sizeof(number), "%d", (int)(handed->for_another ? getppid() : getpid()));
    setenv("LISTEN_PID", number, 1);
    snprintf(number, sizeof(number), "%d", handed->count);
    setenv("LISTEN_FDS", handed->said_count != NULL ? handed->said_count : number, 1);
    setenv("LISTEN_FDNAMES", "smtp:other", 1);
}

static const char *play_service(const struct handed *handed, child_check *check)
{
    char why[WHY] = "";
    put_in_place(handed);
    set_environment(handed);
    bool taken = inherited_take(why, sizeof(why));
    if (getenv("LISTEN_PID") != NULL || getenv("LISTEN_FDS") != NULL || getenv("LISTEN_FDNAMES") != NULL)
        return "a variable was left";
    return check(taken, why);
}

static void hand_over(const struct handed *handed, child_check *check)
{
    int said[2], status;
    char fault[WHY] = "";
    assert_int_equal(pipe(said), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(said[1], STDOUT_FILENO);
        const char *wrong = play_service(handed, check);
        ssize_t written = wrong == NULL ? 0 : write(STDOUT_FILENO, wrong, strlen(wrong));
        _exit(wrong != NULL || written < 0);
    }
    close(said[1]);
    assert_true(read(said[0], fault, sizeof(fault) - 1) >= 0);
    close(said[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (fault[0] != '\0')
        fail_msg("%s", fault);
    assert_int_equal(status, 0);
}

/* -- what is found */

static struct endpoint v4, v6, path, elsewhere;

static const char *is_ready_to_use(int fd)
{
    if ((fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0)
        return "it would go on to whatever is executed";
    return (fcntl(fd, F_GETFL) & O_NONBLOCK) == 0 ? "it blocks" : NULL;
}

static const char *all_three_are_there(bool taken, const char *why)
{
    static char text[WHY];
    if (!taken) {
        snprintf(text, sizeof(text), "not taken: %s", why);
        return text;
    }
    if (inherited_count() != 3)
        return "not three";
    if (inherited_find(&v4) != FIRST || inherited_find(&v6) != FIRST + 1 || inherited_find(&path) != FIRST + 2)
        return "not found where they are bound";
    if (inherited_find(&elsewhere) != -1)
        return "found where nothing is bound";
    for (int i = 0; i < 3; i++) {
        const char *wrong = is_ready_to_use(FIRST + i);
        if (wrong != NULL)
            return wrong;
    }
    return inherited_close_unused() != 0 ? "one that was used was closed" : NULL;
}

static void found_by_where_they_are_bound(void **state)
{
    (void)state;
    struct handed handed = {{listening(AF_INET, true, &v4), listening(AF_INET6, true, &v6), listening_at_path(&path)},
                            .count = 3};
    elsewhere = v4;
    elsewhere.port ^= 1;
    hand_over(&handed, all_three_are_there);
    unlink(path.path);
    for (int i = 0; i < 3; i++)
        close(handed.fds[i]);
}

static const char *one_was_not_wanted(bool taken, const char *why)
{
    (void)why;
    if (!taken || inherited_find(&v6) != FIRST + 1)
        return "not found";
    if (inherited_close_unused() != 1 || inherited_count() != 1)
        return "not one was closed";
    if (fcntl(FIRST, F_GETFD) >= 0 || fcntl(FIRST + 1, F_GETFD) < 0)
        return "the wrong one was closed";
    if (inherited_find(&v4) != -1)
        return "a closed one was found";
    return inherited_close_unused() != 0 ? "closed twice" : NULL;
}

static void what_nobody_asked_for_is_closed(void **state)
{
    (void)state;
    struct handed handed = {{listening(AF_INET, true, &v4), listening(AF_INET6, true, &v6)}, .count = 2};
    hand_over(&handed, one_was_not_wanted);
    close(handed.fds[0]);
    close(handed.fds[1]);
}

/* -- what is not ours */

static const char *nothing_was_taken(bool taken, const char *why)
{
    (void)why;
    if (!taken || inherited_count() != 0)
        return "taken";
    return (fcntl(FIRST, F_GETFD) & FD_CLOEXEC) != 0 ? "touched" : NULL;
}

static void sockets_for_another_process_are_left_alone(void **state)
{
    (void)state;
    struct handed handed = {{listening(AF_INET, true, &v4)}, .count = 1, .for_another = true};
    hand_over(&handed, nothing_was_taken);
    close(handed.fds[0]);
}

static void a_count_that_is_none_is_none(void **state)
{
    static const char *const counts[] = {"", "0", "-1", "1x", " 1", "99999999999999999999"};
    (void)state;
    struct handed handed = {{listening(AF_INET, true, &v4)}, .count = 1};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        handed.said_count = counts[i];
        hand_over(&handed, nothing_was_taken);
    }
    close(handed.fds[0]);
}

/* -- what is refused */

static const char *wanted_reason;

static const char *refused_with_reason(bool taken, const char *why)
{
    static char text[2 * WHY];
    if (!taken && strstr(why, wanted_reason) != NULL)
        return NULL;
    snprintf(text, sizeof(text), "%s, not for '%s'", taken ? "taken" : why, wanted_reason);
    return text;
}

static void assert_refused(const struct handed *handed, const char *reason)
{
    wanted_reason = reason;
    hand_over(handed, refused_with_reason);
}

static void what_does_not_listen_is_refused(void **state)
{
    static const char no_listener[] = "descriptor 3, handed over by LISTEN_FDS, is no listening stream socket";
    struct endpoint at;
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    int fds[] = {bound(AF_INET, SOCK_STREAM, true, &at), bound(AF_INET, SOCK_DGRAM, true, &at), pair[0],
                 open("/dev/null", O_RDONLY)};
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
        assert_refused(&(struct handed){{fds[i]}, .count = 1}, no_listener);
        close(fds[i]);
    }
    close(pair[1]);
    assert_refused(&(struct handed){{-1}, .count = 1}, "descriptor 3, handed over by LISTEN_FDS: Bad file descriptor");
}

static void an_abstract_name_is_no_place(void **state)
{
    (void)state;
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)), 0); /* autobind */
    assert_int_equal(listen(fd, 1), 0);
    assert_refused(&(struct handed){{fd}, .count = 1}, "is no listening stream socket of IPv4, IPv6 or a path");
    close(fd);
}

static void a_wildcard_that_takes_both_is_refused(void **state)
{
    struct endpoint at;
    (void)state;
    int fd = listening(AF_INET6, false, &at);
    assert_refused(&(struct handed){{fd}, .count = 1}, "takes IPv4, too: BindIPv6Only=ipv6-only");
    close(fd);
}

static void two_at_one_place_are_refused(void **state)
{
    struct endpoint at;
    (void)state;
    int fd = listening(AF_INET, true, &at);
    assert_refused(&(struct handed){{fd, fd}, .count = 2}, "two sockets were handed over at 127.0.0.1:");
    close(fd);
}

static void more_than_there_is_room_for_is_refused(void **state)
{
    (void)state;
    assert_refused(&(struct handed){.count = 0, .said_count = "33"}, "33 sockets were handed over, at most 32");
}

/* A program that takes another one's place must not be kept from it by what a worker can do. */
static void what_a_worker_shut_down_is_handed_on(void **state)
{
    struct endpoint at;
    struct legacy to, from;
    char why[WHY] = "";
    int listens = 0, fd = listening(AF_INET, false, &at);
    socklen_t size = sizeof(listens);
    (void)state;
    assert_true(legacy_create(&to));
    legacy_begin(&to, "inherited");
    legacy_put_fd(&to, "fd", fd);
    legacy_end(&to);
    assert_true(legacy_seal(&to));
    assert_int_equal(shutdown(fd, SHUT_RDWR), 0);
    int given = dup(to.fd);
    legacy_clear(&to);
    assert_true(legacy_open(&from, given, why, sizeof(why)));
    if (!inherited_read(&from, why, sizeof(why)))
        fail_msg("%s", why);
    assert_int_equal(inherited_count(), 1);
    assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size), 0);
    assert_int_equal(listens, 1);
    assert_int_equal(inherited_close_unused(), 1);
    legacy_clear(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(found_by_where_they_are_bound),
        cmocka_unit_test(what_nobody_asked_for_is_closed),
        cmocka_unit_test(sockets_for_another_process_are_left_alone),
        cmocka_unit_test(a_count_that_is_none_is_none),
        cmocka_unit_test(what_does_not_listen_is_refused),
        cmocka_unit_test(an_abstract_name_is_no_place),
        cmocka_unit_test(a_wildcard_that_takes_both_is_refused),
        cmocka_unit_test(two_at_one_place_are_refused),
        cmocka_unit_test(more_than_there_is_room_for_is_refused),
        cmocka_unit_test(what_a_worker_shut_down_is_handed_on),
    };
    return cmocka_run_group_tests_name("inherited", tests, NULL, NULL);
}
