/* SPDX-License-Identifier: ISC */
#include "common/silence.h"

bool silence_is_told(const struct silence *silence)
{
    return atomic_load_explicit(&silence->is_told, memory_order_relaxed) != 0;
}

/* Mostly there is nothing to write, and no worker takes the line from another. */
static enum silence_news end(struct silence *silence)
{
    if (atomic_load_explicit(&silence->sessions, memory_order_relaxed) != 0)
        atomic_store(&silence->sessions, 0);
    return silence_is_told(silence) && atomic_exchange(&silence->is_told, 0) != 0 ? SILENCE_ENDED : SILENCE_NO_NEWS;
}

/* A time that is still to come is damage. */
static bool may_tell(const struct silence *silence, int64_t now_ms)
{
    int64_t told_ms = atomic_load(&silence->told_ms);
    return told_ms <= 0 || told_ms > now_ms || now_ms - told_ms >= SILENCE_QUIET_MS;
}

enum silence_news silence_note(struct silence *silence, bool has_heard, int64_t now_ms)
{
    uint32_t nobody = 0;
    if (has_heard)
        return end(silence);
    uint32_t before = atomic_fetch_add(&silence->sessions, 1);
    if (before < SILENCE_SESSIONS - 1 || silence_is_told(silence) || !may_tell(silence, now_ms) ||
        !atomic_compare_exchange_strong(&silence->is_told, &nobody, 1))
        return SILENCE_NO_NEWS;
    atomic_store(&silence->told_ms, now_ms);
    return SILENCE_BEGAN;
}
