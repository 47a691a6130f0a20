/* SPDX-License-Identifier: ISC
 *
 * pregreet - who speaks before the banner does not listen to answers: programs that send spam, mostly (RFC 5321 section
 * 4.3.1 asks the client to wait). A wait before the banner finds them.
 */
#include <stddef.h>

#include "workers/session.h"

static const struct reply REPLY_EARLY = REPLY(554, "5.5.0", "You spoke before the greeting");
static const struct reply REPLY_EARLY_LATER = REPLY(421, "4.5.0", "You spoke before the greeting, try again later");

enum early { EARLY_SCORE, EARLY_DEFER, EARLY_REJECT, EARLY_DROP };
#define EARLY_CHOICES "score|defer|reject|drop"

struct pregreet_options {
    struct check_options common;
    int64_t wait_ms;
    int action; /* enum early */
    int64_t score;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct pregreet_options, common.mode), "off", MODE_CHOICES,
     "enforce: the banner waits, and who speaks before it is dealt with. watch: the log says that it would wait; nobody "
     "waits, so nobody is found."},
    {"wait", OPTION_TIME, offsetof(struct pregreet_options, wait_ms), "6s", "100ms..1m",
     "How long the banner waits; it ends with the first word of the client. Who has a good reputation, was allowed or "
     "has logged in is not made to wait. With TLS from the first octet it comes after the handshake."},
    {"action", OPTION_CHOICE, offsetof(struct pregreet_options, action), "reject", EARLY_CHOICES,
     "What becomes of who speaks before it: points, 421, or 554; drop: 554 and the end of it."},
    {"score", OPTION_COUNT, offsetof(struct pregreet_options, score), "5", "0..1000",
     "The points that it is worth, with action = score."},
    {0},
};
/* clang-format on */
static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "pregreet",
    .meaning = "The wait before the banner, which finds clients that speak before it.",
    .size = sizeof(struct pregreet_options),
    .groups = groups,
};

static struct verdict judge_connect(struct check_call *call)
{
    const struct pregreet_options *options = call->options;
    return (struct verdict){.action = ACTION_DELAY, .listen_ms = options->wait_ms};
}

/* Whatever the banner had to wait for. */
static struct verdict judge_greeting(struct check_call *call)
{
    static const enum action actions[] = {[EARLY_SCORE] = ACTION_NONE,
                                          [EARLY_DEFER] = ACTION_DEFER,
                                          [EARLY_REJECT] = ACTION_REJECT,
                                          [EARLY_DROP] = ACTION_DROP};
    const struct pregreet_options *options = call->options;
    if (!call->session->spoke_early)
        return VERDICT_NONE;
    note(call, "spoke before the greeting");
    return (struct verdict){.action = actions[options->action],
                            .reply = options->action == EARLY_DEFER ? REPLY_EARLY_LATER : REPLY_EARLY,
                            .score = options->action == EARLY_SCORE ? (int)options->score : 0,
                            .reason = "spoke before the greeting"};
}

extern const struct check check_pregreet;
const struct check check_pregreet = {
    .name = "pregreet",
    .options = &block,
    .judge = {[STAGE_CONNECT] = judge_connect, [STAGE_GREETING] = judge_greeting},
};
