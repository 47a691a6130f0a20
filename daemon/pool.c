/* SPDX-License-Identifier: ISC */
#include <stddef.h>

#include "common/scoreboard.h"

#include "daemon/pool.h"

#define POOL_OPTION(name, fallback, allowed, meaning)                                                                  \
    {                                                                                                                  \
#name, OPTION_COUNT, offsetof(struct pool_options, name), fallback, allowed, meaning, false, NULL              \
    }

const struct option pool_option_rows[] = {
    POOL_OPTION(
        min_spare, "5", "1..1000",
        "Workers kept waiting for connections at least: a burst of so many clients is answered without a fork."),
    POOL_OPTION(max_spare, "20", "1..10000", "Idle workers beyond this leave, a quarter of the surplus each second."),
    POOL_OPTION(max_workers, "200", "2..30000",
                "Workers of this listener, at most. The last free one holds no session: it tells whoever comes 421."),
    {0},
};

/* Only what was said and contradicts itself is refused: defaults give way to a small max_workers. */
bool pool_check_options(struct config *config, const void *block, const struct pool_options *options)
{
    bool most_said = config_is_set(config, block, "max_workers");
    bool max_said = config_is_set(config, block, "max_spare");
    if (max_said && options->max_spare < options->min_spare)
        return config_refuse(config, block, "max_spare", "must not be less than min_spare (%lld)",
                             (long long)options->min_spare);
    if (max_said && most_said && options->max_workers < options->max_spare)
        return config_refuse(config, block, "max_workers", "must not be less than max_spare (%lld)",
                             (long long)options->max_spare);
    if (config_is_set(config, block, "min_spare") && options->max_workers < options->min_spare)
        return config_refuse(config, block, "min_spare", "must not be more than max_workers (%lld)",
                             (long long)options->max_workers);
    return true;
}

static int at_most(int value, int limit)
{
    return value < limit ? value : limit;
}

static int at_least(int value, int limit)
{
    return value > limit ? value : limit;
}

int pool_min_spare(const struct pool_options *options)
{
    return at_most((int)options->min_spare, (int)options->max_workers);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static struct pool_view clamped(const struct pool_view *view)
{
    struct pool_view v = *view;
    v.idle = at_most(v.idle, v.alive);
    v.starting = at_most(v.starting, v.alive - v.idle);
    return v;
}

static bool has_settled(const struct pool_pace *pace, int64_t now_ms)
{
    if (pace->trial_ms > 0)
        return now_ms - pace->trial_ms >= POOL_YOUNG_MS;        /* the worker on trial lives */
    return now_ms - pace->not_before_ms >= POOL_BACKOFF_MAX_MS; /* nobody was needed for long: old grudges end */
}

static void settle(struct pool_pace *pace, int64_t now_ms)
{
    if (pace->backoff_ms == 0 || !has_settled(pace, now_ms))
        return;
    pace->backoff_ms = 0;
    pace->trial_ms = 0;
    pace->failures = 0;
}

static int spawn_on_trial(struct pool_pace *pace, int64_t now_ms)
{
    pace->trial_ms = now_ms;
    pace->not_before_ms = now_ms + POOL_YOUNG_MS;
    return 1;
}

static int spawn_batch(struct pool_pace *pace, int wanted, int64_t now_ms)
{
    int batch = pace->batch > 0 ? pace->batch : 1;
    pace->batch = at_most(batch * 2, POOL_BATCH_MAX);
    pace->not_before_ms = now_ms + POOL_STEP_MS;
    return at_most(batch, wanted);
}

static int spawn_now(struct pool_pace *pace, int wanted, int64_t now_ms)
{
    if (wanted <= 0) {
        pace->batch = 1;
        return 0;
    }
    if (now_ms < pace->not_before_ms)
        return 0;
    pace->spawned_ms = now_ms;
    return pace->backoff_ms > 0 ? spawn_on_trial(pace, now_ms) : spawn_batch(pace, wanted, now_ms);
}

static int leave_now(struct pool_pace *pace, int surplus, int64_t now_ms)
{
    if (surplus <= 0 || now_ms < pace->leave_after_ms)
        return 0;
    pace->leave_after_ms = now_ms + POOL_TICK_MS;
    return (surplus + 3) / 4;
}

struct pool_step pool_decide(const struct pool_options *options, struct pool_pace *pace, const struct pool_view *view)
{
    struct pool_view v = clamped(view);
    int max_workers = (int)options->max_workers;
    int min_spare = pool_min_spare(options);
    int max_spare = at_most(at_least((int)options->max_spare, min_spare), max_workers);
    settle(pace, v.now_ms);
    int missing = min_spare - v.idle - v.starting;
    int room = max_workers - v.alive;
    int wanted = at_most(missing, room);
    struct pool_step step = {
        .missing = missing > 0,
        .full = room <= 0 && v.idle + v.starting <= 1,
        .look_ms = v.now_ms + POOL_TICK_MS,
    };
    step.spawn = spawn_now(pace, wanted, v.now_ms);
    if (missing <= 0)
        step.leave = leave_now(pace, v.idle - max_spare, v.now_ms);
    if (wanted > step.spawn)
        step.look_ms = earlier(step.look_ms, pace->not_before_ms);
    return step;
}

static void back_off(struct pool_pace *pace, int64_t now_ms)
{
    bool again = pace->backoff_ms > 0;
    /* A batch that dies together is one failure: only who was made after the wait began doubles it. */
    if (again && pace->trial_ms == 0 && now_ms < pace->not_before_ms)
        return;
    pace->backoff_ms = again ? earlier(pace->backoff_ms * 2, POOL_BACKOFF_MAX_MS) : POOL_BACKOFF_MIN_MS;
    pace->not_before_ms = now_ms + pace->backoff_ms;
    pace->trial_ms = 0;
}

/* A client who can kill workers costs a bounded number of forks. Counted from the last fork, not from this death: or
 * deaths that come fast enough would keep the next fork off for ever. */
static void slow_down(struct pool_pace *pace)
{
    if (pace->not_before_ms < pace->spawned_ms + POOL_PAUSE_MS)
        pace->not_before_ms = pace->spawned_ms + POOL_PAUSE_MS;
}

void pool_lost(struct pool_pace *pace, enum pool_loss loss, int64_t lived_ms, int64_t now_ms)
{
    bool young = lived_ms < POOL_YOUNG_MS;
    pace->batch = 1;
    if (loss == POOL_LOSS_REFUSAL || (loss == POOL_LOSS_CRASH && young)) {
        pace->failures++;
        back_off(pace, now_ms);
    } else if (loss == POOL_LOSS_CRASH || young) {
        slow_down(pace);
    }
}
