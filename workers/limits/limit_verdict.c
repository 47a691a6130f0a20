/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"

#include "workers/limits/limit_verdict.h"
#include "workers/limits/limit_words.h"
#include "workers/session.h"

/* Their texts are put together. */
static const struct reply REPLY_DEFER = REPLY(451, "4.7.1", "");
static const struct reply REPLY_REJECT = REPLY(554, "5.7.1", "");
static const struct reply REPLY_DROP = REPLY(421, "4.7.0", "");
static const struct reply REPLY_NOT_NOW = REPLY(454, "4.7.0", ""); /* to STARTTLS (RFC 3207) and AUTH (RFC 4954) */

/* A key that goes on hitting its limit is told of again when it was quiet for so long. */
enum { QUIET_S = 600, MS_PER_S = 1000 };

/* How long it would take, or, where nobody knows, as long as is allowed. */
static int64_t delay_of(const struct limit *limit, const struct limit_answer *answer)
{
    bool is_known = answer->wait_ms > 0 && answer->wait_ms < limit->max_delay_ms;
    return is_known ? answer->wait_ms : limit->max_delay_ms;
}

static uint32_t pace_of(const struct limit *limit, const struct limit_answer *answer)
{
    if (answer->rate < 0)
        return 0;
    const struct rate *rate = &limit->rates.items[answer->rate];
    int64_t a_second =
        rate->count / rate->window_ms * MS_PER_S + rate->count % rate->window_ms * MS_PER_S / rate->window_ms;
    return a_second < 1 ? 1 : a_second < UINT32_MAX ? (uint32_t)a_second : UINT32_MAX;
}

struct verdict limit_verdict(const struct limit *limit, const struct limit_answer *answer)
{
    static const enum action actions[] = {
        [LIMIT_DELAY] = ACTION_DELAY,   [LIMIT_THROTTLE] = ACTION_DELAY, [LIMIT_DEFER] = ACTION_DEFER,
        [LIMIT_REJECT] = ACTION_REJECT, [LIMIT_DROP] = ACTION_DROP,
    };
    struct verdict verdict = {.action = actions[limit->action], .reason = limit->reason};
    bool paces = limit->action == LIMIT_THROTTLE && limit->of == LIMIT_BYTES;
    if (limit->action == LIMIT_DELAY || paces)
        verdict.owed_ms = delay_of(limit, answer);
    else if (limit->action == LIMIT_THROTTLE)
        verdict.rate_bytes = (uint32_t)limit->throttle;
    if (paces)
        verdict.rate_bytes = pace_of(limit, answer);
    return verdict;
}

/* -- the reply -- */

static const char *too_many(const struct limit *limit, const struct limit_answer *answer)
{
    static const char *const texts[LIMIT_OFS] = {
        [LIMIT_CONNECTIONS] = "Too many connections",
        [LIMIT_MESSAGES] = "Too many messages",
        [LIMIT_RECIPIENTS] = "Too many recipients",
        [LIMIT_BYTES] = "Too much mail",
        [LIMIT_ERRORS] = "Too many errors",
        [LIMIT_REFUSALS] = "Too much of your mail was refused",
        [LIMIT_AUTH_FAILURES] = "Too many failed logins",
        [LIMIT_HANDSHAKES] = "Too many TLS handshakes",
    };
    if (limit->reply != NULL)
        return limit->reply;
    return answer->rate < 0 ? "Too many connections at the same time" : texts[limit->of];
}

static const struct reply *code_of(const struct limit *limit, enum stage stage)
{
    if (limit->action == LIMIT_DROP)
        return &REPLY_DROP;
    if (limit->action == LIMIT_REJECT)
        return &REPLY_REJECT;
    return stage == STAGE_TLS || stage == STAGE_AUTH ? &REPLY_NOT_NOW : &REPLY_DEFER;
}

struct reply limit_reply(const struct limit *limit, enum stage stage, const struct limit_answer *answer,
                         char text[LIMIT_TEXT_MAX])
{
    char wait[LIMIT_WAIT_WORDS_MAX];
    struct reply reply = *code_of(limit, stage);
    struct buffer words;
    buffer_init(&words, text, LIMIT_TEXT_MAX);
    buffer_print(&words, "%s (limit %s)", too_many(limit, answer), limit->name);
    limit_wait_words(answer->wait_ms, wait);
    if (answer->wait_ms > 0 && limit->action != LIMIT_REJECT)
        buffer_print(&words, ", try again in %s", wait);
    else if (limit->action != LIMIT_REJECT)
        buffer_print(&words, ", try again later");
    reply.text = buffer_unread(&words);
    return reply;
}

/* -- who is told -- */

static void alert(const struct limit_case *c, const struct limit_answer *answer, const struct hit *hit)
{
    struct record r;
    char per[LIMIT_PER_WORDS_MAX], rate[LIMIT_RATE_WORDS_MAX];
    limit_per_words(c->limit, per);
    limit_rate_words(c->limit, answer->rate, rate);
    record_begin(&r, "limited");
    record_string(&r, "limit", hit->limit);
    record_string(&r, "key", hit->key);
    record_string(&r, "of", limit_of_words(c->limit));
    record_string(&r, "per", per);
    record_string(&r, "rate", rate);
    record_string(&r, "action", limit_action_words(c->limit));
    record_number(&r, "wait_s", (uint64_t)clock_whole_s(answer->wait_ms));
    record_string(&r, "session", c->s->id);
    record_string(&r, "client", c->s->client_text);
    record_send(&r, LEVEL_NOTICE);
}

bool limit_tell(const struct limit_case *c, const struct limit_answer *answer, bool is_enforced)
{
    struct scoreboard *board = c->s->setup->board;
    struct hit hit = {.last_s = clock_wall(), .times = 1};
    if (c->s->setup->looks_only)
        return false;
    hit.first_s = hit.last_s;
    if (answer->rate >= 0)
        hit.hash = limit_entry(c, (size_t)answer->rate);
    limit_name_words(c->s->options->policy, c->limit, hit.limit);
    limit_key_print(c->limit, c->s, c->recipient, hit.key);
    uint64_t tally = scoreboard_hash(board, slice_of(hit.limit), slice_of(""));
    bool is_new = hits_add(board->hits, tally, &hit, QUIET_S);
    if (is_new && is_enforced)
        alert(c, answer, &hit);
    return is_new;
}

void limit_count(struct scoreboard *board)
{
    slot_begin(board)->limited++;
    slot_end(board);
}
