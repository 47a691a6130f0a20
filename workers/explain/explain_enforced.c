/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "workers/explain/explain_enforced.h"
#include "workers/limits/limit_options.h"

/* All of it in one piece, so that it comes or does not. */
struct copies {
    struct service service;
    struct session_options session;
    struct policy policy;
};

static void *copy_of(const void *from, size_t size)
{
    void *copy = malloc(size);
    if (copy != NULL)
        memcpy(copy, from, size);
    return copy;
}

static void enforce(int *mode)
{
    if (*mode == MODE_WATCH)
        *mode = MODE_ENFORCE;
}

static bool enforce_checks(struct policy *policy)
{
    for (int i = 0; check_table[i] != NULL; i++) {
        if (policy->check_options[i] == NULL)
            continue;
        struct check_options *copy = copy_of(policy->check_options[i], check_table[i]->options->size);
        if (copy == NULL)
            return false;
        enforce(&copy->mode);
        policy->check_options[i] = copy;
    }
    return true;
}

static bool enforce_limits(struct policy *policy)
{
    struct block_list *limits = &policy->limits;
    if (limits->count == 0)
        return true;
    char *copy = copy_of(limits->items, limits->count * limits->item_size);
    if (copy == NULL)
        return false;
    limits->items = copy;
    for (size_t i = 0; i < limits->count; i++)
        enforce(&((struct limit *)(void *)(copy + i * limits->item_size))->mode);
    return true;
}

const struct service *explain_enforced(const struct service *service)
{
    struct copies *copies = malloc(sizeof(*copies));
    if (copies == NULL)
        return NULL;
    copies->service = *service;
    copies->session = *service->session;
    copies->policy = *service->session->policy;
    copies->service.session = &copies->session;
    copies->session.policy = &copies->policy;
    copies->policy.mode = MODE_ENFORCE;
    return enforce_checks(&copies->policy) && enforce_limits(&copies->policy) ? &copies->service : NULL;
}
