/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
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

bool house_open(struct house *house, const struct scoreboard_size *size)
{
    house->wake_read = house->wake_write = -1;
    house->roster = (struct roster){0};
    bool open = scoreboard_create(&house->board, size) && roster_open(&house->roster, size->slots) && open_wake(house);
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
