/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <sys/mman.h>

#include "common/log.h"
#include "common/sandbox.h"
#include "common/scoreboard.h"
#include "tests/fault/hostile.h"
#include "tests/lib/forbidden.h"
#include "workers/serve.h"

void __real_serve_session(struct session *memory, const struct session_setup *setup, int outside_fd,
                          const struct endpoint *peer, const struct endpoint *local);
void __wrap_serve_session(struct session *memory, const struct session_setup *setup, int outside_fd,
                          const struct endpoint *peer, const struct endpoint *local);

static struct tally *tally; /* mapped before the sandbox was entered */

void sandbox_prepare(struct tally *at)
{
    tally = at;
    if (tally != NULL)
        atomic_store(&tally->deeds, (uint64_t)forbidden_count + 1);
}

/* What the scoreboard relies on: a worker reaches no page but its own. */
static bool grow_over_neighbours(const struct scoreboard *board)
{
    return mremap(board->own, SLOT_BYTES, 2 * SLOT_BYTES, MREMAP_MAYMOVE) != MAP_FAILED;
}

/* Not young, and in a session, as one who was taken over. */
static void be_busy(struct scoreboard *board)
{
    struct slot_facts *facts = slot_begin(board);
    facts->state = SLOT_BUSY;
    slot_end(board);
}

static void announce(uint64_t deed, const char *what, const char *call, int error)
{
    struct record r;
    record_begin(&r, "hostile");
    record_number(&r, "deed", deed);
    record_string(&r, "call", call);
    record_number(&r, "fails", (uint64_t)error);
    record_string(&r, "what", what);
    record_send(&r, LEVEL_NOTICE);
}

/* Comes back from what fails, and from what should not have been possible. */
static void do_deed(struct scoreboard *board, uint64_t deed)
{
    static const struct forbidden grow = {.what = "grow over the neighbours", .call = "mremap", .error = ENOMEM};
    const struct forbidden *call = deed <= (uint64_t)forbidden_count ? &forbidden_calls[deed - 1] : &grow;
    be_busy(board);
    announce(deed, call->what, call->call, call->error);
    bool done = call == &grow ? grow_over_neighbours(board) : forbidden_try(call, SANDBOX_LISTENERS_FROM);
    if (done || call->error == 0 || errno != call->error)
        atomic_fetch_add(&tally->breaches, 1);
}

void __wrap_serve_session(struct session *memory, const struct session_setup *setup, int outside_fd,
                          const struct endpoint *peer, const struct endpoint *local)
{
    uint64_t deed = tally != NULL ? atomic_exchange(&tally->deed, 0) : 0;
    if (deed != 0)
        do_deed(setup->board, deed);
    __real_serve_session(memory, setup, outside_fd, peer, local);
}
