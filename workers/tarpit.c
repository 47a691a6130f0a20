/* SPDX-License-Identifier: ISC */
#include "common/clock.h"

#include "workers/tarpit.h"

enum held tarpit_hold(struct session *s, int64_t ms, bool until_input)
{
    (void)until_input;
    if (session_flush(s) != IO_OK)
        return HELD_ENDED;
    if (wait_for(s->setup->wait, -1, 0, clock_deadline(ms)) == IO_LATE)
        return HELD_OVER;
    session_end(s, "client hung up");
    return HELD_ENDED;
}

void tarpit_reply(struct session *s, const struct reply *reply)
{
    session_reply(s, reply);
}

void tarpit_pace(struct session *s)
{
    (void)s;
}
