/* SPDX-License-Identifier: ISC */
#include "workers/storekeeper/attempt.h"

/* Never 0, which would be for ever. */
static uint32_t later(uint32_t from, uint32_t by)
{
    uint32_t sum = from > UINT32_MAX - by ? UINT32_MAX : from + by;
    return sum > 0 ? sum : 1;
}

static uint32_t one_more(uint32_t count)
{
    return count < UINT32_MAX ? count + 1 : count;
}

/* From now on `by`, unless it was put there for ever. */
static void prolong(struct store_record *record, uint32_t from, uint32_t by)
{
    if (record->expires_s != 0)
        record->expires_s = later(from, by);
}

static struct store_record seen_first(uint32_t now, uint32_t lives_s)
{
    return (struct store_record){.first_s = now, .last_s = now, .expires_s = later(now, lives_s), .count = 1};
}

static struct store_answer pass(const struct attempt_terms *terms, struct store_record *record, uint32_t now)
{
    record->passed = 1;
    prolong(record, now, terms->lifetime_s);
    return (struct store_answer){STORE_PASS, 0};
}

struct store_answer attempt_decide(const struct attempt_terms *terms, const struct store_record *known, time_t now,
                                   struct store_record *record_out, bool *changed_out)
{
    uint32_t at = store_seconds(now);
    *changed_out = true;
    if (known == NULL || store_record_is_over(known, now)) {
        *record_out = seen_first(at, terms->window_s);
        return (struct store_answer){STORE_FIRST, terms->delay_s};
    }
    struct store_record record = *known;
    if (record.first_s > at) { /* the clock was set back */
        record.first_s = at;
        prolong(&record, at, terms->window_s);
    }
    record.last_s = at;
    record.count = one_more(record.count);
    uint32_t waited = at - record.first_s;
    struct store_answer answer = {STORE_EARLY, (int64_t)terms->delay_s - waited};
    if (record.passed != 0 || waited >= terms->delay_s)
        answer = pass(terms, &record, at);
    *changed_out = memcmp(&record, known, sizeof(record)) != 0;
    *record_out = record;
    return answer;
}

bool attempt_is_allowed(const struct attempt_terms *terms, const struct store_record *allowance, time_t now)
{
    if (allowance == NULL || store_record_is_over(allowance, now))
        return false;
    bool is_earned = terms->allow_after > 0 && allowance->count >= terms->allow_after;
    return is_earned || allowance->count == UINT32_MAX; /* by order */
}

bool attempt_delivered(const struct attempt_terms *terms, const struct store_record *known, time_t now,
                       struct store_record *record_out)
{
    uint32_t at = store_seconds(now);
    if (terms->allow_after == 0)
        return false;
    if (known == NULL || store_record_is_over(known, now)) {
        *record_out = seen_first(at, terms->lifetime_s);
        return true;
    }
    bool is_back = known->last_s > at; /* the clock: the hour begins now */
    if (!is_back && at - known->last_s < ATTEMPT_COUNTS_EVERY_S)
        return false;
    *record_out = *known;
    record_out->first_s = known->first_s < at ? known->first_s : at;
    record_out->last_s = at;
    record_out->count = is_back ? known->count : one_more(known->count);
    prolong(record_out, at, terms->lifetime_s);
    return true;
}
