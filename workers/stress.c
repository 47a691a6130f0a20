/* SPDX-License-Identifier: ISC */
#include "common/clock.h"

#include "workers/inside_berth.h"
#include "workers/stress.h"

enum { ERRORS_MAX = 1, COMMANDS_MAX = 10 };

static struct tag_count count_house(const struct session_setup *setup)
{
    if (setup->board == NULL)
        return (struct tag_count){0};
    return scoreboard_count(setup->board, setup->pool_first, setup->pool_size);
}

static int64_t busy_in(const struct tag_count *count)
{
    return count->alive - count->idle - count->starting;
}

int stress_percent(const struct session *s)
{
    struct tag_count count = count_house(s->setup);
    return s->setup->pool_size == 0 ? 0 : (int)(busy_in(&count) * 100 / s->setup->pool_size);
}

/* Where it changes nothing, nobody has to count. */
static bool may_be_on(const struct session *s)
{
    return s->options->stress_timeout_ms != 0 && s->setup->board != NULL && s->setup->pool_size != 0;
}

bool stress_is_on(const struct session *s)
{
    if (!may_be_on(s))
        return false;
    struct tag_count count = count_house(s->setup);
    return busy_in(&count) * 100 >= (int64_t)s->setup->pool_size * STRESS_PERCENT || inside_berth_is_wanted(&s->inside);
}

static int leeway(const struct session *s, const struct tag_count *count)
{
    if (!may_be_on(s))
        return 100;
    int64_t left = 100 - busy_in(count) * 100 / s->setup->pool_size;
    int64_t percent = left * 100 / (100 - STRESS_PERCENT);
    return (int)(percent > 100 ? 100 : percent);
}

int stress_leeway(const struct session *s)
{
    struct tag_count count = count_house(s->setup);
    return leeway(s, &count);
}

int stress_missing(const struct session_setup *setup)
{
    struct tag_count count = count_house(setup);
    int missing = setup->min_spare - count.idle - count.starting;
    return missing > 0 && count.alive >= setup->pool_size ? missing : 0;
}

static int64_t share_of(const struct session *s, const struct tag_count *count)
{
    return s->options->tarpit_share * leeway(s, count) * s->setup->pool_size / (100 * 100);
}

int stress_over_share(const struct session *s)
{
    struct tag_count count = count_house(s->setup);
    int64_t share = share_of(s, &count);
    return count.held > share ? count.held - (int)share : 0;
}

bool stress_may_hold(const struct session *s, int percent)
{
    if (s->setup->board == NULL || s->setup->pool_size == 0)
        return true;
    struct tag_count count = count_house(s->setup);
    int64_t share = share_of(s, &count), part = share * percent / 100;
    return count.held < (part > 0 ? part : share);
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
