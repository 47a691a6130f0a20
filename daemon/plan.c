/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "daemon/limits.h"
#include "daemon/plan.h"
#include "daemon/succession.h"

enum {
    PROCESSES_BESIDE = 4, /* master, housekeeper, the check of a reload, a listing for posternctl */
    DESCRIPTORS_BESIDE = 64
};

static bool is_same(const struct plan_server *a, const struct plan_server *b)
{
    return a->slot == b->slot && endpoint_equal(&a->address, &b->address) && strcmp(a->name, b->name) == 0 &&
           strcmp(a->backend, b->backend) == 0;
}

bool plan_has_store(const struct plan *plan)
{
    return plan->store != NULL && plan->store->directory != NULL;
}

enum sandbox_mode plan_sandbox(const struct plan *plan)
{
    return plan->process != NULL ? (enum sandbox_mode)plan->process->sandbox : SANDBOX_OFF;
}

bool plan_has_server(const struct plan *plan, const struct plan_server *server)
{
    for (int i = 0; i < plan->server_count; i++)
        if (is_same(&plan->servers[i], server))
            return true;
    return false;
}

int plan_check_limits(const struct plan *plan)
{
    int processes = PROCESSES_BESIDE, descriptors = DESCRIPTORS_BESIDE;
    for (int i = 0; i < plan->listener_count; i++) {
        processes += 2 * (int)plan->listeners[i].pool->max_workers;
        descriptors += 2 * (int)plan->listeners[i].listen->addresses.count + 2 * (SUCCESSION_DRAINING_MAX + 1);
    }
    return limits_check(processes, descriptors);
}
