/* SPDX-License-Identifier: ISC
 *
 * posternctl explain: the workers' code answers, in a child that is confined as a worker is. Its words were only split:
 * nobody has looked into them yet.
 */
#include <stdlib.h>
#include <unistd.h>

#include "daemon/deed.h"
#include "daemon/show_internal.h"

static struct explained_listener listener_of(const struct crew *crew)
{
    const struct listener_plan *plan = crew->plan;
    struct explained_listener listener = {.name = plan->name,
                                          .service = plan->service,
                                          .pool_first = crew->first_slot,
                                          .pool_size = (int)plan->pool->max_workers,
                                          .min_spare = (int)plan->pool->min_spare};
    if (plan->listen->addresses.count > 0)
        listener.at = plan->listen->addresses.items[0];
    return listener;
}

bool show_explain(struct show *show)
{
    const struct control_view *view = &show->view;
    const struct generation *present = view->generations[0];
    struct explained_listener *listeners = calloc((size_t)present->count, sizeof(*listeners));
    if (listeners == NULL || view->house->explainer == NULL) {
        deed_error(&show->out, "nothing can be explained here", NULL);
        return false;
    }
    for (int i = 0; i < present->count; i++)
        listeners[i] = listener_of(&present->crews[i]);
    struct explainer_setup setup = {.listeners = listeners,
                                    .listener_count = present->count,
                                    .board = &view->house->board,
                                    .words = show->request.arguments,
                                    .word_count = show->request.count,
                                    .fd = show->fd,
                                    .deadline_ms = show->deadline_ms,
                                    .sandbox = view->house->sandbox,
                                    .sandbox_mode = plan_sandbox(view->plan)};
    view->house->explainer(&setup);
    return false;
}
