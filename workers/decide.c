/* SPDX-License-Identifier: ISC */
#include "workers/decide.h"
#include "workers/tarpit.h"

static const struct reply REPLY_NOTHING = {0};

bool decide_stage(struct session *s, enum stage stage, const struct path *recipient, struct reply *reply_out)
{
    struct verdict verdict = check_stage(s, stage, recipient);
    *reply_out = REPLY_NOTHING;
    if (verdict.delay_ms > 0 && tarpit_hold(s, verdict.delay_ms, verdict.listens) == HELD_ENDED)
        return false;
    if (!verdict_refuses(&verdict))
        return true;
    *reply_out = verdict.reply;
    s->transaction.reason = verdict.reason;
    if (verdict.action == ACTION_DROP)
        session_end(s, verdict.reason);
    return false;
}
