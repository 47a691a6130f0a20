/* SPDX-License-Identifier: ISC
 *
 * The inside's end of a transfer: what was gathered is judged, then carried inside, which may speak up meanwhile.
 */
#include <poll.h>
#include <string.h>

#include "common/clock.h"

#include "workers/decide.h"
#include "workers/kill_switch.h"
#include "workers/pressure.h"
#include "workers/transaction.h"
#include "workers/transfer_internal.h"
#include "workers/translate.h"

static const struct reply REPLY_BARE =
    REPLY(550, "5.6.0", "The message has a CR or LF that stands alone; lines end with CR LF");
static const struct reply REPLY_NUL = REPLY(550, "5.6.0", "The message has a NUL character");
static const struct reply REPLY_TOO_BIG = REPLY(552, "5.3.4", "Message too big");
static const struct reply REPLY_SLOW = REPLY(421, "4.4.2", "Timeout in the message, closing the connection");

enum { EARLY_WAIT_MS = 10000 };

/* Under TLS what came may hold no data, a session ticket say: no news then, and it has been read away. */
static enum io inside_woken(struct wait_guest *guest, short revents)
{
    struct stream *stream = guest->context;
    (void)revents;
    return stream->tls != NULL && stream_input(stream) == INPUT_NONE ? IO_OK : IO_EARLY;
}

void transfer_watch(struct transfer *t, bool on)
{
    struct wait *wait = t->s->setup->wait;
    if (!on) {
        wait_dismiss(wait, &t->inside_watch);
        return;
    }
    struct stream *stream = &t->s->inside.stream;
    t->inside_watch = (struct wait_guest){stream->fd, POLLIN, inside_woken, stream, false};
    wait_invite(wait, &t->inside_watch);
}

/* It is said again to later chunks, when its text may be gone from where it lies. */
void transfer_keep_answer(struct transfer *t, const struct reply *answer)
{
    char *kept = t->s->transaction.answer_text;
    size_t size = answer->text.size < ANSWER_TEXT_MAX ? answer->text.size : ANSWER_TEXT_MAX;
    t->answer = *answer;
    if (t->framing == FRAMING_DATA)
        return;
    memcpy(kept, answer->text.at, size);
    t->answer.text = slice_make(kept, size);
}

/* No octet goes inside any more: its connection is broken off, no dot ever goes there. The first refusal counts. */
static void refuse(struct transfer *t, const struct reply *answer, const char *verdict, const char *reason)
{
    if (t->refused)
        return;
    t->refused = true;
    transfer_keep_answer(t, answer);
    t->verdict = verdict;
    t->count = 0;
    if (reason != NULL)
        t->s->transaction.reason = reason;
    transfer_watch(t, false);
    inside_break_off(&t->s->inside);
}

void transfer_lose_client(struct transfer *t, const char *why)
{
    session_end(t->s, why);
    t->s->deeds.left_message |= !kill_switch_is_pulled();
    refuse(t, &REPLY_INSIDE_LOST, "aborted", t->s->ending); /* which knows of posternctl's kill */
}

void transfer_time_out(struct transfer *t)
{
    refuse(t, &REPLY_SLOW, "aborted", "timeout in the message");
    bool own = t->patience_ms <= 0 || clock_ms() >= t->deadline_ms;
    t->dropped = own ? "timeout in a message" : "timeout under stress";
}

void transfer_make_room(struct transfer *t)
{
    refuse(t, &REPLY_BUSY, "aborted", MADE_ROOM);
    t->dropped = MADE_ROOM;
    pressure_note(t->s);
}

void transfer_hear_early(struct transfer *t)
{
    struct reply reply;
    int64_t since = clock_ms();
    transfer_watch(t, false);
    enum asked asked = inside_hear(&t->s->inside, EXPECT_25X, clock_deadline(EARLY_WAIT_MS), &reply);
    t->deadline_ms += clock_ms() - since; /* nobody read the outside meanwhile, which may have been in time */
    switch (asked) {
    case ASKED_ANSWERED:
        if (reply_class(&reply) == 2) {
            refuse(t, &REPLY_INSIDE_LOST, "lost", "inside said 2xx before the dot");
            return;
        }
        reply = translate(&reply);
        refuse(t, &reply, transaction_refusal(&reply), "inside refused in the middle of the message");
        return;
    case ASKED_LOST:
        refuse(t, &reply, "lost", t->s->inside.trouble);
        return;
    case ASKED_GONE:
        transfer_lose_client(t, "client hung up in the message");
        return;
    }
}

/* In BDAT every command inside has had its answer while the outside is read: what comes then answers nothing, and is no
 * refusal of the message (L1). */
void transfer_hear_unasked(struct transfer *t)
{
    struct reply reply;
    if (t->framing != FRAMING_BINARY) {
        transfer_hear_early(t);
        return;
    }
    transfer_watch(t, false);
    if (!inside_line(&t->s->inside, &reply))
        refuse(t, &reply, "lost", t->s->inside.trouble);
}

/* -- judging what was gathered, before any of it goes inside -- */

static void judge_stage(struct transfer *t, enum stage stage)
{
    struct verdict verdict = decide_message(t->s, stage);
    if (!verdict_refuses(&verdict))
        return;
    refuse(t, &verdict.reply, transaction_refusal(&verdict.reply), verdict.reason);
    if (verdict.action == ACTION_DROP)
        t->dropped = verdict.reason;
}

uint64_t transfer_size_limit(const struct session *s)
{
    uint64_t own = (uint64_t)s->rules.message_size_limit, inside = s->inside.offers.numbers[NUMBER_SIZE];
    if (own == 0 || inside == 0)
        return own + inside;
    return own < inside ? own : inside;
}

void transfer_weigh(struct transfer *t, uint64_t more)
{
    uint64_t limit = transfer_size_limit(t->s), size = t->s->transaction.body.size;
    if (limit != 0 && more > limit - (size < limit ? size : limit))
        refuse(t, &REPLY_TOO_BIG, "refused", "too big");
}

void transfer_judge(struct transfer *t, bool ended)
{
    struct transaction *mail = &t->s->transaction;
    uint64_t limit = transfer_size_limit(t->s);
    if (mail->body.fault != BODY_FINE) {
        const struct reply *why = mail->body.fault == BODY_NUL ? &REPLY_NUL : &REPLY_BARE;
        refuse(t, why, "refused", body_fault_name(mail->body.fault));
    }
    if (limit != 0 && mail->body.size > limit)
        refuse(t, &REPLY_TOO_BIG, "refused", "too big");
    if (!t->refused && !t->header_judged && (mail->header.ended || ended)) {
        t->header_judged = true;
        judge_stage(t, STAGE_HEADER);
    }
    if (!t->refused && ended)
        judge_stage(t, STAGE_MESSAGE);
}

/* -- forwarding -- */

void transfer_write(struct transfer *t)
{
    struct stream *stream = &t->s->inside.stream;
    int64_t deadline = clock_deadline(t->s->inside.backend->block_timeout_ms);
    if (t->deadline_ms < deadline)
        deadline = t->deadline_ms;
    enum io io = stream_write(stream, t->pieces, t->count, deadline);
    t->count = 0;
    switch (io) {
    case IO_OK:
        return;
    case IO_EARLY:
    case IO_END:
    case IO_LOST: /* it may have answered before it closed */
        transfer_hear_early(t);
        return;
    case IO_GONE:
        transfer_lose_client(t, "client hung up in the message");
        return;
    case IO_LATE:
    case IO_ROOM: /* nobody gives way while inside is waited for */
    case IO_TOO_LONG:
        if (clock_ms() >= t->deadline_ms)
            transfer_time_out(t);
        else
            refuse(t, &REPLY_INSIDE_LOST, "lost", "inside does not read the message");
        return;
    }
}

/* What inside answers to a chunk of ours. Its refusal, or loss, is that of the message. */
static void hear_chunk(struct transfer *t)
{
    struct reply reply;
    struct inside *in = &t->s->inside;
    switch (inside_hear(in, EXPECT_25X, inside_sooner(t->deadline_ms, in->backend->block_timeout_ms), &reply)) {
    case ASKED_ANSWERED:
        if (reply_class(&reply) == 2)
            return;
        reply = translate(&reply);
        refuse(t, &reply, transaction_refusal(&reply), "inside refused in the middle of the message");
        return;
    case ASKED_LOST:
        refuse(t, &reply, "lost", in->trouble);
        return;
    case ASKED_GONE:
        transfer_lose_client(t, "client hung up in the message");
        return;
    }
}

/* A command inside, and so nothing unasked may be there before it (L1). LAST is never said with octets (L2). */
static void write_chunk(struct transfer *t)
{
    struct inside *in = &t->s->inside;
    struct reply reply;
    size_t size = 0;
    for (int i = 0; i < t->count; i++)
        size += t->pieces[i].iov_len;
    transfer_watch(t, false);
    if (!inside_line(in, &reply)) {
        refuse(t, &reply, "lost", in->trouble);
        return;
    }
    buffer_print(&in->stream.out, "BDAT %zu\r\n", size);
    transcript_lines(&t->s->transcript, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, buffer_unread(&in->stream.out));
    transfer_write(t);
    if (!t->refused)
        hear_chunk(t);
    if (!t->refused)
        transfer_watch(t, true);
}

void transfer_forward(struct transfer *t)
{
    if (t->framing == FRAMING_BINARY)
        write_chunk(t);
    else
        transfer_write(t);
}
