/* SPDX-License-Identifier: ISC */
#include "common/clock.h"

#include "workers/stress.h"

enum { ERRORS_MAX = 1, COMMANDS_MAX = 10 };

int stress_percent(const struct session *s)
{
    const struct session_setup *setup = s->setup;
    if (setup->board == NULL || setup->pool_size == 0)
        return 0;
    struct tag_count count = scoreboard_count(setup->board, setup->pool_first, setup->pool_size);
    int busy = count.alive - count.idle - count.starting;
    return (int)((int64_t)busy * 100 / setup->pool_size);
}

bool stress_is_on(const struct session *s)
{
    return s->options->stress_timeout_ms > 0 && stress_percent(s) >= STRESS_PERCENT;
}

int64_t stress_look_at(const struct session *s, int64_t deadline_ms)
{
    int64_t look = s->options->stress_timeout_ms;
    return look == 0 ? deadline_ms : inside_sooner(deadline_ms, look);
}

static int64_t limit_of(const struct session *s, int count, int64_t limit, int under_stress)
{
    return count >= under_stress && limit > under_stress && stress_is_on(s) ? under_stress : limit;
}

int64_t stress_max_errors(const struct session *s)
{
    return limit_of(s, s->errors, s->options->max_errors, ERRORS_MAX);
}

/* A list with dead addresses is a good client's, too: who has brought a recipient is not hurried. */
int64_t stress_max_commands(const struct session *s)
{
    if (s->transaction.accepted_recipients > 0)
        return s->options->max_commands;
    return limit_of(s, s->idle_commands, s->options->max_commands, COMMANDS_MAX);
}
