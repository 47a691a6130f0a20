/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <string.h>

#include "workers/report.h"
#include "workers/transaction.h"
#include "workers/xforward.h"

void transaction_begin(struct session *s)
{
    struct transaction *t = &s->transaction;
    if (t->begun) { /* what was found of it goes with it */
        s->score -= t->score;
        s->watched_score -= t->watched_score;
        notes_drop(&s->notes, t->first_note);
    }
    memset(t, 0, offsetof(struct transaction, sender_text));
    buffer_init(&t->recipients, t->recipients_text, sizeof(t->recipients_text));
    buffer_init(&t->refused, t->refused_text, sizeof(t->refused_text));
    buffer_init(&t->reply, t->reply_text, sizeof(t->reply_text));
    check_begin_transaction(s);
}

const char *transaction_refusal(const struct reply *reply)
{
    return reply_class(reply) == 4 ? "deferred" : "refused";
}

void transaction_note_reply(struct session *s, const struct reply *reply, const char *reason)
{
    struct transaction *t = &s->transaction;
    buffer_clear(&t->reply);
    buffer_put_number(&t->reply, (uint64_t)reply->code, 3);
    buffer_put_char(&t->reply, ' ');
    buffer_put_text(&t->reply, reply->enhanced);
    if (reply->enhanced[0] != '\0')
        buffer_put_char(&t->reply, ' ');
    struct slice text = reply->text;
    if (text.size > buffer_room(&t->reply))
        text.size = buffer_room(&t->reply);
    buffer_put(&t->reply, text);
    if (reason != NULL)
        t->reason = reason;
}

void transaction_tell_refusal(struct session *s, const struct reply *reply)
{
    if (reply_class(reply) == 5)
        check_tell(s, EVENT_REFUSAL, 1);
}

/* What the client heard was 4yz. */
static bool is_put_off(const char *verdict)
{
    static const char *const verdicts[] = {"deferred", "lost", "unknown"};
    for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
        if (strcmp(verdict, verdicts[i]) == 0)
            return true;
    return false;
}

void transaction_close(struct session *s, const char *verdict)
{
    if (!s->transaction.begun)
        return;
    if (s->transaction.verdict == NULL)
        s->transaction.verdict = verdict;
    report_transaction(s);
    struct outcome outcome = {.kind = OUTCOME_TRANSACTION, .deferred = is_put_off(s->transaction.verdict)};
    check_learn(s, &outcome, NULL);
    xforward_forget(s);
    transaction_begin(s);
}
