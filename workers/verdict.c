/* SPDX-License-Identifier: ISC */
#include "workers/verdict.h"

const struct verdict VERDICT_NONE = {.action = ACTION_NONE};

bool verdict_refuses(const struct verdict *verdict)
{
    return verdict->action >= ACTION_DEFER;
}

static int64_t longer(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static uint32_t lower_rate(uint32_t a, uint32_t b)
{
    if (a == 0 || b == 0)
        return a | b;
    return a < b ? a : b;
}

struct verdict verdict_combine(const struct verdict *a, const struct verdict *b)
{
    struct verdict both = b->action > a->action ? *b : *a;
    both.allow = a->allow || b->allow;
    both.at_once = a->at_once || b->at_once;
    both.unsure = a->unsure || b->unsure;
    both.score = a->score + b->score;
    both.delay_ms = longer(a->delay_ms, b->delay_ms);
    both.owed_ms = longer(a->owed_ms, b->owed_ms);
    both.listen_ms = longer(a->listen_ms, b->listen_ms);
    both.rate_bytes = lower_rate(a->rate_bytes, b->rate_bytes);
    return both;
}

const char *action_name(enum action action)
{
    static const char *const names[] = {
        [ACTION_NONE] = "none",     [ACTION_DELAY] = "delay", [ACTION_DEFER] = "defer",
        [ACTION_REJECT] = "reject", [ACTION_DROP] = "drop",
    };
    return names[action];
}
