/* SPDX-License-Identifier: ISC */
#include "common/clock.h"

#include "workers/pressure.h"
#include "workers/stress.h"
#include "workers/tarpit.h"
#include "workers/transaction.h"
#include "workers/transfer_internal.h"

enum { MS_PER_S = 1000, BEHIND_MS = 1000 };
static const uint64_t DRAIN_MAX_BYTES = UINT64_C(256) << 20;

/* Octets through the state machine, as far as they belong to the message. True at its end. */
static bool take_lines(struct transfer *t, struct slice *input)
{
    struct body *body = &t->s->transaction.body;
    struct slice run;
    enum body_event event;
    while ((event = body_next(body, input, &run)) == BODY_RUN)
        transfer_gather(t, run);
    return event == BODY_END;
}

static void take_binary(struct transfer *t, struct slice *input)
{
    t->s->transaction.body.size += input->size;
    transfer_gather(t, *input);
    slice_drop(input, input->size);
}

/* Behind the last octet of a chunk: does the message end with it? What it lacks of a line end is added. */
static bool ends_with_chunk(struct transfer *t)
{
    struct slice run;
    if (t->framing == FRAMING_DATA || t->chunk_left > 0 || !t->is_last)
        return false;
    if (t->framing == FRAMING_CHUNKS && body_finish(&t->s->transaction.body, &run) == BODY_RUN)
        transfer_gather(t, run);
    return true;
}

/* What is unread of the outside, and may belong to the message: by DATA its end is not seen yet. */
static struct slice unread_of(const struct transfer *t)
{
    struct slice input = buffer_unread(&t->s->outside.in);
    if (t->framing != FRAMING_DATA && input.size > t->chunk_left)
        input.size = (size_t)t->chunk_left;
    return input;
}

/* It goes inside if nothing speaks against it. What the message's end leaves are commands. True at the end. The
 * gathered last pieces stay for the dot. */
static bool take_input(struct transfer *t)
{
    struct stream *outside = &t->s->outside;
    struct slice input = unread_of(t), rest = input;
    bool ended = false;
    if (t->framing == FRAMING_BINARY)
        take_binary(t, &rest);
    else
        ended = take_lines(t, &rest);
    size_t taken = input.size - rest.size;
    if (t->framing != FRAMING_DATA)
        t->chunk_left -= taken;
    ended = ended || ends_with_chunk(t);
    transfer_judge(t, ended);
    if (!ended && !t->refused && t->count > 0)
        transfer_forward(t);
    if (t->refused)
        t->drained_bytes += taken;
    buffer_consume(&outside->in, taken); /* the octets stay where they are until the next read */
    return ended;
}

/* What was waited is taken off the client's time, what came gives of it: who sends slower than the least rate runs out
 * of it, however small the pieces are. */
static void count_time(struct transfer *t, int64_t waited_ms, uint64_t came)
{
    int64_t most = t->s->options->data_timeout_ms, rate = t->s->options->min_data_rate;
    t->patience_ms -= waited_ms;
    if (came == 0)
        return;
    int64_t missing = most - t->patience_ms;
    if (rate == 0 || came >= (uint64_t)(missing * rate / MS_PER_S))
        t->patience_ms = most;
    else
        t->patience_ms += (int64_t)came * MS_PER_S / rate;
}

/* Who is so far behind the least rate gives way to others; who gets on does not. */
static int64_t left_until_behind(const struct transfer *t)
{
    int64_t left = BEHIND_MS - (t->s->options->data_timeout_ms - t->patience_ms);
    return left > 0 && pressure_may_ask(t->s) ? left : 0;
}

/* Of who is throttled no more than can be paid for soon: inside is not to wait for long. */
static enum io fill_portion(struct session *s, int64_t deadline_ms)
{
    size_t portion = tarpit_portion(s);
    return portion > 0 ? stream_fill_within(&s->outside, portion, deadline_ms) : stream_fill(&s->outside, deadline_ms);
}

/* Until something comes, or it is time to look whether others wait for the room. */
static enum io fill_a_while(struct transfer *t)
{
    struct session *s = t->s;
    int64_t began = clock_ms(), deadline = inside_sooner(t->deadline_ms, t->patience_ms);
    int64_t look = stress_look_at(s, deadline), left = left_until_behind(t);
    uint64_t before = s->outside.received_bytes;
    if (left == 0) /* it may be for a moment only, again and again */
        pressure_give_way_at_once(s);
    enum io io = fill_portion(s, left > 0 ? inside_sooner(look, left) : look);
    pressure_keep_room(s);
    count_time(t, clock_ms() - began, s->outside.received_bytes - before);
    return io;
}

/* Has the client no time left, or less than others who wait can give it? */
static bool is_too_slow(const struct transfer *t)
{
    const struct session_options *options = t->s->options;
    if (t->patience_ms <= 0 || clock_ms() >= t->deadline_ms)
        return true;
    return options->data_timeout_ms - t->patience_ms >= options->stress_timeout_ms && stress_is_on(t->s);
}

static void heed(struct transfer *t, enum io io)
{
    switch (io) {
    case IO_OK:
        return;
    case IO_EARLY:
        transfer_hear_unasked(t);
        return;
    case IO_LATE:
        transfer_time_out(t);
        return;
    case IO_ROOM:
        transfer_make_room(t);
        return;
    case IO_END:
    case IO_LOST:
    case IO_GONE:
    case IO_TOO_LONG:
        transfer_lose_client(t, "client hung up in the message");
        return;
    }
}

static void fill(struct transfer *t)
{
    enum io io;
    /* Most messages come at once: before that there is nothing that inside could refuse. */
    t->inside_watch.patient = !t->begun;
    do {
        io = fill_a_while(t);
    } while (io == IO_LATE && !is_too_slow(t));
    if (io == IO_OK && is_too_slow(t))
        io = IO_LATE;
    if (io == IO_OK) /* this wait is ours: the client is not charged for it */
        io = tarpit_pace_message(t->s, unread_of(t).size, t->deadline_ms);
    heed(t, io);
}

static uint64_t drain_limit(const struct session *s)
{
    uint64_t limit = transfer_size_limit(s);
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

void transfer_waited(struct session *s, int64_t waited_ms, uint64_t came)
{
    struct transfer *t = &s->transaction.transfer;
    if (t->s != NULL)
        count_time(t, waited_ms, came);
}

/* The time is that of all chunks together, whatever they bring and however fast they come (L5). */
static void heed_time(struct transfer *t)
{
    if (!is_too_slow(t))
        return;
    transfer_time_out(t);
    cut_short(t);
}

static bool is_read(const struct transfer *t)
{
    return t->framing != FRAMING_DATA && t->chunk_left == 0;
}

/* Until the outside's end of data, or of the chunk. False when it did not come to that: the session is over. */
static bool read_message(struct transfer *t)
{
    while (t->s->phase != PHASE_CLOSED && !is_read(t)) {
        if (buffer_unread(&t->s->outside.in).size == 0)
            fill(t);
        else if (take_input(t))
            return true;
        cut_short(t);
    }
    return t->s->phase != PHASE_CLOSED;
}

/* It did not come to the end of the message: the session is over. */
static void abort_transfer(struct transfer *t)
{
    struct outcome outcome = {.kind = OUTCOME_MESSAGE};
    transfer_watch(t, false);
    if (t->dropped != NULL) /* and said so */
        transaction_note_reply(t->s, &t->answer, NULL);
    check_learn(t->s, &outcome, NULL);
    transaction_close(t->s, t->verdict);
}

void transfer_abandon(struct session *s)
{
    struct transfer *t = &s->transaction.transfer;
    struct outcome outcome = {.kind = OUTCOME_MESSAGE};
    if (!t->is_opened)
        return;
    if (t->refused) {
        outcome.reply = &t->answer;
        transaction_note_reply(s, &t->answer, NULL);
        transaction_tell_refusal(s, &t->answer);
        s->transaction.verdict = t->verdict;
        s->refused_messages++;
        s->deeds.refused_messages += reply_class(&t->answer) == 5;
    } else {
        inside_break_off(&s->inside); /* whatever was said now would be a line of it */
    }
    s->transaction.open_inside = false;
    check_learn(s, &outcome, NULL);
}

static struct transfer *begin(struct session *s, enum framing framing)
{
    struct transfer *t = &s->transaction.transfer;
    *t = (struct transfer){.s = s, .framing = framing, .is_opened = true};
    t->deadline_ms = clock_deadline(s->options->message_timeout_ms);
    t->patience_ms = s->options->data_timeout_ms;
    s->transaction.body.chunked = framing == FRAMING_CHUNKS;
    s->transaction.body.mends = s->rules.mends;
    transfer_begin_gathering(t);
    return t;
}

/* Replies that are due leave before anything is waited for (RFC 2920 section 3.2), and while inside cannot disturb. */
static bool outside_listens(struct session *s)
{
    if (session_flush(s) == IO_OK)
        return true;
    inside_break_off(&s->inside);
    transaction_close(s, "aborted");
    return false;
}

void transfer_streamed(struct session *s)
{
    struct transfer *t = begin(s, FRAMING_DATA);
    s->transaction.reason = NULL; /* of a recipient that was refused: now it is about the message */
    if (!outside_listens(s))
        return;
    session_move(s, PHASE_MESSAGE);
    transfer_watch(t, true);
    if (!read_message(t)) {
        abort_transfer(t);
        return;
    }
    transcript_data(&s->transcript, TRANSCRIPT_CLIENT, TRANSCRIPT_IN, s->transaction.body.size);
    transfer_end(t);
}

/* -- chunks -- */

void transfer_begin_chunks(struct session *s, enum framing framing)
{
    begin(s, framing);
    s->transaction.reason = NULL;
}

void transfer_refuse_chunks(struct session *s, const struct reply *answer)
{
    struct transfer *t = begin(s, FRAMING_CHUNKS);
    t->is_opened = false;
    t->refused = true;
    transfer_keep_answer(t, answer);
}

/* Whoever has none that goes on, all of it is for this chunk alone. */
static struct transfer *transfer_of(struct session *s, struct transfer *own, const struct reply *answer)
{
    struct transfer *t = &s->transaction.transfer;
    if (t->s != NULL)
        return t;
    *own = (struct transfer){.s = s, .framing = FRAMING_CHUNKS, .refused = true, .answer = *answer};
    own->deadline_ms = clock_deadline(s->options->data_timeout_ms); /* for all of it: it belongs to no message */
    own->patience_ms = s->options->data_timeout_ms;
    return own;
}

bool transfer_skip_chunk(struct session *s, const struct reply *answer)
{
    struct transfer own, *t = transfer_of(s, &own, answer);
    t->chunk_left = s->chunk.size;
    s->chunk.is_unread = false;
    heed_time(t);
    while (t->chunk_left > 0 && s->phase != PHASE_CLOSED) {
        size_t unread = buffer_unread(&s->outside.in).size;
        if (unread == 0)
            fill(t);
        size_t taken = unread < t->chunk_left ? unread : (size_t)t->chunk_left;
        buffer_consume(&s->outside.in, taken);
        t->chunk_left -= taken;
        t->drained_bytes += taken;
        cut_short(t);
    }
    return s->phase != PHASE_CLOSED;
}

/* RFC 3030 section 2: each chunk has its reply. This one is no yes to the message. */
static struct reply reply_to_chunk(const struct transfer *t, uint64_t size)
{
    struct session *s = t->s;
    if (t->refused)
        return t->answer;
    buffer_init(&s->said, s->said_text, sizeof(s->said_text));
    buffer_print(&s->said, "%llu octets received", (unsigned long long)size);
    return (struct reply){250, "2.0.0", buffer_unread(&s->said)};
}

static bool read_chunk(struct transfer *t, uint64_t size)
{
    t->chunk_left = size;
    heed_time(t);
    transfer_weigh(t, size);
    if (!t->refused)
        transfer_watch(t, true);
    size_t here = unread_of(t).size; /* it came together with its BDAT */
    if (here > 0)
        heed(t, tarpit_pace_message(t->s, here, t->deadline_ms));
    if (!read_message(t)) {
        abort_transfer(t);
        return false;
    }
    transcript_data(&t->s->transcript, TRANSCRIPT_CLIENT, TRANSCRIPT_IN, size);
    if (size == 0 && ends_with_chunk(t))
        transfer_judge(t, true);
    return true;
}

struct reply transfer_chunk(struct session *s)
{
    static const struct reply nothing = {0};
    struct transfer *t = &s->transaction.transfer;
    uint64_t size = s->chunk.size;
    s->chunk.is_unread = false;
    t->is_last = s->chunk.is_last;
    if (!outside_listens(s))
        return nothing;
    session_move(s, PHASE_MESSAGE);
    if (!read_chunk(t, size))
        return nothing;
    if (t->is_last) {
        transfer_end(t);
        return nothing;
    }
    transfer_watch(t, false);
    session_move(s, PHASE_CHUNK);
    return reply_to_chunk(t, size);
}
