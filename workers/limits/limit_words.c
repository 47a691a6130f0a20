/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>

#include "workers/limits/limit_words.h"

/* The position-th of "a|b|c". */
static struct slice choice(const char *choices, int position)
{
    struct slice rest = slice_of(choices), word = slice_take_until(&rest, '|');
    while (position-- > 0)
        word = slice_take_until(&rest, '|');
    return word;
}

const char *limit_of_words(const struct limit *limit)
{
    static const char *const words[LIMIT_OFS] = {
        [LIMIT_CONNECTIONS] = "connections",
        [LIMIT_MESSAGES] = "messages",
        [LIMIT_RECIPIENTS] = "recipients",
        [LIMIT_BYTES] = "bytes",
        [LIMIT_ERRORS] = "errors",
        [LIMIT_REFUSALS] = "refusals",
        [LIMIT_AUTH_FAILURES] = "auth_failures",
        [LIMIT_HANDSHAKES] = "handshakes",
    };
    return words[limit->of];
}

const char *limit_action_words(const struct limit *limit)
{
    static const char *const words[] = {
        [LIMIT_DELAY] = "delay",   [LIMIT_THROTTLE] = "throttle", [LIMIT_DEFER] = "defer",
        [LIMIT_REJECT] = "reject", [LIMIT_DROP] = "drop",
    };
    return words[limit->action];
}

void limit_per_words(const struct limit *limit, char text[LIMIT_PER_WORDS_MAX])
{
    int size = 0;
    text[0] = '\0';
    for (int per = 0; per < LIMIT_PERS && size < LIMIT_PER_WORDS_MAX - 1; per++) {
        struct slice word = choice(LIMIT_PER_CHOICES, per);
        if ((limit->per & 1u << per) != 0)
            size += snprintf(text + size, (size_t)(LIMIT_PER_WORDS_MAX - size), "%s%.*s", size > 0 ? "+" : "",
                             SLICE_ARGS(word));
    }
}

/* In the largest unit that divides it, as one would write it. */
static void print_time(int64_t ms, char *text, size_t size)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    int i = 0;
    while (ms % units[i].ms != 0)
        i++;
    snprintf(text, size, "%" PRId64 "%s", ms / units[i].ms, units[i].name);
}

static void print_count(const struct limit *limit, int64_t count, char *text, size_t size)
{
    static const char *const names[] = {"", "K", "M", "G"};
    int unit = 0;
    while (limit->of == LIMIT_BYTES && unit < 3 && count % 1024 == 0) {
        count /= 1024;
        unit++;
    }
    snprintf(text, size, "%" PRId64 "%s", count, names[unit]);
}

void limit_rate_words(const struct limit *limit, int rate, char text[LIMIT_RATE_WORDS_MAX])
{
    char count[24], window[16];
    if (rate < 0) {
        snprintf(text, LIMIT_RATE_WORDS_MAX, "%" PRId64 " at once", limit->concurrent);
        return;
    }
    print_count(limit, limit->rates.items[rate].count, count, sizeof(count));
    print_time(limit->rates.items[rate].window_ms, window, sizeof(window));
    snprintf(text, LIMIT_RATE_WORDS_MAX, "%s/%s", count, window);
}

static int64_t divided_up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

void limit_wait_words(int64_t ms, char text[LIMIT_WAIT_WORDS_MAX])
{
    int64_t seconds = divided_up(ms > 0 ? ms : 1, 1000);
    if (seconds <= 120)
        snprintf(text, LIMIT_WAIT_WORDS_MAX, "%" PRId64 " s", seconds);
    else if (seconds <= 7200)
        snprintf(text, LIMIT_WAIT_WORDS_MAX, "%" PRId64 " min", divided_up(seconds, 60));
    else
        snprintf(text, LIMIT_WAIT_WORDS_MAX, "%" PRId64 " h", divided_up(seconds, 3600));
}

void limit_name_words(const struct policy *policy, const struct limit *limit, char name[HIT_NAME_MAX])
{
    snprintf(name, HIT_NAME_MAX, "%s.%s", policy->name, limit->name);
}

/* -- posternctl's list -- */

static void print_rules(const struct limit *limit, struct buffer *to)
{
    char words[LIMIT_RATE_WORDS_MAX];
    const char *between = "";
    for (size_t i = 0; i < limit->rates.count; i++, between = ", ") {
        limit_rate_words(limit, (int)i, words);
        buffer_print(to, "%s%s", between, words);
    }
    if (limit->burst > 0)
        buffer_print(to, " burst %" PRId64, limit->burst);
    if (limit->concurrent > 0) {
        limit_rate_words(limit, -1, words);
        buffer_print(to, "%s%s", between, words);
    }
}

bool limits_describe(const struct policy *policy, size_t i, struct limit_line *out)
{
    static const char *const modes[] = {[MODE_OFF] = "off", [MODE_WATCH] = "watch", [MODE_ENFORCE] = "enforce"};
    struct buffer rate;
    if (i >= policy->limits.count)
        return false;
    const struct limit *limit = block_at(&policy->limits, i);
    limit_name_words(policy, limit, out->name);
    out->of = limit_of_words(limit);
    limit_per_words(limit, out->per);
    buffer_init(&rate, out->rate, sizeof(out->rate) - 1);
    print_rules(limit, &rate);
    out->rate[rate.end] = '\0';
    out->action = limit_action_words(limit);
    out->mode = modes[limit->mode < policy->mode ? limit->mode : policy->mode];
    return true;
}
