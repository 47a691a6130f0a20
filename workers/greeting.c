/* SPDX-License-Identifier: ISC */
#include "workers/decide.h"
#include "workers/greeting.h"

static const struct reply REPLY_NOT_AVAILABLE = REPLY(421, "4.3.2", "Service not available now, try again later");

/* The classic synchronous proxy reaches inside before it greets. False: *reply_out is said instead, if anybody hears.
 */
static bool reach_inside_first(struct session *s, struct reply *reply_out)
{
    struct reply unused;
    *reply_out = REPLY_NOT_AVAILABLE;
    if (s->options->backend->connect != CONNECT_AT_GREETING || s->client_untold || decide_refuses_all(s))
        return true;
    switch (inside_reach(&s->inside, &unused)) {
    case ASKED_ANSWERED:
        return true;
    case ASKED_LOST:
        session_end(s, "inside cannot be reached");
        return false;
    case ASKED_GONE:
        session_end(s, "client hung up");
        return false;
    }
    return false;
}

/* Whatever delayed the banner: who did not wait for it is known after. */
static bool pass_connect(struct session *s, struct reply *reply_out)
{
    int64_t held_before = s->held_ms;
    s->spoke_early = false;
    if (!decide_stage(s, STAGE_CONNECT, NULL, reply_out))
        return false;
    if (s->held_ms > held_before && !s->spoke_early)
        s->spoke_early = stream_input(&s->outside) == INPUT_SOME;
    return true;
}

struct reply greeting_find(struct session *s)
{
    struct reply reply;
    if (!pass_connect(s, &reply) || !decide_stage(s, STAGE_GREETING, NULL, &reply)) {
        session_end(s, s->transaction.reason);
        return reply;
    }
    s->at_greeting = (struct known){s->notes.count, s->score, s->watched_score, s->allowed, s->results};
    if (!reach_inside_first(s, &reply))
        return reply;
    buffer_init(&s->said, s->said_text, sizeof(s->said_text));
    buffer_print(&s->said, "%s ESMTP", s->service->hostname);
    return (struct reply){220, "", buffer_unread(&s->said)};
}
