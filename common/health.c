/* SPDX-License-Identifier: ISC */
#include "common/health.h"

struct health_facts health_read(const struct health *health)
{
    uint32_t state = atomic_load(&health->state), trouble = atomic_load(&health->trouble);
    return (struct health_facts){
        .state = state < HEALTH_STATES ? (enum health_state)state : HEALTH_UNKNOWN,
        .trouble = trouble < HEALTH_TROUBLES ? (enum health_trouble)trouble : HEALTH_FINE,
        .since_ms = atomic_load(&health->since_ms),
        .probed_ms = atomic_load(&health->probed_ms),
        .took_ms = atomic_load(&health->took_ms),
        .failures = atomic_load(&health->failures),
    };
}

const char *health_state_name(enum health_state state)
{
    static const char *const names[HEALTH_STATES] = {
        [HEALTH_UNKNOWN] = "unknown", [HEALTH_UP] = "up", [HEALTH_DOWN] = "down"};
    return names[state];
}

const char *health_trouble_name(enum health_trouble trouble)
{
    static const char *const names[HEALTH_TROUBLES] = {
        [HEALTH_FINE] = "",
        [HEALTH_NO_CONNECTION] = "cannot connect",
        [HEALTH_NO_GREETING] = "no 220",
        [HEALTH_NO_EHLO] = "no answer to EHLO",
        [HEALTH_NO_TLS] = "no TLS as configured",
    };
    return names[trouble];
}
