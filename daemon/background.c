/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "daemon/background.h"

static _Noreturn void wait_until_ready(int fd)
{
    char ready;
    ssize_t got;
    do
        got = read(fd, &ready, 1);
    while (got < 0 && errno == EINTR);
    _exit(got == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void point_to_null(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, fd);
    if (null != fd)
        close(null);
}

void background_prepare(void)
{
    close_range(STDERR_FILENO + 1, ~0u, 0); /* what the starter left open: it may wait for a pipe's end */
}

int background_enter(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    pid_t pid = fork();
    if (pid < 0) {
        int error = errno;
        close(ends[0]);
        close(ends[1]);
        errno = error;
        return -1;
    }
    if (pid > 0) {
        close(ends[1]);
        wait_until_ready(ends[0]);
    }
    close(ends[0]);
    setsid();
    point_to_null(STDIN_FILENO);
    return ends[1];
}

void background_ready(int fd, bool keep_stderr)
{
    if (chdir("/") != 0)
        return; /* cannot be; the waiting process then reports failure */
    point_to_null(STDOUT_FILENO);
    if (!keep_stderr)
        point_to_null(STDERR_FILENO);
    ssize_t written = write(fd, "", 1);
    (void)written; /* nobody waits any more: nobody is told */
    close(fd);
}
