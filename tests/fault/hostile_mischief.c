/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fault/hostile.h"

enum { FDS = 64, AT_A_TIME = 3, OCTETS = 4096, SHUT_ONE_IN = 64, ACCEPTS = 4 };

static void set_blocking(int fd, bool blocking)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0)
        fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/* Never while it blocks, or the rounds would not go on; what others make of a descriptor that does is the question. */
static void write_octets(struct hostile *h, int fd)
{
    char octets[OCTETS];
    memset(octets, (int)hostile_random(h, 256), sizeof(octets));
    set_blocking(fd, false);
    ssize_t written = write(fd, octets, hostile_random(h, sizeof(octets)) + 1);
    if (written > 0)
        atomic_fetch_add(&h->tally->piped, (uint64_t)written);
    set_blocking(fd, hostile_random(h, 2) == 0);
}

static void drain(struct hostile *h, int fd)
{
    char octets[OCTETS];
    set_blocking(fd, false);
    (void)!read(fd, octets, hostile_random(h, sizeof(octets)) + 1);
    set_blocking(fd, hostile_random(h, 2) == 0);
}

static void tamper_with_pipe(struct hostile *h, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (hostile_random(h, 16) == 0)
        fcntl(fd, F_SETPIPE_SZ, (int)hostile_random(h, 65536));
    if ((flags & O_ACCMODE) != O_RDONLY)
        write_octets(h, fd);
    if ((flags & O_ACCMODE) != O_WRONLY)
        drain(h, fd);
}

static void steal_connections(struct hostile *h, int fd)
{
    set_blocking(fd, false); /* another may clear it at once; the alarm is for that */
    for (int i = 0; i < ACCEPTS; i++) {
        int stolen = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (stolen < 0)
            return;
        atomic_fetch_add(&h->tally->accepted, 1);
        if (hostile_random(h, 2) == 0)
            (void)!send(stolen, "250 yes\r\n", 9, MSG_NOSIGNAL);
        close(stolen);
    }
}

static void tamper_with_socket(struct hostile *h, int fd)
{
    int listens = 0;
    socklen_t size = sizeof(listens);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0)
        return;
    if (!listens) /* it was shut down, or is the log's */
        return;
    steal_connections(h, fd);
    if (hostile_random(h, 8) == 0)
        listen(fd, (int)hostile_random(h, 3));
    if (hostile_random(h, SHUT_ONE_IN) == 0 && shutdown(fd, hostile_random(h, 2) == 0 ? SHUT_RDWR : SHUT_RD) == 0)
        atomic_fetch_add(&h->tally->shut, 1);
    set_blocking(fd, hostile_random(h, 2) == 0);
}

/* Never the log: what the master says there is what the test goes by. */
static void tamper(struct hostile *h, int fd)
{
    struct stat facts;
    if (fd <= STDERR_FILENO || fstat(fd, &facts) != 0)
        return;
    if (S_ISFIFO(facts.st_mode))
        tamper_with_pipe(h, fd);
    else if (S_ISSOCK(facts.st_mode))
        tamper_with_socket(h, fd);
    else if (S_ISREG(facts.st_mode)) /* a region: all of them should be closed by now */
        atomic_fetch_add(&h->tally->breaches, 1);
}

/* Who is root's can be told nothing. */
static void signal_master(struct hostile *h)
{
    if (geteuid() != 0 && kill(getppid(), SIGTERM) == 0)
        atomic_fetch_add(&h->tally->breaches, 1);
}

void mischief_round(struct hostile *h)
{
    for (int i = 0; i < AT_A_TIME; i++)
        tamper(h, (int)hostile_random(h, FDS));
    if (hostile_random(h, 256) == 0)
        signal_master(h);
}
