/* SPDX-License-Identifier: ISC
 *
 * hops - a message that went round in circles is stopped (RFC 5321 section 6.3): too many Received lines.
 */
#include <stddef.h>

#include "workers/session.h"

static const struct reply REPLY_TOO_MANY_HOPS =
    REPLY(554, "5.4.6", "Too many hops: the message seems to go round in circles");

struct hops_options {
    struct check_options common;
    int64_t max;
};

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct hops_options, common.mode), "enforce", MODE_CHOICES,
     "Whether a message with too many hops is refused, or only named in the log."},
    {"max", OPTION_COUNT, offsetof(struct hops_options, max), "50", "10..1000",
     "How many Received lines a message may have."},
    {0},
};
/* clang-format on */
static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "hops",
    .meaning = "The hop limit.",
    .size = sizeof(struct hops_options),
    .groups = groups,
};

static struct verdict judge_header(struct check_call *call)
{
    const struct hops_options *options = call->options;
    unsigned hops = call->session->transaction.header.received_count;
    if (hops <= (unsigned)options->max)
        return VERDICT_NONE;
    note(call, "%u Received lines, at most %lld are allowed", hops, (long long)options->max);
    return (struct verdict){.action = ACTION_REJECT, .reply = REPLY_TOO_MANY_HOPS, .reason = "too many hops"};
}

extern const struct check check_hops;
const struct check check_hops = {
    .name = "hops",
    .binds = BINDS_EVERYONE,
    .options = &block,
    .judge = {[STAGE_HEADER] = judge_header},
};
