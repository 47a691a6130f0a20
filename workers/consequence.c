/* SPDX-License-Identifier: ISC */
#include "workers/consequence.h"

#include <string.h>

#include "common/config.h"

enum { DEFERRED = 450 };

static struct reply later(struct reply reply)
{
    reply.code = DEFERRED;
    reply.enhanced[0] = '4';
    return reply;
}

struct verdict consequence_of(const struct finding *finding, int consequence, int64_t score, const char *text)
{
    static const enum action actions[] = {[ACCEPTS] = ACTION_NONE,
                                          [SCORES] = ACTION_NONE,
                                          [DEFERS] = ACTION_DEFER,
                                          [REJECTS] = ACTION_REJECT,
                                          [DROPS] = ACTION_DROP};
    struct verdict verdict = {.action = actions[consequence], .reply = finding->reply, .reason = finding->reason};
    if (consequence == SCORES)
        verdict.score = (int)score;
    if (consequence == DEFERS)
        verdict.reply = later(verdict.reply);
    if (text != NULL)
        verdict.reply.text = slice_of(text);
    return verdict;
}

bool consequence_check_text(struct config *config, const void *filled, const char *option, const char *text)
{
    size_t size = text != NULL ? strlen(text) : 1;
    return (size > 0 && size <= CONSEQUENCE_TEXT_MAX) ||
           config_refuse(config, filled, option, "has %zu characters; allowed: 1 to %d", size, CONSEQUENCE_TEXT_MAX);
}
