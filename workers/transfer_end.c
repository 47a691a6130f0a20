/* SPDX-License-Identifier: ISC
 *
 * The end of a transfer: the dot, inside's answer to it, and what follows from that.
 */
#include <string.h>

#include "common/clock.h"

#include "workers/report.h"
#include "workers/transaction.h"
#include "workers/transfer_internal.h"
#include "workers/translate.h"

/* Up to the very end: what is still to go before the word that ends the message. Inside must have said nothing yet. */
static bool is_ready(struct transfer *t)
{
    transfer_end_header(t);
    transfer_begin_message(t, slice_of("")); /* an empty message has had no run */
    if (t->framing == FRAMING_BINARY && t->count > 0)
        transfer_forward(t);
    if (!t->refused && stream_input(&t->s->inside.stream) != INPUT_NONE)
        transfer_hear_unasked(t);
    return !t->refused;
}

/* inside answers, or is lost, which leaves the one doubt that SMTP has (RFC 1047). */
static void hear_answer(struct transfer *t)
{
    struct session *s = t->s;
    struct reply reply;
    int64_t deadline = clock_deadline(s->inside.backend->final_timeout_ms);
    transcript_hold(&s->transcript);
    s->inside.hushed = true;
    s->inside.unsaid = LEVEL_DEBUG;
    if (inside_hear(&s->inside, EXPECT_25X, deadline, &reply) == ASKED_ANSWERED) {
        t->answer = translate(&reply);
        t->delivered = reply_class(&reply) == 2;
        t->verdict = t->delivered ? "delivered" : transaction_refusal(&reply);
        return;
    }
    t->answer = REPLY_INSIDE_LOST;
    t->verdict = "unknown";
    s->transaction.reason = s->inside.trouble;
}

/* Everybody agreed. The last data and the dot leave in one write (in BDAT the dot is a command of its own, L2), and the
 * answer is awaited even if the outside is gone (L9). */
static void commit(struct transfer *t)
{
    struct session *s = t->s;
    if (!is_ready(t))
        return;
    session_move(s, PHASE_COMMIT);
    transcript_data(&s->transcript, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, s->transaction.body.size);
    transfer_add(t, slice_of(t->framing == FRAMING_BINARY ? "BDAT 0 LAST\r\n" : ".\r\n"));
    wait_dismiss(s->setup->wait, &s->outside_watch);
    transfer_write(t);
    transfer_watch(t, false);
    if (!t->refused)
        hear_answer(t);
}

static void remember_queue_id(struct transaction *mail, struct slice id)
{
    size_t size = id.size < QUEUE_ID_MAX ? id.size : QUEUE_ID_MAX - 1;
    memcpy(mail->queue_id, id.at, size);
    mail->queue_id[size] = '\0';
}

static bool has_hung_up(struct session *s)
{
    enum input input = stream_input(&s->outside);
    return input == INPUT_END || input == INPUT_LOST;
}

/* The doubt of RFC 1047: inside has answered, and the client, who did not hear it, may send the message again. */
static void note_unheard(struct session *s)
{
    s->unheard++;
    if (s->transaction.reason == NULL)
        s->transaction.reason = "the client had hung up before the answer";
}

/* First the answer leaves, then everything else (L1). */
static void conclude(struct transfer *t)
{
    struct session *s = t->s;
    if (t->dropped != NULL)
        session_end(s, t->dropped);
    session_reply(s, &t->answer);
    enum io heard = session_flush(s);
    wait_invite(s->setup->wait, &s->outside_watch);
    inside_unhush(&s->inside);
    s->transaction.open_inside = false;
    s->inside.forwarded = 0;
    if (heard != IO_OK || has_hung_up(s))
        note_unheard(s);
    if (t->delivered) {
        s->messages++;
        s->deeds.delivered += !s->transaction.exempt; /* whoever may write to postmaster is no better for it */
        s->idle_commands = 0;
        lookups_renew_time(&s->lookups);
        s->dawdled_ms = 0;
    } else {
        s->refused_messages++;
        s->deeds.refused_messages += reply_class(&t->answer) == 5;
    }
    struct outcome outcome = {.kind = OUTCOME_MESSAGE, .reply = &t->answer, .delivered = t->delivered};
    if (t->delivered)
        remember_queue_id(&s->transaction, report_queue_id(t->answer.text));
    transaction_note_reply(s, &t->answer, NULL);
    transaction_tell_refusal(s, &t->answer);
    check_learn(s, &outcome, NULL);
    transaction_close(s, t->verdict);
    session_move(s, PHASE_HELLO);
}

void transfer_end(struct transfer *t)
{
    if (!t->refused)
        commit(t);
    transfer_watch(t, false);
    conclude(t);
}
