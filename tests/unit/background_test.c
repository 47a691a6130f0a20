/* SPDX-License-Identifier: ISC
 *
 * background: what the command that was typed ends with, and what the daemon keeps of its terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"

#include "daemon/background.h"

enum { PATIENCE_MS = 10000 };

/* Plays the command: becomes a daemon, which then is ready, or fails before. The status it ended with. */
static int command(bool becomes_ready)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = background_enter();
        if (fd >= 0 && becomes_ready)
            background_ready(fd, false);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void the_command_ends_well_only_when_ready(void **state)
{
    (void)state;
    assert_int_equal(command(true), EXIT_SUCCESS);
    assert_int_equal(command(false), EXIT_FAILURE);
}

/* Whoever reads what the command wrote hears its end, although the daemon lives on. */
static void the_daemon_lets_go_of_pipes_and_terminal(void **state)
{
    (void)state;
    int output[2];
    assert_int_equal(pipe2(output, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(output[1], STDOUT_FILENO);
        dup2(output[1], STDERR_FILENO);
        background_prepare();
        background_ready(background_enter(), false);
        poll(NULL, 0, PATIENCE_MS); /* the daemon's life */
        _exit(0);
    }
    close(output[1]);
    struct pollfd end = {.fd = output[0], .events = POLLIN};
    int64_t begin = clock_ms();
    assert_int_equal(clock_poll(&end, 1, clock_deadline(PATIENCE_MS)), 1);
    assert_true(end.revents & POLLHUP);
    assert_true(clock_ms() - begin < PATIENCE_MS);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    close(output[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_ends_well_only_when_ready),
        cmocka_unit_test(the_daemon_lets_go_of_pipes_and_terminal),
    };
    return cmocka_run_group_tests_name("background", tests, NULL, NULL);
}
