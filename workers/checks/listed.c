/* SPDX-License-Identifier: ISC
 *
 * listed - whom an administrator blocked or allowed through posternctl: blocked clients are dropped before the banner,
 * allowed ones pass whatever the rest of the policy says.
 */
#include <stddef.h>
#include <stdio.h>

#include "common/clock.h"
#include "workers/session.h"

/* clang-format off */
static const struct option rows[] = {
    {"mode", OPTION_CHOICE, offsetof(struct check_options, mode), "enforce", MODE_CHOICES,
     "Whether the list counts."},
    {0},
};
/* clang-format on */
static const struct option_group groups[] = {{rows, 0}, {NULL, 0}};
static const struct block block = {
    .name = "listed",
    .meaning = "Networks that posternctl block and posternctl allow have named.",
    .size = sizeof(struct check_options),
    .groups = groups,
};

/* What is said of a blocked client, for the session. */
struct words {
    char reply[LISTED_REASON_MAX + 24];
    char reason[LISTED_REASON_MAX + 16];
};

static struct verdict block_it(struct words *words, const char *why)
{
    const char *colon = why[0] != '\0' ? ": " : "";
    snprintf(words->reply, sizeof(words->reply), "Access denied%s%s", colon, why);
    snprintf(words->reason, sizeof(words->reason), "blocked%s%s", colon, why);
    return (struct verdict){
        .action = ACTION_DROP, .reply = {554, "5.7.1", slice_of(words->reply)}, .reason = words->reason};
}

static struct verdict judge(struct check_call *call, bool notes)
{
    const struct session *s = call->session;
    struct listed_entry entry;
    char why[LISTED_REASON_MAX];
    if (s->setup->board == NULL || s->client.kind != ENDPOINT_IP)
        return VERDICT_NONE;
    switch (listed_find(s->setup->board->listed, &s->client.address, clock_wall(), &entry, why)) {
    case LISTED_BLOCKED:
        return block_it(call->session_memory, why);
    case LISTED_ALLOWED:
        if (notes)
            note(call, "allowed%s%s", why[0] != '\0' ? ": " : "", why);
        return (struct verdict){.allow = true};
    case LISTED_NOT:
        break;
    }
    return VERDICT_NONE;
}

/* Where a handshake comes first of all it is more than who is blocked should cost. Sessions that are under way go on.
 */
static struct verdict judge_tls(struct check_call *call)
{
    bool comes_first = call->session->options->tls.mode == TLS_MODE_IMPLICIT;
    return comes_first ? judge(call, false) : VERDICT_NONE;
}

static struct verdict judge_client(struct check_call *call)
{
    return judge(call, true);
}

extern const struct check check_listed;
const struct check check_listed = {
    .name = "listed",
    .options = &block,
    .session_bytes = sizeof(struct words),
    .judge = {[STAGE_TLS] = judge_tls, [STAGE_CONNECT] = judge_client},
};
