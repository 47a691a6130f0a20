/* SPDX-License-Identifier: ISC */
#include "workers/bdat.h"
#include "workers/envelope.h"
#include "workers/transfer.h"

static const struct reply REPLY_SYNTAX = REPLY(501, "5.5.4", "Write BDAT and a number of octets, then LAST at the end");
static const struct reply REPLY_NOTHING = {0};

static bool parse(struct slice argument, struct chunk *out)
{
    struct slice size = slice_take_word(&argument), word = slice_take_word(&argument);
    *out = (struct chunk){.is_unread = true, .is_last = word.size > 0};
    if (word.size > 0 && !slice_is_word(word, "LAST"))
        return false;
    return slice_to_number(size, &out->size) && slice_trim(argument).size == 0;
}

void bdat_break_off(struct session *s)
{
    s->errors++;
    check_tell(s, EVENT_ERROR, 1);
    session_end(s, "BDAT without a size"); /* what follows may be octets of a message: no command is looked for there */
    session_reply(s, &REPLY_SYNTAX);
}

bool bdat_begin(struct session *s, const struct command *command)
{
    if (parse(command->argument, &s->chunk))
        return true;
    bdat_break_off(s);
    return false;
}

bool bdat_end(struct session *s, const struct reply *reply)
{
    return !s->chunk.is_unread || s->phase == PHASE_CLOSED || transfer_skip_chunk(s, reply);
}

/* The first chunk: inside must be ready for a message. BDAT there needs no word before it. */
static bool begin_message(struct session *s, struct reply *reply_out)
{
    bool is_binary = s->transaction.parameters.body == BODY_BINARYMIME;
    if (!(is_binary ? envelope_allow_message(s, reply_out) : envelope_open_message(s, reply_out)))
        return false;
    transfer_begin_chunks(s, is_binary ? FRAMING_BINARY : FRAMING_CHUNKS);
    return true;
}

/* Inside never opened its ears, but the client goes on to the last chunk; only then is the transaction over. */
static struct reply answer_unopened(struct session *s)
{
    const struct reply *answer = &s->transaction.transfer.answer;
    session_move(s, PHASE_CHUNK);
    if (!transfer_skip_chunk(s, answer))
        return REPLY_NOTHING;
    if (!s->chunk.is_last)
        return *answer;
    struct reply reply = session_count_idle(s, answer);
    session_reply(s, &reply); /* before it goes with the transaction */
    envelope_drop(s, NULL);
    session_move(s, PHASE_HELLO);
    return REPLY_NOTHING;
}

struct reply bdat_answer(struct session *s, const struct command *command)
{
    struct reply reply;
    (void)command;
    if (s->phase == PHASE_RCPT && !begin_message(s, &reply)) {
        if (s->phase != PHASE_RCPT) /* inside is lost, or the session is over */
            return reply;
        transfer_refuse_chunks(s, &reply);
    }
    return s->transaction.transfer.is_opened ? transfer_chunk(s) : answer_unopened(s);
}

struct reply bdat_answer_unaddressed(struct session *s, const struct command *command)
{
    (void)command;
    if (s->chunk.is_last) /* all of the message is refused */
        return REPLY_NO_RECIPIENTS;
    transfer_refuse_chunks(s, &REPLY_NO_RECIPIENTS);
    return answer_unopened(s);
}
