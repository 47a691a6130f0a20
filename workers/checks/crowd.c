/* SPDX-License-Identifier: ISC
 *
 * crowd - who waits when many want to come in: never a client whose network has a good name, always one with a bad
 * name, and an unknown one the longer, the fuller the house is, or the more of its kind come at once.
 *
 * It only ever delays: what sends junk leaves within seconds, what sends mail waits for minutes. The delay is spread
 * over greeting, EHLO, MAIL and the first RCPT, so that each of them is short.
 *
 * Who comes when the tarpit's share is taken is put off at once: it may find room when it comes again, while nobody
 * would ever get through if newcomers pushed out those who have waited. Bad names may take half of the share only.
 *
 * A house can be large enough for a botnet and still not want it inside: so it is counted how many come who have no
 * good name, one stamp for each listener (common/rate), and of one network half of unknown_rate at most. What
 * unknown_rate allows is paid for at once; SURGE_S seconds' worth more are let pass, as many more again raise the delay
 * to all of it, and there the count stops: the surge is over 2 * SURGE_S after the last of it at the latest.
 */
#include <stddef.h>

#include "common/clock.h"
#include "workers/session.h"
#include "workers/standing.h"
#include "workers/stress.h"

static const struct reply REPLY_CROWDED = REPLY(421, "4.3.2", "Too many clients now, try again later");

enum { MS_PER_S = 1000, SURGE_S = 10, SURGE_MS = SURGE_S * MS_PER_S, UNKNOWN_SHARE = 90, BAD_SHARE = 50 };

struct crowd_options {
    struct check_options common;
    int64_t from;         /* percent of all workers busy */
    int64_t unknown_rate; /* a second; 0: however many */
    int64_t delay_ms, bad_delay_ms;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct crowd_options, common.mode), "off", MODE_CHOICES,
     "Whether clients are held by their network's reputation, by how full the house is, and by how many unknown ones come. "
     "Who would be held when tarpit_share is taken hears 421."},
    {"from", OPTION_COUNT, offsetof(struct crowd_options, from), "50", "0..79",
     "From so many percent of max_workers busy on, unknown clients are held."},
    {"unknown_rate", OPTION_COUNT, offsetof(struct crowd_options, unknown_rate), "10", "0..10000",
     "So many clients a second who have no good name are no crowd. Once ten seconds' worth of them were too many, unknown "
     "clients are held as in a full house. 0: however many come."},
    {"delay", OPTION_TIME, offsetof(struct crowd_options, delay_ms), "5s", "0s..1m",
     "How long unknown ones are held, of greeting, EHLO, MAIL and first RCPT each: all of it when 80 percent are busy, or "
     "when twenty seconds' worth of unknown clients were too many; less before that."},
    {"bad_delay", OPTION_TIME, offsetof(struct crowd_options, bad_delay_ms), "10s", "0s..1m",
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
static int64_t delay_by_house(const struct crowd_options *options, const struct session *s)
{
    int percent = stress_percent(s);
    if (percent <= options->from)
        return 0;
    if (percent >= STRESS_PERCENT)
        return options->delay_ms;
    return options->delay_ms * (percent - options->from) / (STRESS_PERCENT - options->from);
}

static struct rate_answer ask_rate(const struct session *s, uint64_t hash, const struct rate *rate, enum rate_way way)
{
    struct scoreboard *board = s->setup->board;
    struct table_counts counts = {0};
    if (s->setup->looks_only)
        return rate_look(&board->rates, hash, rate, clock_ms(), 1);
    struct rate_answer answer = rate_ask(&board->rates, hash, rate, clock_ms(), way, 1, &counts);
    slot_add_counts(board, &counts);
    return answer;
}

/* No network is a crowd: of one that comes again and again half of unknown_rate counts, so that a single machine that
 * does not stop, blocked or not, delays nobody else. */
static enum rate_way way_of(const struct crowd_options *options, const struct session *s, enum rate_way way)
{
    const struct scoreboard *board = s->setup->board;
    if (way != RATE_ADD || s->client.kind != ENDPOINT_IP || s->service->scoreboard == NULL)
        return way;
    int64_t half = (options->unknown_rate + 1) / 2;
    struct rate rate = {.count = half, .window_ms = MS_PER_S, .burst = half};
    struct network network = scoreboard_network(s->service->scoreboard, &s->client.address);
    uint64_t hash = scoreboard_hash(board, slice_of("crowd of one"), network_octets(&network));
    return ask_rate(s, hash, &rate, RATE_TAKE).allowed ? RATE_ADD : RATE_LOOK;
}

static int64_t delay_by_surge(const struct crowd_options *options, const struct session *s, enum rate_way way)
{
    const struct scoreboard *board = s->setup->board;
    if (options->unknown_rate == 0 || board == NULL || board->rates.words == NULL)
        return 0;
    struct rate rate = {
        .count = options->unknown_rate, .window_ms = MS_PER_S, .burst = SURGE_S * options->unknown_rate};
    uint64_t hash = scoreboard_hash(board, slice_of("crowd"), slice_of(s->service->listener));
    struct rate_answer answer = ask_rate(s, hash, &rate, way_of(options, s, way));
    int64_t over_ms = answer.wait_ms < SURGE_MS ? answer.wait_ms : SURGE_MS;
    return options->delay_ms * over_ms / SURGE_MS;
}

static int64_t longer(int64_t a_ms, int64_t b_ms)
{
    return a_ms > b_ms ? a_ms : b_ms;
}

/* Good, or has shown in this very session that it will be. */
static bool has_good_name(const struct session *s)
{
    return s->standing == STANDING_GOOD || (s->standing == STANDING_UNKNOWN && standing_is_earned(s));
}

/* A gate speaks for clients that it names later, or asks whether we live: who held it, or put it off, would shut out
 * all behind it. Who is never held takes no room to wait, and need not find any. */
static bool is_no_stranger(const struct session *s)
{
    return has_good_name(s) || s->rules.is_never_held || s->client_untold ||
           session_client_is_in(s, &s->options->proxy_from) || session_client_is_in(s, &s->options->xclient_from);
}

static struct verdict judge_by(struct check_call *call, enum rate_way way)
{
    const struct crowd_options *options = call->options;
    const struct session *s = call->session;
    struct verdict verdict = VERDICT_NONE;
    if (is_no_stranger(s) || s->options->tarpit_share == 0) /* nobody may be held: nobody is, or all would hear 421 */
        return verdict;
    bool is_bad = s->standing == STANDING_BAD;
    int64_t in_crowd_ms = longer(delay_by_house(options, s), delay_by_surge(options, s, way));
    verdict.delay_ms = is_bad ? options->bad_delay_ms : in_crowd_ms;
    if (verdict.delay_ms == 0)
        return verdict;
    verdict.action = ACTION_DELAY;
    verdict.reason = is_bad ? "bad reputation" : "unknown in a crowd";
    return verdict;
}

static struct verdict judge_connect(struct check_call *call)
{
    const struct session *s = call->session;
    struct verdict verdict = judge_by(call, RATE_ADD); /* it has come, whatever becomes of it */
    bool is_bad = s->standing == STANDING_BAD;
    if (verdict.action != ACTION_DELAY || stress_may_hold(s, is_bad ? BAD_SHARE : UNKNOWN_SHARE))
        return verdict;
    return (struct verdict){.action = ACTION_DROP,
                            .reply = REPLY_CROWDED,
                            .reason = is_bad ? "bad reputation, no room to wait" : "unknown, no room to wait"};
}

static struct verdict judge(struct check_call *call)
{
    return judge_by(call, RATE_LOOK);
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
    .judge =
        {[STAGE_CONNECT] = judge_connect, [STAGE_HELO] = judge, [STAGE_MAIL] = judge, [STAGE_RCPT] = judge_recipient},
};
