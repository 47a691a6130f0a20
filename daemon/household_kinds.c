/* SPDX-License-Identifier: ISC
 *
 * The two kinds of a household, and what the master hands to each.
 */
#include <signal.h>
#include <sys/wait.h>

#include "common/exit_status.h"

#include "daemon/household.h"
#include "daemon/spawn.h"

/* -- the housekeeper */

static bool keeper_is_wanted(const struct household *household)
{
    return household->house->housekeeper != NULL;
}

static pid_t spawn_keeper(const struct household *household, int lifeline)
{
    struct housekeeper_setup setup = {
        .housekeeping = household->plan->housekeeping,
        .board = &household->house->board,
        .lifeline = lifeline,
        .ask = household->ask_write,
        .watch = household->plan->watch, /* what happened while there was none waits in it */
        .generation = household->generation,
        .sandbox = household->house->sandbox,
        .sandbox_mode = plan_sandbox(household->plan),
    };
    return spawn_housekeeper(household->house->housekeeper, &household->house->identity, &setup);
}

static void keeper_ended(struct household *household)
{
    scoreboard_clear_probes(&household->house->board);
}

const struct household_kind household_housekeeper = {.name = "housekeeper",
                                                     .leave_ms = HOUSEHOLD_LEAVE_MS,
                                                     .asks = true,
                                                     .is_wanted = keeper_is_wanted,
                                                     .spawn = spawn_keeper,
                                                     .ended = keeper_ended};

/* -- the storekeeper */

static bool store_is_wanted(const struct household *household)
{
    return household->house->storekeeper != NULL && plan_has_store(household->plan);
}

/* A file that LMDB trusts, and should not, ends who looks into it by a signal; so does a disk that does not read. What
 * else crashed it is not known here: to begin anew for it would lose everything for nothing. */
static enum store_trust trust_of_file(const struct household *household)
{
    int status = household->last_status;
    if (status == 0 || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
        return STORE_TRUSTED;
    if (WIFSIGNALED(status))
        return STORE_SUSPECT;
    switch (WEXITSTATUS(status)) {
    case WORKER_DAMAGED:
        return STORE_DAMAGED;
    case WORKER_RETIRED:
    case WORKER_ORPHANED:
    case WORKER_SHORT:
    case WORKER_BROKEN:
        return STORE_TRUSTED;
    default:
        return STORE_SUSPECT; /* a sanitizer's */
    }
}

static pid_t spawn_store(const struct household *household, int lifeline)
{
    struct storekeeper_setup setup = {
        .options = household->plan->store,
        .board = &household->house->board,
        .lifeline = lifeline,
        .questions = household->house->store_read,
        .trust = trust_of_file(household),
        .sandbox = household->house->sandbox,
        .sandbox_mode = plan_sandbox(household->plan),
    };
    return spawn_storekeeper(household->house->storekeeper, &household->house->identity, &setup);
}

const struct household_kind household_storekeeper = {
    .name = "storekeeper",
    .leave_ms = HOUSEHOLD_LEAVE_STORE_MS,
    .is_wanted = store_is_wanted,
    .spawn = spawn_store,
};
