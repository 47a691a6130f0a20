/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "common/clock.h"
#include "common/must.h"

#include "workers/decide.h"
#include "workers/envelope.h"
#include "workers/heard.h"
#include "workers/proxy_from.h"
#include "workers/transaction.h"
#include "workers/transfer.h"
#include "workers/translate.h"
#include "workers/xforward.h"

static const struct reply REPLY_OK = REPLY(250, "2.0.0", "Ok");
static const struct reply REPLY_SENDER_OK = REPLY(250, "2.1.0", "Ok");
static const struct reply REPLY_MAIL_SYNTAX = REPLY(501, "5.5.4", "Write MAIL FROM:<address>");
static const struct reply REPLY_RCPT_SYNTAX = REPLY(501, "5.5.4", "Write RCPT TO:<address>");
static const struct reply REPLY_BAD_SENDER = REPLY(501, "5.1.7", "Bad sender address syntax");
static const struct reply REPLY_BAD_RECIPIENT = REPLY(501, "5.1.3", "Bad recipient address syntax");
static const struct reply REPLY_LONG_PATH = REPLY(501, "5.1.3", "Address too long");
static const struct reply REPLY_NEEDS_UTF8 = REPLY(553, "5.6.7", "An address beyond ASCII needs SMTPUTF8");
static const struct reply REPLY_PARAMETER_UNKNOWN = REPLY(555, "5.5.4", "Parameter not recognized");
static const struct reply REPLY_PARAMETER_DOUBLED = REPLY(501, "5.5.4", "Parameter given twice");
static const struct reply REPLY_PARAMETER_BAD = REPLY(501, "5.5.4", "Bad parameter value");
static const struct reply REPLY_TOO_BIG = REPLY(552, "5.3.4", "Message too big");
static const struct reply REPLY_TOO_MANY = REPLY(452, "4.5.3", "Too many recipients, send the rest in another message");
static const struct reply REPLY_LESS_OFFERED =
    REPLY(421, "4.3.0", "The mail server offers less than it did, try again later");
static const struct reply REPLY_LOGIN_LOST =
    REPLY(421, "4.3.0", "The connection to the mail server was lost, authenticate anew");
static const struct reply REPLY_ROUTED = REPLY(554, "5.7.1", "Relay access denied: no routing in the address");
static const struct reply REPLY_NOT_BINARY = REPLY(503, "5.5.1", "BODY=BINARYMIME needs BDAT");
static const struct reply REPLY_NOTHING = {0};

/* Replies that are due leave before inside is waited for (RFC 2920 section 3.2): a slow inside delays its own answer
 * only. False: nobody is there to hear them. */
static bool outside_listens(struct session *s, struct reply *reply_out)
{
    *reply_out = REPLY_INSIDE_LOST;
    return session_flush(s) == IO_OK;
}

void envelope_drop(struct session *s, const char *why)
{
    struct inside *in = &s->inside;
    struct reply reply;
    transfer_abandon(s);
    if (s->transaction.begun && s->transaction.reason == NULL)
        s->transaction.reason = why;
    if (s->transaction.open_inside && s->phase != PHASE_CLOSED && outside_listens(s, &reply) &&
        inside_line(in, &reply)) {
        buffer_put_text(&in->stream.out, "RSET\r\n");
        enum asked asked = inside_ask(in, EXPECT_25X, in->backend->command_timeout_ms, &reply);
        if (asked == ASKED_ANSWERED && reply_class(&reply) != 2)
            inside_lost(in, LEVEL_WARNING, "inside refuses RSET", "", &reply);
        if (asked == ASKED_GONE)
            session_end(s, "client hung up");
        in->forwarded = 0;
    }
    xforward_forget(s);
    bool all_refused = s->transaction.accepted_recipients == 0 && s->transaction.refused_recipients > 0;
    transaction_close(s, all_refused ? s->transaction.refusal : "dropped");
}

/* -- asking inside -- */

/* What inside's answer, or its loss, means for the transaction. */
static struct reply settle(struct session *s, enum asked asked, const struct reply *inside)
{
    switch (asked) {
    case ASKED_ANSWERED:
        return translate(inside);
    case ASKED_LOST:
        s->transaction.open_inside = false;
        s->transaction.reason = s->inside.trouble;
        s->transaction.verdict = "lost";
        session_move(s, PHASE_LOST);
        return *inside;
    case ASKED_GONE:
        session_end(s, "client hung up");
        return REPLY_INSIDE_LOST;
    }
    return REPLY_INSIDE_LOST;
}

/* In a transaction there is one connection: without it the transaction is lost. False: *reply_out answers. */
static bool begin_line(struct session *s, struct reply *reply_out)
{
    if (inside_line(&s->inside, reply_out))
        return true;
    *reply_out = settle(s, ASKED_LOST, reply_out);
    return false;
}

bool envelope_keeps_inside(struct session *s, struct reply *reply_out)
{
    if (s->phase != PHASE_CLOSED && inside_line(&s->inside, reply_out))
        return true;
    session_end(s, "inside lost after AUTH");
    *reply_out = REPLY_LOGIN_LOST;
    return false;
}

bool envelope_have_inside(struct session *s, struct reply *reply_out)
{
    struct inside *in = &s->inside;
    if (!outside_listens(s, reply_out))
        return false;
    if (session_is_bound(s))
        return envelope_keeps_inside(s, reply_out);
    if (in->state == INSIDE_READY && inside_line(in, reply_out))
        return true;
    enum asked asked = inside_open(in, slice_of(s->name), reply_out);
    if (asked != ASKED_ANSWERED || in->state != INSIDE_READY) {
        *reply_out = settle(s, asked, reply_out);
        return false;
    }
    heard_remember(s->setup->board, in->server, &in->offers);
    return begin_line(s, reply_out);
}

/* EHLO was answered from memory: what the client uses of it may be missing after all. */
static bool inside_offers(struct session *s, uint32_t needed, struct reply *reply_out)
{
    if ((needed & ~s->inside.offers.keywords) == 0)
        return true;
    heard_distrust(s->setup->board, s->options->backend);
    session_end(s, "inside offers less than it did");
    *reply_out = REPLY_LESS_OFFERED;
    return false;
}

/* -- MAIL -- */

static const struct reply *path_reply(enum path_fault fault, const struct reply *syntax)
{
    return fault == PATH_TOO_LONG ? &REPLY_LONG_PATH : syntax;
}

static const struct reply *parameter_reply(enum parameter_fault fault)
{
    static const struct reply *const replies[] = {
        [PARAMETER_UNKNOWN] = &REPLY_PARAMETER_UNKNOWN,
        [PARAMETER_DOUBLED] = &REPLY_PARAMETER_DOUBLED,
        [PARAMETER_BAD_VALUE] = &REPLY_PARAMETER_BAD,
    };
    return replies[fault];
}

/* The path off the front of *rest; NULL, or the reply to what is wrong. */
static const struct reply *parse_sender(struct slice *rest, struct path *path)
{
    if (!slice_starts_nocase(*rest, "FROM:"))
        return &REPLY_MAIL_SYNTAX;
    slice_drop(rest, sizeof("FROM:") - 1);
    enum path_fault fault = path_parse(rest, true, path);
    return fault == PATH_FINE ? NULL : path_reply(fault, &REPLY_BAD_SENDER);
}

static void remember_sender(struct session *s, const struct path *path)
{
    struct transaction *t = &s->transaction;
    struct buffer text;
    transaction_close(s, "lost"); /* one that inside left us with, and that the client gave up */
    transaction_begin(s);
    buffer_init(&text, t->sender_text, sizeof(t->sender_text));
    t->sender = *path;
    t->sender.local.at = t->sender_text;
    buffer_put(&text, path->local);
    t->sender.domain.at = t->sender_text + text.end;
    buffer_put(&text, path->domain);
    t->began_ms = clock_ms();
    t->begun = true;
    t->first_note = s->notes.count;
}

static struct reply ask_mail(struct session *s, const struct path *path)
{
    struct inside *in = &s->inside;
    struct reply reply;
    enum asked asked;
    if (!envelope_have_inside(s, &reply) || !inside_offers(s, mail_parameters_need(&s->transaction.parameters), &reply))
        return reply;
    if (s->transaction.parameters.has_size && in->offers.numbers[NUMBER_SIZE] != 0 &&
        s->transaction.parameters.size > in->offers.numbers[NUMBER_SIZE])
        return REPLY_TOO_BIG; /* by what it said on this very connection */
    asked = xforward_say(s, &reply);
    if (asked != ASKED_ANSWERED)
        return settle(s, asked, &reply);
    if (!begin_line(s, &reply))
        return reply;
    buffer_put_text(&in->stream.out, "MAIL FROM:");
    path_print(&in->stream.out, path);
    mail_parameters_print(&in->stream.out, &s->transaction.parameters, in->offers.keywords);
    buffer_put_text(&in->stream.out, "\r\n");
    asked = inside_ask(in, EXPECT_25X, in->backend->command_timeout_ms, &reply);
    s->transaction.open_inside = asked == ASKED_ANSWERED && reply_class(&reply) == 2;
    return settle(s, asked, &reply);
}

/* By our own limit. Inside's may be known from memory only, and nobody is refused by rumour. */
static bool is_too_big(const struct session *s, uint64_t size)
{
    uint64_t limit = (uint64_t)s->rules.message_size_limit;
    return (limit != 0 && size > limit) || size > INT64_MAX; /* more than anybody inside counts to */
}

/* A refusal waits for the recipients: inside hears of this only if one is exempt. */
static struct reply accept_alone(struct session *s, struct slice rest)
{
    struct transaction *t = &s->transaction;
    must(rest.size <= sizeof(t->parameters_text));
    memcpy(t->parameters_text, rest.at, rest.size);
    t->parameters_due = slice_make(t->parameters_text, rest.size);
    t->mail_is_due = true;
    return REPLY_SENDER_OK;
}

/* What follows the path of MAIL, our own rules, the checks, and inside. */
static struct reply answer_mail(struct session *s, const struct path *path, struct slice rest)
{
    struct mail_parameters *parameters = &s->transaction.parameters;
    struct slice culprit = {0};
    struct reply reply;
    if (proxy_from_keeps_out(s)) {
        session_move(s, PHASE_LOST); /* own trouble: 451 to all of it */
        return REPLY_CLIENT_UNTOLD;
    }
    enum parameter_fault wrong = mail_parameters_parse(rest, s->offered.keywords, parameters, &culprit);
    if (wrong != PARAMETER_FINE)
        return session_blame_word(s, parameter_reply(wrong), culprit);
    if (path->has_8bit && !parameters->smtputf8)
        return session_blame(s, &REPLY_NEEDS_UTF8);
    if (parameters->has_size && is_too_big(s, parameters->size))
        return REPLY_TOO_BIG;
    if (decide_stage(s, STAGE_MAIL, NULL, &reply))
        reply = decide_refuses_all(s) ? accept_alone(s, rest) : ask_mail(s, path);
    transaction_tell_refusal(s, &reply);
    return reply;
}

struct reply envelope_mail(struct session *s, const struct command *command)
{
    struct slice rest = command->argument;
    struct path path;
    session_move(s, PHASE_REFUSED); /* until it is accepted, or inside is lost */
    const struct reply *fault = parse_sender(&rest, &path);
    if (fault != NULL)
        return session_blame(s, fault);
    remember_sender(s, &path);
    struct reply reply = answer_mail(s, &path, rest);
    mail_parameters_end_line(&s->transaction.parameters);
    if (reply.code != 0 && reply_class(&reply) != 2) {
        transaction_note_reply(s, &reply, NULL);
        transaction_close(s, transaction_refusal(&reply));
    }
    return reply;
}

/* -- RCPT -- */

static const struct reply *parse_recipient(struct slice *rest, struct path *path)
{
    if (!slice_starts_nocase(*rest, "TO:"))
        return &REPLY_RCPT_SYNTAX;
    slice_drop(rest, sizeof("TO:") - 1);
    enum path_fault fault = path_parse(rest, false, path);
    return fault == PATH_FINE ? NULL : path_reply(fault, &REPLY_BAD_RECIPIENT);
}

/* Where inside takes every client for us it must not be led on to a third host (L11), quoted or not. */
const struct reply *envelope_objection(const struct session *s, const struct path *recipient)
{
    bool is_routed = recipient->has_route || path_local_has_routing(recipient);
    return s->options->backend->pass_client == PASS_CLIENT_NONE && is_routed ? &REPLY_ROUTED : NULL;
}

/* The first recipient that is not refused answers for MAIL as well, where inside has not heard that yet. As an answer
 * to RCPT 552 would mean too many recipients (RFC 5321 section 4.5.3.1.10). */
static bool say_mail(struct session *s, struct reply *reply_out)
{
    struct transaction *t = &s->transaction;
    struct slice culprit;
    if (!t->mail_is_due)
        return true;
    enum parameter_fault wrong =
        mail_parameters_parse(t->parameters_due, s->offered.keywords, &t->parameters, &culprit);
    must(wrong == PARAMETER_FINE); /* as it was at MAIL */
    *reply_out = ask_mail(s, &t->sender);
    mail_parameters_end_line(&t->parameters);
    t->mail_is_due = !t->open_inside;
    if (reply_out->code == 552)
        reply_out->code = 554;
    return t->open_inside;
}

static struct reply ask_rcpt(struct session *s, const struct path *path, const struct rcpt_parameters *parameters)
{
    struct inside *in = &s->inside;
    struct reply reply;
    if (!outside_listens(s, &reply) || !say_mail(s, &reply) || !begin_line(s, &reply) ||
        !inside_offers(s, rcpt_parameters_need(parameters), &reply))
        return reply;
    buffer_put_text(&in->stream.out, "RCPT TO:");
    path_print(&in->stream.out, path);
    rcpt_parameters_print(&in->stream.out, parameters);
    buffer_put_text(&in->stream.out, "\r\n");
    enum asked asked = inside_ask(in, EXPECT_25X, in->backend->command_timeout_ms, &reply);
    return settle(s, asked, &reply);
}

/* Whole addresses only; after the first that does not fit there is no other. */
static void list(struct buffer *to, const struct path *path)
{
    size_t before = to->end;
    if (to->overflow)
        return;
    if (before > 0)
        buffer_put_char(to, ',');
    if (!path_print(to, path)) {
        to->end = before;
        to->overflow = true;
    }
}

static void count_recipient(struct session *s, const struct path *path, const struct reply *reply)
{
    struct transaction *t = &s->transaction;
    if (reply->code == 0) /* the session is over, and nobody was refused */
        return;
    t->recipient = *path;
    if (reply_class(reply) == 2) {
        t->accepted_recipients++;
        t->exempt_recipients += t->exempt;
        s->deeds.accepted_recipients++;
        list(&t->recipients, path);
    } else {
        t->refused_recipients++;
        s->deeds.refused_recipients += reply_class(reply) == 5;
        t->refusal = transaction_refusal(reply);
        list(&t->refused, path);
        transaction_note_reply(s, reply, NULL);
    }
}

void envelope_rcpt_learn(struct session *s, const struct reply *reply)
{
    struct outcome outcome = {.kind = OUTCOME_RECIPIENT, .reply = reply};
    if (s->transaction.recipient.local.size > 0)
        check_learn(s, &outcome, &s->transaction.recipient);
    s->transaction.recipient = (struct path){0};
}

static struct reply answer_rcpt(struct session *s, const struct path *path, struct slice rest)
{
    struct rcpt_parameters parameters;
    struct slice culprit = {0};
    struct reply reply;
    enum parameter_fault wrong = rcpt_parameters_parse(rest, s->offered.keywords, &parameters, &culprit);
    if (wrong != PARAMETER_FINE)
        return session_blame_word(s, parameter_reply(wrong), culprit);
    if (path->has_8bit && !s->transaction.parameters.smtputf8)
        return session_blame(s, &REPLY_NEEDS_UTF8);
    if (s->transaction.accepted_recipients >= s->rules.max_recipients)
        return REPLY_TOO_MANY;
    const struct reply *objection = envelope_objection(s, path);
    if (objection != NULL)
        reply = *objection;
    else if (decide_stage(s, STAGE_RCPT, path, &reply))
        reply = ask_rcpt(s, path, &parameters);
    transaction_tell_refusal(s, &reply);
    return reply;
}

struct reply envelope_rcpt(struct session *s, const struct command *command)
{
    struct slice rest = command->argument;
    struct path path;
    const struct reply *fault = parse_recipient(&rest, &path);
    if (fault != NULL)
        return session_blame(s, fault);
    struct reply reply = answer_rcpt(s, &path, rest);
    if (reply.code != 0)
        count_recipient(s, &path, &reply);
    return reply;
}

/* -- DATA, RSET -- */

static void note_refused_data(struct session *s, const struct reply *reply)
{
    if (reply->code == 0) /* the session is over */
        return;
    if (s->transaction.verdict == NULL)
        s->transaction.verdict = transaction_refusal(reply);
    transaction_note_reply(s, reply, NULL);
    transaction_tell_refusal(s, reply);
}

bool envelope_allow_message(struct session *s, struct reply *reply_out)
{
    s->transaction.verdict = NULL; /* of an earlier DATA that was refused: this one is tried anew */
    if (decide_stage(s, STAGE_DATA, NULL, reply_out))
        return true;
    note_refused_data(s, reply_out);
    return false;
}

static bool ask_data(struct session *s, struct reply *reply_out)
{
    struct inside *in = &s->inside;
    if (!outside_listens(s, reply_out) || !begin_line(s, reply_out))
        return false;
    buffer_put_text(&in->stream.out, "DATA\r\n");
    enum asked asked = inside_ask(in, EXPECT_354, in->backend->data_timeout_ms, reply_out);
    *reply_out = settle(s, asked, reply_out);
    return asked == ASKED_ANSWERED && reply_class(reply_out) == 3;
}

bool envelope_open_message(struct session *s, struct reply *reply_out)
{
    if (!envelope_allow_message(s, reply_out))
        return false;
    if (ask_data(s, reply_out))
        return true;
    note_refused_data(s, reply_out);
    return false;
}

struct reply envelope_data(struct session *s, const struct command *command)
{
    struct reply reply;
    (void)command;
    if (s->transaction.parameters.body == BODY_BINARYMIME)
        return session_blame(s, &REPLY_NOT_BINARY);
    if (!envelope_open_message(s, &reply))
        return reply;
    if (session_spoke_early(s)) {
        inside_break_off(&s->inside);
        return REPLY_NOTHING;
    }
    session_reply(s, &reply);
    transfer_streamed(s);
    return REPLY_NOTHING;
}

struct reply envelope_rset(struct session *s, const struct command *command)
{
    (void)command;
    envelope_drop(s, "RSET");
    return REPLY_OK;
}
