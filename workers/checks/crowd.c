/* SPDX-License-Identifier: ISC
 *
 * crowd - who waits when many want to come in: never a client whose network has a good name, always one with a bad
 * name, and an unknown one the longer, the fuller the house is.
 *
 * It only ever delays: what sends junk leaves within seconds, what sends mail waits for minutes. The delay is spread
 * over greeting, EHLO, MAIL and the first RCPT, so that each of them is short.
 */
#include <stddef.h>

#include "workers/session.h"
#include "workers/stress.h"

struct crowd_options {
    struct check_options common;
    int64_t from; /* percent of all workers busy */
    int64_t delay_ms, bad_delay_ms;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct crowd_options, common.mode), "off", MODE_CHOICES,
     "Whether clients are held by their network's reputation and by how full the house is."},
    {"from", OPTION_COUNT, offsetof(struct crowd_options, from), "50", "0..79",
     "From so many percent of max_workers busy on, unknown clients are held."},
    {"delay", OPTION_TIME, offsetof(struct crowd_options, delay_ms), "3s", "0s..1m",
     "How long, of greeting, EHLO, MAIL and first RCPT each, when 80 percent are busy; less before that."},
    {"bad_delay", OPTION_TIME, offsetof(struct crowd_options, bad_delay_ms), "5s", "0s..1m",
     "How long clients of bad reputation are held, of each, at any time."},
    {0},
};
/* clang-format on */
static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "crowd",
    .meaning = "Who waits when many want to come in.",
    .size = sizeof(struct crowd_options),
    .groups = groups,
};

/* Nothing at `from`, all of it where stress begins. */
static int64_t crowd_delay(const struct crowd_options *options, int percent)
{
    if (percent <= options->from)
        return 0;
    if (percent >= STRESS_PERCENT)
        return options->delay_ms;
    return options->delay_ms * (percent - options->from) / (STRESS_PERCENT - options->from);
}

static struct verdict judge(struct check_call *call)
{
    const struct crowd_options *options = call->options;
    const struct session *s = call->session;
    struct verdict verdict = VERDICT_NONE;
    if (s->standing == STANDING_GOOD)
        return verdict;
    bool is_bad = s->standing == STANDING_BAD;
    verdict.delay_ms = is_bad ? options->bad_delay_ms : crowd_delay(options, stress_percent(s));
    if (verdict.delay_ms == 0)
        return verdict;
    verdict.action = ACTION_DELAY;
    verdict.reason = is_bad ? "bad reputation" : "unknown in a crowd";
    return verdict;
}

static struct verdict judge_recipient(struct check_call *call)
{
    const struct transaction *t = &call->session->transaction;
    return t->accepted_recipients + t->refused_recipients == 0 ? judge(call) : VERDICT_NONE;
}

extern const struct check check_crowd;
const struct check check_crowd = {
    .name = "crowd",
    .options = &block,
    .judge = {[STAGE_CONNECT] = judge, [STAGE_HELO] = judge, [STAGE_MAIL] = judge, [STAGE_RCPT] = judge_recipient},
};
