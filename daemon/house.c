/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/house.h"

enum { WAKE_READ_BYTES = 4096, WAKE_READS_MAX = 16 };

static bool open_wake(struct house *house)
{
    int ends[2];
    if (pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0)
        return false;
    house->wake_read = ends[0];
    house->wake_write = ends[1];
    return true;
}

/* Datagrams: a worker that dies in the middle of a question leaves no half of one. */
bool house_open_store(struct house *house)
{
    enum { QUEUED_BYTES = 1 << 20 };
    static const int bytes = QUEUED_BYTES;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    house->store_read = ends[0];
    house->store_write = ends[1];
    if (setsockopt(house->store_write, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) != 0)
        (void)setsockopt(house->store_write, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)); /* or less */
    return true;
}

bool house_open(struct house *house, const struct scoreboard_size *size)
{
    house->wake_read = house->wake_write = house->store_read = house->store_write = -1;
    house->roster = (struct roster){0};
    bool open = scoreboard_create(&house->board, size) && roster_open(&house->roster, size->slots) &&
                open_wake(house) && house_open_store(house);
    if (open)
        return true;
    int error = errno;
    house_close(house);
    errno = error;
    return false;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void house_close(struct house *house)
{
    close_fd(&house->wake_read);
    close_fd(&house->wake_write);
    close_fd(&house->store_read);
    close_fd(&house->store_write);
    roster_close(&house->roster);
    scoreboard_destroy(&house->board);
}

void house_clear_slot(struct house *house, int slot, const struct slot_facts *facts, bool crashed)
{
    totals_begin_change(house->board.ended);
    totals_add(&house->ended, facts);
    house->ended.crashed += crashed;
    scoreboard_clear_slot(&house->board, slot);
    totals_end_change(house->board.ended, &house->ended);
}

void house_drain_wake(struct house *house)
{
    char calls[WAKE_READ_BYTES];
    for (int i = 0; i < WAKE_READS_MAX; i++)
        if (read(house->wake_read, calls, sizeof(calls)) < (ssize_t)sizeof(calls))
            return;
}
