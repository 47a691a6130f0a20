/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "workers/greeting.h"

static const struct reply REPLY_NOT_AVAILABLE = REPLY(421, "4.3.2", "Service not available now, try again later");

/* The classic synchronous proxy reaches inside before it greets. */
static bool reach_inside_first(struct session *s)
{
    struct reply unused;
    if (s->options->backend->connect != CONNECT_AT_GREETING || s->client_untold)
        return true;
    switch (inside_reach(&s->inside, &unused)) {
    case ASKED_ANSWERED:
        return true;
    case ASKED_LOST:
        session_end(s, "inside cannot be reached");
        session_reply(s, &REPLY_NOT_AVAILABLE);
        return false;
    case ASKED_GONE:
        session_end(s, "client hung up");
        return false;
    }
    return false;
}

void greeting_say(struct session *s)
{
    struct verdict verdict = check_stage(s, STAGE_CONNECT, NULL);
    s->at_greeting = (struct known){s->notes.count, s->score, s->allowed};
    if (verdict_refuses(&verdict)) {
        session_end(s, verdict.reason);
        session_reply(s, &verdict.reply);
        return;
    }
    if (!reach_inside_first(s))
        return;
    char text[300];
    int size = snprintf(text, sizeof(text), "%s ESMTP", s->service->hostname);
    struct reply hello = {220, "", slice_make(text, (size_t)size)};
    session_reply(s, &hello);
}
