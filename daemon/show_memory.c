/* SPDX-License-Identifier: ISC
 *
 * posternctl greylist, reputation and store: the workers' code answers, since the master knows nothing of the memory on
 * disk, in a child that is confined as a worker is.
 */
#include "daemon/deed.h"
#include "daemon/show_internal.h"

bool show_memory(struct show *show)
{
    const struct control_view *view = &show->view;
    struct house *house = view->house;
    if (house->teller == NULL) {
        deed_error(&show->out, "nothing is told of the memory here", NULL);
        return false;
    }
    struct teller_setup setup = {.verb = control_verbs[show->request.verb].name,
                                 .words = show->request.arguments,
                                 .word_count = show->request.count,
                                 .behind = show->asker.behind,
                                 .board = &house->board,
                                 .scoreboard = view->plan->scoreboard,
                                 .store = view->plan->store,
                                 .greylisted = &view->plan->greylisted,
                                 .ask = house->store_write,
                                 .place = (uint32_t)(house->board.slot_count + show->asker.number),
                                 .fd = show->fd,
                                 .deadline_ms = show->deadline_ms,
                                 .sandbox = house->sandbox,
                                 .sandbox_mode = plan_sandbox(view->plan)};
    house->teller(&setup);
    return false;
}

/* -- what the storekeeper says of itself */

static uint64_t look(const _Atomic uint64_t *number)
{
    return atomic_load_explicit(number, memory_order_relaxed);
}

struct show_store show_read_store(const struct show *show)
{
    const struct store_options *options = show->view.plan->store;
    const struct store_board *board = show->view.house->board.store;
    struct show_store store = {.is_configured = plan_has_store(show->view.plan) && board != NULL};
    if (!store.is_configured)
        return store;
    const struct store_head *head = &board->head;
    store.is_working = store_is_alive(board, options->deadline_ms) &&
                       atomic_load_explicit(&head->state, memory_order_relaxed) == STORE_WORKING;
    store.words = store_words(board, options->deadline_ms);
    store.records = look(&head->records);
    store.bytes = look(&head->bytes);
    store.bytes_max = look(&head->bytes_max);
    store.waiting = look(&head->waiting);
    store.commits = look(&head->commits);
    store.longest_commit_us = look(&head->longest_commit_us);
    store.longest_answer_us = look(&head->longest_answer_us);
    store.purged = look(&head->purged);
    store.evicted = look(&head->evicted);
    store.lost = look(&head->lost);
    for (int i = 0; i < STORE_OUTCOMES; i++)
        store.attempts[i] = look(&head->attempts[i]);
    return store;
}
