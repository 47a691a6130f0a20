/* SPDX-License-Identifier: ISC */
#include <poll.h>
#include <string.h>

#include "common/clock.h"
#include "workers/report.h"
#include "workers/trace.h"
#include "workers/transaction.h"
#include "workers/transfer.h"
#include "workers/translate.h"

static const struct reply REPLY_BARE =
    REPLY(550, "5.6.0", "The message has a CR or LF that stands alone; lines end with CR LF");
static const struct reply REPLY_NUL = REPLY(550, "5.6.0", "The message has a NUL character");
static const struct reply REPLY_TOO_BIG = REPLY(552, "5.3.4", "Message too big");
static const struct reply REPLY_SLOW = REPLY(421, "4.4.2", "Timeout in the message, closing the connection");

enum { PIECES = 15, EARLY_WAIT_MS = 10000 };
static const uint64_t DRAIN_MAX_BYTES = UINT64_C(256) << 20;

struct transfer {
    struct session *s;
    struct wait_guest inside_watch;
    int64_t deadline_ms;             /* of the whole message */
    struct iovec pieces[PIECES + 1]; /* gathered, not yet written; room for the dot */
    int count;
    uint64_t drained_bytes; /* read since the refusal */
    bool begun;             /* the first run was seen */
    bool header_judged;
    bool refused; /* no octet goes inside any more; `answer` is said at the real end */
    struct reply answer;
    const char *verdict;
    bool delivered;
    const char *dropped; /* why the session ends with the answer, too */
    struct buffer received;
    char received_text[RECEIVED_MAX];
};

/* Under TLS what came may hold no data, a session ticket say: no news then, and it has been read away. */
static enum io inside_woken(struct wait_guest *guest, short revents)
{
    struct stream *stream = guest->context;
    (void)revents;
    return stream->tls != NULL && stream_input(stream) == INPUT_NONE ? IO_OK : IO_EARLY;
}

static void watch(struct transfer *t, bool on)
{
    struct wait *wait = t->s->setup->wait;
    if (!on) {
        wait_dismiss(wait, &t->inside_watch);
        return;
    }
    struct stream *stream = &t->s->inside.stream;
    t->inside_watch = (struct wait_guest){stream->fd, POLLIN, inside_woken, stream};
    wait_invite(wait, &t->inside_watch);
}

/* The inside connection is broken off: no dot ever goes there. */
static void refuse(struct transfer *t, const struct reply *answer, const char *verdict, const char *reason)
{
    if (t->refused)
        return;
    t->refused = true;
    t->answer = *answer;
    t->verdict = verdict;
    t->count = 0;
    if (reason != NULL)
        t->s->transaction.reason = reason;
    watch(t, false);
    inside_break_off(&t->s->inside);
}

static void lose_client(struct transfer *t, const char *why)
{
    session_end(t->s, why);
    refuse(t, &REPLY_INSIDE_LOST, "aborted", t->s->ending); /* which knows of posternctl's kill */
}

static void time_out(struct transfer *t)
{
    refuse(t, &REPLY_SLOW, "aborted", "timeout in the message");
    t->dropped = "timeout in a message";
}

/* Inside spoke, or its connection failed, before the dot: a refusal is its answer, all else is a fault. */
static void hear_early(struct transfer *t)
{
    struct reply reply;
    watch(t, false);
    switch (inside_hear(&t->s->inside, EXPECT_25X, clock_deadline(EARLY_WAIT_MS), &reply)) {
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
        lose_client(t, "client hung up in the message");
        return;
    }
}

/* -- judging what was gathered, before any of it goes inside -- */

static void judge_stage(struct transfer *t, enum stage stage)
{
    struct verdict verdict = check_stage(t->s, stage, NULL);
    if (!verdict_refuses(&verdict))
        return;
    refuse(t, &verdict.reply, transaction_refusal(&verdict.reply), verdict.reason);
    if (verdict.action == ACTION_DROP)
        t->dropped = verdict.reason;
}

/* Ours, or what inside said on this very connection, if that is smaller; 0: none. */
static uint64_t size_limit(const struct session *s)
{
    uint64_t own = (uint64_t)s->options->message_size_limit, inside = s->inside.offers.numbers[NUMBER_SIZE];
    if (own == 0 || inside == 0)
        return own + inside;
    return own < inside ? own : inside;
}

static void judge(struct transfer *t, bool ended)
{
    struct transaction *mail = &t->s->transaction;
    uint64_t limit = size_limit(t->s);
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

static void write_inside(struct transfer *t)
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
        hear_early(t);
        return;
    case IO_GONE:
        lose_client(t, "client hung up in the message");
        return;
    case IO_LATE:
    case IO_TOO_LONG:
        if (clock_ms() >= t->deadline_ms)
            time_out(t);
        else
            refuse(t, &REPLY_INSIDE_LOST, "lost", "inside does not read the message");
        return;
    }
}

static void add_piece(struct transfer *t, struct slice octets)
{
    t->pieces[t->count++] = (struct iovec){.iov_base = (void *)(uintptr_t)octets.at, .iov_len = octets.size};
}

/* Received goes on top, but never before a first line that begins with a blank: that would become part of it (L10). */
static void begin_message(struct transfer *t, struct slice first)
{
    bool blank = first.size > 0 && (first.at[0] == ' ' || first.at[0] == '\t');
    if (t->begun)
        return;
    t->begun = true;
    buffer_init(&t->received, t->received_text, sizeof(t->received_text));
    if (t->s->options->received && !blank && trace_received(&t->received, t->s, clock_wall()))
        add_piece(t, buffer_unread(&t->received));
}

static void gather(struct transfer *t, struct slice run)
{
    if (t->refused)
        return;
    begin_message(t, run);
    if (t->count == PIECES) {
        judge(t, false);
        if (!t->refused)
            write_inside(t);
        if (t->refused)
            return;
    }
    add_piece(t, run);
}

/* What is unread of the outside goes through the state machine and, if nothing speaks against it, inside. What the
 * message's end leaves of it are commands. True at the end. The gathered last pieces stay for the dot. */
static bool take_input(struct transfer *t)
{
    struct stream *outside = &t->s->outside;
    struct transaction *mail = &t->s->transaction;
    struct slice input = buffer_unread(&outside->in), rest = input, run;
    enum body_event event;
    while ((event = body_next(&mail->body, &rest, &run)) == BODY_RUN) {
        if (!mail->header.ended)
            header_feed(&mail->header, run);
        gather(t, run);
    }
    judge(t, event == BODY_END);
    if (event == BODY_MORE && !t->refused && t->count > 0)
        write_inside(t);
    if (t->refused)
        t->drained_bytes += input.size - rest.size;
    buffer_consume(&outside->in, input.size - rest.size); /* the octets stay where they are until the next read */
    return event == BODY_END;
}

static void fill(struct transfer *t)
{
    struct session *s = t->s;
    int64_t deadline = clock_deadline(s->options->data_timeout_ms);
    switch (stream_fill(&s->outside, deadline < t->deadline_ms ? deadline : t->deadline_ms)) {
    case IO_OK:
        return;
    case IO_EARLY:
        hear_early(t);
        return;
    case IO_LATE:
        time_out(t);
        return;
    case IO_END:
    case IO_LOST:
    case IO_GONE:
    case IO_TOO_LONG:
        lose_client(t, "client hung up in the message");
        return;
    }
}

static uint64_t drain_limit(const struct session *s)
{
    uint64_t limit = size_limit(s);
    return limit > DRAIN_MAX_BYTES ? limit : DRAIN_MAX_BYTES;
}

/* A refusal that nobody should read on for: by drop or time-out, or after more than is reasonable. */
static void cut_short(struct transfer *t)
{
    struct session *s = t->s;
    if (!t->refused || s->phase == PHASE_CLOSED)
        return;
    if (t->dropped == NULL && t->drained_bytes <= drain_limit(s))
        return;
    session_end(s, t->dropped != NULL ? t->dropped : "too much after a refusal");
    session_reply(s, &t->answer);
}

/* Until the outside's end of data. False when it did not come to that: the session is over. */
static bool read_message(struct transfer *t)
{
    while (t->s->phase != PHASE_CLOSED) {
        if (buffer_unread(&t->s->outside.in).size == 0)
            fill(t);
        else if (take_input(t))
            return true;
        cut_short(t);
    }
    return false;
}

/* -- the dot -- */

/* Everybody agreed. Inside must have said nothing yet; then the last data and the dot leave in one write, and its
 * answer is awaited even if the outside is gone (L9). */
static void commit(struct transfer *t)
{
    struct session *s = t->s;
    struct reply reply;
    if (stream_input(&s->inside.stream) != INPUT_NONE) {
        hear_early(t);
        return;
    }
    session_move(s, PHASE_COMMIT);
    transcript_data(&s->transcript, TRANSCRIPT_SERVER, TRANSCRIPT_OUT, s->transaction.body.size);
    begin_message(t, slice_of("")); /* an empty message has had no run */
    add_piece(t, slice_of(".\r\n"));
    wait_dismiss(s->setup->wait, &s->outside_watch);
    write_inside(t);
    watch(t, false);
    if (t->refused)
        return;
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
    t->verdict = "unknown"; /* inside may have accepted it: the one doubt that SMTP leaves (RFC 1047) */
    s->transaction.reason = s->inside.trouble;
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
    if (heard != IO_OK || has_hung_up(s))
        note_unheard(s);
    if (t->delivered) {
        s->messages++;
        s->idle_commands = 0;
    } else {
        s->refused_messages++;
    }
    struct outcome outcome = {.kind = OUTCOME_MESSAGE, .reply = &t->answer, .delivered = t->delivered};
    if (t->delivered)
        remember_queue_id(&s->transaction, report_queue_id(t->answer.text));
    transaction_note_reply(s, &t->answer, NULL);
    check_learn(s, &outcome, NULL);
    transaction_close(s, t->verdict);
    session_move(s, PHASE_HELLO);
}

void transfer_streamed(struct session *s)
{
    struct transfer t = {.s = s, .deadline_ms = clock_deadline(s->options->message_timeout_ms)};
    s->transaction.reason = NULL;    /* of a recipient that was refused: now it is about the message */
    if (session_flush(s) != IO_OK) { /* our 354; later no write outside may be ended by what inside says */
        inside_break_off(&s->inside);
        transaction_close(s, "aborted");
        return;
    }
    session_move(s, PHASE_MESSAGE);
    watch(&t, true);
    if (!read_message(&t)) {
        struct outcome outcome = {.kind = OUTCOME_MESSAGE};
        watch(&t, false);
        check_learn(s, &outcome, NULL);
        transaction_close(s, t.verdict);
        return;
    }
    transcript_data(&s->transcript, TRANSCRIPT_CLIENT, TRANSCRIPT_IN, s->transaction.body.size);
    if (!t.refused)
        commit(&t);
    watch(&t, false);
    conclude(&t);
}
