/* SPDX-License-Identifier: ISC
 *
 * The berths of inside servers, as the processes of each role see them.
 */
#include "common/must.h"
#include "common/scoreboard.h"

static struct berths berths_of(const struct scoreboard *board, int own)
{
    return (struct berths){board->berths, board->slot_count, board->orders, own};
}

static void leave(const struct scoreboard *board, int own)
{
    struct berths berths = berths_of(board, own);
    berths_leave(&berths);
}

struct berths scoreboard_berths(const struct scoreboard *board)
{
    return berths_of(board, BERTHS_PROBES + board->own_slot);
}

struct berths scoreboard_probe_berths(const struct scoreboard *board, int place)
{
    must(place >= 0 && place < BERTHS_PROBES);
    return berths_of(board, place);
}

void scoreboard_leave_berth(struct scoreboard *board, int slot)
{
    must(slot >= 0 && slot < board->slot_count);
    leave(board, BERTHS_PROBES + slot);
}

void scoreboard_clear_probes(struct scoreboard *board)
{
    for (int place = 0; place < BERTHS_PROBES; place++)
        leave(board, place);
}
