/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/log.h"

#include "workers/auth.h"
#include "workers/bdat.h"
#include "workers/decide.h"
#include "workers/dialog.h"
#include "workers/envelope.h"
#include "workers/heard.h"
#include "workers/kill_switch.h"
#include "workers/offer.h"
#include "workers/proxy_from.h"
#include "workers/pressure.h"
#include "workers/report.h"
#include "workers/starttls.h"
#include "workers/tarpit.h"
#include "workers/transfer.h"
#include "workers/xclient_from.h"
#include "workers/xforward.h"

static const struct reply REPLY_OK = REPLY(250, "2.0.0", "Ok");
static const struct reply REPLY_BYE = REPLY(221, "2.0.0", "Bye");
static const struct reply REPLY_VRFY = REPLY(252, "2.1.5", "Send it a message and see");
static const struct reply REPLY_NO_EXPN = REPLY(502, "5.5.1", "EXPN is not provided");
static const struct reply REPLY_HELP =
    REPLY(214, "2.0.0", "Commands: HELO EHLO MAIL RCPT DATA BDAT RSET NOOP QUIT VRFY HELP; see RFC 5321");
static const struct reply REPLY_UNKNOWN = REPLY(500, "5.5.1", "Command not recognized");
static const struct reply REPLY_HELLO_FIRST = REPLY(503, "5.5.1", "Say EHLO or HELO first");
static const struct reply REPLY_MAIL_FIRST = REPLY(503, "5.5.1", "Say MAIL first");
static const struct reply REPLY_MAIL_REFUSED = REPLY(503, "5.5.1", "MAIL was refused");
static const struct reply REPLY_IN_CHUNKS =
    REPLY(503, "5.5.1", "A message in chunks is under way; BDAT goes on with it");
static const struct reply REPLY_NO_ARGUMENT = REPLY(501, "5.5.4", "This command takes no argument");
static const struct reply REPLY_ARGUMENT = REPLY(501, "5.5.4", "This command needs an argument");
static const struct reply REPLY_BAD_NAME = REPLY(501, "5.5.4", "That is no name: a host name or an address literal is");
static const struct reply REPLY_LONG = REPLY(500, "5.5.2", "Line too long");
static const struct reply REPLY_LINE_END =
    REPLY(500, "5.5.2", "A line ends with CR LF, and neither stands alone in it");
static const struct reply REPLY_CONTROL = REPLY(500, "5.5.2", "Control characters in a command");
static const struct reply REPLY_TIMEOUT = REPLY(421, "4.4.2", "Timeout, closing the connection");

/* -- HELO and EHLO -- */

/* Is inside left alone, known or not? AUTH would end the refusal that waits: where there is any, it has to be offered.
 */
static bool is_not_worth_asking(const struct session *s)
{
    return decide_refuses_all(s) && s->options->auth.mode == AUTH_MODE_NONE;
}

/* From the open connection, or from memory. Who has to begin TLS first cannot use any of them yet; for whom nothing
 * goes inside, nobody is asked. */
static bool offers_are_known(struct session *s, struct extensions *offers_out)
{
    *offers_out = (struct extensions){0};
    if (starttls_is_due(s) || s->client_untold)
        return true;
    if (s->inside.state == INSIDE_READY) {
        *offers_out = s->inside.offers;
        return true;
    }
    bool remembers =
        decide_refuses_all(s) || (s->inside.state == INSIDE_CLOSED && s->options->backend->connect == CONNECT_AT_MAIL);
    return (remembers && heard_recall(s->setup->board, s->options->backend, offers_out)) || is_not_worth_asking(s);
}

/* By asking inside now. A refusal of this client is left to MAIL. */
static enum asked hear_offers(struct session *s, struct extensions *offers_out, struct reply *reply)
{
    if (session_flush(s) != IO_OK)
        return ASKED_GONE;
    enum asked asked = inside_open(&s->inside, slice_of(s->name), reply);
    if (asked == ASKED_ANSWERED && s->inside.state == INSIDE_READY) {
        *offers_out = s->inside.offers;
        heard_remember(s->setup->board, s->inside.server, offers_out);
    }
    return asked;
}

/* A second EHLO is a RSET inside; another name means another inside connection (L6). */
static void leave_old_name(struct session *s, struct slice name)
{
    envelope_drop(s, "EHLO");
    session_forget_hello(s);
    if (s->inside.state == INSIDE_READY && !slice_equal(slice_of(s->inside.name), name))
        session_leave_inside(s);
    session_move(s, PHASE_GREETING); /* until the new one is accepted */
}

static bool accept_name(struct session *s, const struct command *command, struct reply *reply_out)
{
    if (!helo_name_is_safe(command->argument)) {
        *reply_out = session_blame(s, &REPLY_BAD_NAME);
        return false;
    }
    if (!auth_bears_name(s, command->argument, reply_out))
        return false;
    leave_old_name(s, command->argument);
    if (!auth_lives(s, reply_out))
        return false;
    snprintf(s->name, sizeof(s->name), "%.*s", SLICE_ARGS(command->argument));
    s->esmtp = command->verb == VERB_EHLO;
    return decide_stage(s, STAGE_HELO, NULL, reply_out);
}

static struct reply answer_ehlo(struct session *s, const struct command *command)
{
    struct reply reply;
    struct extensions inside;
    if (!accept_name(s, command, &reply))
        return reply;
    enum asked asked = offers_are_known(s, &inside) ? ASKED_ANSWERED : hear_offers(s, &inside, &reply);
    s->offered = offer_to(s, &inside);
    if (asked == ASKED_GONE) {
        session_end(s, "client hung up");
        return REPLY_INSIDE_LOST;
    }
    if (asked == ASKED_LOST) { /* own trouble stays 4yz, also for who goes on with MAIL */
        session_move(s, PHASE_LOST);
        return reply;
    }
    auth_miss_offers(s);
    buffer_init(&s->said, s->said_text, sizeof(s->said_text));
    extensions_print(&s->said, slice_of(s->service->hostname), &s->offered);
    return (struct reply){250, "", buffer_unread(&s->said)};
}

static struct reply answer_helo(struct session *s, const struct command *command)
{
    static const struct extensions nothing = {0}; /* of inside's: none was said to a client that asked for none */
    struct reply reply;
    if (!accept_name(s, command, &reply))
        return reply;
    s->offered = offer_to(s, &nothing);
    return (struct reply){250, "", slice_of(s->service->hostname)};
}

static struct reply answer_auth(struct session *s, const struct command *command)
{
    return proxy_from_keeps_out(s) ? REPLY_CLIENT_UNTOLD : auth_answer(s, command);
}

static struct reply answer_quit(struct session *s, const struct command *command)
{
    (void)command;
    session_end(s, "QUIT");
    return REPLY_BYE;
}

/* -- the table -- */

#define IN(phase)      (1u << (phase))
#define IN_ANY         (IN(PHASE_GREETING) | IN_GREETED)
#define IN_GREETED     (IN(PHASE_HELLO) | IN(PHASE_REFUSED) | IN(PHASE_LOST) | IN_TRANSACTION)
#define IN_ENVELOPE    (IN(PHASE_MAIL) | IN(PHASE_RCPT))
#define IN_TRANSACTION (IN_ENVELOPE | IN(PHASE_CHUNK))

enum argument { ARGUMENT_NONE, ARGUMENT_MAY, ARGUMENT_MUST };
enum fault { FINE, FAULT }; /* a fault counts towards max_errors */

struct row {
    enum verb verb;
    unsigned phases;
    enum argument argument;
    enum fault fault;
    const struct reply *say; /* or: */
    struct reply (*find)(struct session *s, const struct command *command);
    enum phase next; /* on 2yz; PHASES: where it is */
};

/* The first row that fits is taken; the last one fits everything. */
/* clang-format off */
static const struct row rows[] = {
    {VERB_EHLO, IN_ANY,              ARGUMENT_MUST, FINE,  NULL,                 answer_ehlo,      PHASE_HELLO},
    {VERB_HELO, IN_ANY,              ARGUMENT_MUST, FINE,  NULL,                 answer_helo,      PHASE_HELLO},
    {VERB_MAIL, IN(PHASE_GREETING),  ARGUMENT_MAY,  FAULT, &REPLY_HELLO_FIRST,   NULL,             PHASES},
    {VERB_MAIL, IN_TRANSACTION,      ARGUMENT_MAY,  FAULT, &REPLY_NESTED,        NULL,             PHASES},
    {VERB_MAIL, IN_GREETED,          ARGUMENT_MUST, FINE,  NULL,                 envelope_mail,    PHASE_MAIL},
    {VERB_RCPT, IN(PHASE_CHUNK),     ARGUMENT_MAY,  FAULT, &REPLY_IN_CHUNKS,     NULL,             PHASES},
    {VERB_RCPT, IN_ENVELOPE,         ARGUMENT_MUST, FINE,  NULL,                 envelope_rcpt,    PHASE_RCPT},
    {VERB_RCPT, IN(PHASE_LOST),      ARGUMENT_MAY,  FINE,  &REPLY_INSIDE_LOST,   NULL,             PHASES},
    {VERB_RCPT, IN(PHASE_REFUSED),   ARGUMENT_MAY,  FINE,  &REPLY_MAIL_REFUSED,  NULL,             PHASES},
    {VERB_RCPT, IN_ANY,              ARGUMENT_MAY,  FAULT, &REPLY_MAIL_FIRST,    NULL,             PHASES},
    {VERB_DATA, IN(PHASE_CHUNK),     ARGUMENT_MAY,  FAULT, &REPLY_IN_CHUNKS,     NULL,             PHASES},
    {VERB_DATA, IN(PHASE_RCPT),      ARGUMENT_NONE, FINE,  NULL,                 envelope_data,    PHASES},
    {VERB_DATA, IN(PHASE_MAIL),      ARGUMENT_NONE, FINE,  &REPLY_NO_RECIPIENTS, NULL,             PHASES},
    {VERB_DATA, IN(PHASE_LOST),      ARGUMENT_NONE, FINE,  &REPLY_INSIDE_LOST,   NULL,             PHASES},
    {VERB_DATA, IN(PHASE_REFUSED),   ARGUMENT_NONE, FINE,  &REPLY_MAIL_REFUSED,  NULL,             PHASES},
    {VERB_DATA, IN_ANY,              ARGUMENT_MAY,  FAULT, &REPLY_MAIL_FIRST,    NULL,             PHASES},
    {VERB_BDAT, IN(PHASE_RCPT) | IN(PHASE_CHUNK),
                                     ARGUMENT_MUST, FINE,  NULL,                 bdat_answer,      PHASES},
    {VERB_BDAT, IN(PHASE_MAIL),      ARGUMENT_MUST, FINE,  NULL,           bdat_answer_unaddressed, PHASES},
    {VERB_BDAT, IN(PHASE_LOST),      ARGUMENT_MUST, FINE,  &REPLY_INSIDE_LOST,   NULL,             PHASES},
    {VERB_BDAT, IN(PHASE_REFUSED),   ARGUMENT_MUST, FINE,  &REPLY_MAIL_REFUSED,  NULL,             PHASES},
    {VERB_BDAT, IN_ANY,              ARGUMENT_MUST, FAULT, &REPLY_MAIL_FIRST,    NULL,             PHASES},
    {VERB_RSET, IN(PHASE_GREETING),  ARGUMENT_NONE, FINE,  &REPLY_OK,            NULL,             PHASES},
    {VERB_RSET, IN_ANY,              ARGUMENT_NONE, FINE,  NULL,                 envelope_rset,    PHASE_HELLO},
    {VERB_NOOP, IN_ANY,              ARGUMENT_MAY,  FINE,  &REPLY_OK,            NULL,             PHASES},
    {VERB_VRFY, IN_ANY,              ARGUMENT_MUST, FINE,  &REPLY_VRFY,          NULL,             PHASES},
    {VERB_EXPN, IN_ANY,              ARGUMENT_MAY,  FINE,  &REPLY_NO_EXPN,       NULL,             PHASES},
    {VERB_HELP, IN_ANY,              ARGUMENT_MAY,  FINE,  &REPLY_HELP,          NULL,             PHASES},
    {VERB_QUIT, IN_ANY,              ARGUMENT_NONE, FINE,  NULL,                 answer_quit,      PHASES},
    {VERB_STARTTLS, IN_ANY,          ARGUMENT_MAY,  FINE,  NULL,                 starttls_answer,  PHASES},
    {VERB_AUTH, IN_ANY,              ARGUMENT_MAY,  FINE,  NULL,                 answer_auth,      PHASE_HELLO},
    {VERB_ETRN, IN_ANY,              ARGUMENT_MAY,  FAULT, &REPLY_NOT_PROVIDED,  NULL,             PHASES},
    {VERB_TURN, IN_ANY,              ARGUMENT_MAY,  FAULT, &REPLY_NOT_PROVIDED,  NULL,             PHASES},
    {VERB_BURL, IN_ANY,              ARGUMENT_MAY,  FAULT, &REPLY_NOT_PROVIDED,  NULL,             PHASES},
    {VERB_XCLIENT, IN_ANY,           ARGUMENT_MAY,  FINE,  NULL,              xclient_from_answer, PHASES},
    {VERB_XFORWARD, IN_ANY,          ARGUMENT_MAY,  FINE,  NULL,                 xforward_answer,  PHASES},
    {VERB_UNKNOWN, IN_ANY,           ARGUMENT_MAY,  FAULT, &REPLY_UNKNOWN,       NULL,             PHASES},
};
/* clang-format on */

static const struct row *row_of(enum verb verb, enum phase phase)
{
    const struct row *row = rows;
    while (row->verb != VERB_UNKNOWN && (row->verb != verb || (row->phases & IN(phase)) == 0))
        row++;
    return row;
}

/* RFC 2920 section 3.1: what ends a group. Nothing may lie behind it before its reply (L6). */
static bool ends_a_group(const struct session *s, enum verb verb)
{
    if (verb == VERB_XCLIENT)
        return xclient_from_may(s); /* its reply is a banner */
    return verb == VERB_EHLO || verb == VERB_HELO || verb == VERB_DATA || verb == VERB_STARTTLS || verb == VERB_AUTH;
}

/* Everything but an envelope or a chunk that is accepted is idle talk; a message that is accepted makes up for it. */
static bool brings_mail_forward(const struct session *s, enum verb verb, const struct reply *reply)
{
    bool accepted = reply_class(reply) == 2;
    switch ((int)verb) {
    case VERB_MAIL:
    case VERB_RCPT:
        return accepted;
    case VERB_BDAT:
        return reply->code == 0 || (accepted && s->chunk.size > 0);
    case VERB_XCLIENT:
        return false;
    default:
        return reply->code == 0;
    }
}

/* What is withheld from this client is not understood either. */
static bool is_withheld(const struct session *s, enum verb verb)
{
    static const struct {
        enum verb verb;
        uint32_t keyword;
    } brought[] = {{VERB_BDAT, KEYWORD_CHUNKING},
                   {VERB_STARTTLS, KEYWORD_STARTTLS},
                   {VERB_AUTH, KEYWORDS_AUTH},
                   {VERB_XCLIENT, KEYWORD_XCLIENT},
                   {VERB_XFORWARD, KEYWORD_XFORWARD}};
    for (size_t i = 0; i < sizeof(brought) / sizeof(brought[0]); i++)
        if (verb == brought[i].verb)
            return (s->rules.withheld & brought[i].keyword) != 0;
    return false;
}

static const struct reply *argument_fault(const struct row *row, const struct command *command)
{
    if (row->argument == ARGUMENT_NONE && command->argument.size > 0)
        return &REPLY_NO_ARGUMENT;
    if (row->argument == ARGUMENT_MUST && command->argument.size == 0)
        return &REPLY_ARGUMENT;
    return NULL;
}

static struct reply answer(struct session *s, const struct command *command)
{
    const struct reply *demand = starttls_demand(s, command->verb);
    if (demand == NULL)
        demand = auth_demand(s, command->verb);
    if (demand != NULL)
        return *demand;
    if (is_withheld(s, command->verb))
        return session_blame(s, &REPLY_NOT_PROVIDED);
    const struct row *row = row_of(command->verb, s->phase);
    const struct reply *fault = argument_fault(row, command);
    if (fault != NULL)
        return session_blame(s, fault);
    if (row->fault == FAULT)
        return session_blame(s, row->say);
    struct reply reply = row->say != NULL ? *row->say : row->find(s, command);
    if (row->next != PHASES && reply_class(&reply) == 2)
        session_move(s, row->next);
    return reply;
}

static struct reply within_reason(struct session *s, enum verb verb, const struct reply *reply)
{
    bool counts = s->phase != PHASE_CLOSED && !brings_mail_forward(s, verb, reply);
    return counts ? session_count_idle(s, reply) : *reply;
}

static void obey(struct session *s, const struct command *command)
{
    bool alone = ends_a_group(s, command->verb), chunk = command->verb == VERB_BDAT;
    if ((alone && stream_holds_input(&s->outside) && session_spoke_early(s)) || (chunk && !bdat_begin(s, command)))
        return;
    struct reply reply = answer(s, command);
    log_line(LEVEL_DEBUG, "event=command session=%s command=%s reply=%d", s->id, verb_name(command->verb), reply.code);
    reply = within_reason(s, command->verb, &reply);
    if (reply.code == 0 || (alone && s->phase != PHASE_CLOSED && session_spoke_early(s)))
        return;
    if (chunk && !bdat_end(s, &reply))
        return;
    tarpit_reply(s, &reply);
    if (command->verb == VERB_RCPT)
        envelope_rcpt_learn(s, &reply);
}

static const struct reply *const FAULT_REPLIES[] = {
    [COMMAND_NO_CRLF] = &REPLY_LINE_END,
    [COMMAND_BARE_CR] = &REPLY_LINE_END,
    [COMMAND_NUL] = &REPLY_CONTROL,
    [COMMAND_CONTROL] = &REPLY_CONTROL,
};

static void blame_line(struct session *s, const struct reply *fault)
{
    struct reply reply = session_blame(s, fault);
    tarpit_reply(s, &reply);
}

/* A LF alone ends no line (RFC 5321 section 2.3.8). Who waits behind it is told at once that it was wrong. What is
 * there behind it already was not sent in answer to that: it belongs to the refused line up to its CRLF, is no command,
 * and gets no reply of its own. */
static bool belongs_to_refused(struct session *s, struct slice line)
{
    bool refused = s->in_refused_line;
    bool bare_lf = line.size < 2 || line.at[line.size - 2] != '\r';
    s->in_refused_line = bare_lf && stream_input(&s->outside) == INPUT_SOME;
    return refused;
}

/* What follows such a line may be octets of a message, however wrong it is: nobody looks for a command there. */
static bool begins_a_chunk(struct slice line)
{
    static const char verb[] = "BDAT";
    line = slice_trim(line);
    if (!slice_starts_nocase(line, verb))
        return false;
    slice_drop(&line, sizeof(verb) - 1);
    return line.size == 0 || !ascii_is_alnum(*line.at);
}

static void take_line(struct session *s, struct slice line)
{
    struct command command;
    int errors = s->errors;
    enum command_fault fault = command_parse(line, &command);
    /* Who says QUIT and ends its side hears the answer (L9), and costs nothing any more. */
    if (command.verb != VERB_QUIT && !tarpit_pace_command(s))
        return;
    if ((fault != COMMAND_FINE || command.verb == VERB_UNKNOWN) && begins_a_chunk(line))
        bdat_break_off(s);
    else if (fault != COMMAND_FINE)
        blame_line(s, FAULT_REPLIES[fault]);
    else
        obey(s, &command);
    if (s->errors > errors)
        report_fault(s, &command);
    if (command.verb == VERB_AUTH || command.verb == VERB_UNKNOWN)
        session_wipe(s); /* also what should have been AUTH */
}

/* AUTH alone may be longer than any other command (L5). What is too long is no line any more, only its end. */
static enum io judge_length(struct slice *line)
{
    struct slice rest = *line;
    if (line->size <= COMMAND_LINE_MAX || slice_is_word(slice_take_word(&rest), verb_name(VERB_AUTH)))
        return IO_OK;
    if (begins_a_chunk(*line)) {
        line->size = sizeof("BDAT\n") - 1; /* enough to be one without a size */
        return IO_OK;
    }
    slice_drop(line, line->size - 2);
    return IO_TOO_LONG;
}

/* What is waited between two chunks is time that the message takes. */
static enum io next_line(struct session *s, int64_t deadline_ms, struct slice *line_out)
{
    int64_t began = clock_ms();
    uint64_t before = s->outside.received_bytes;
    enum io io = session_read_line(s, COMMAND_AUTH_LINE_MAX, deadline_ms, line_out);
    if (s->phase == PHASE_CHUNK)
        transfer_waited(s, clock_ms() - began, s->outside.received_bytes - before);
    return io;
}

void dialog_step(struct session *s)
{
    struct slice line;
    int64_t deadline = clock_deadline(s->options->command_timeout_ms);
    if (s->phase == PHASE_CHUNK) /* the message goes on meanwhile */
        deadline = inside_sooner(s->transaction.transfer.deadline_ms, s->options->command_timeout_ms);
    if (kill_switch_is_pulled()) { /* what the client sent before is still there to be read */
        session_end(s, "killed by posternctl");
        return;
    }
    enum io io = next_line(s, deadline, &line);
    if (io == IO_OK)
        io = judge_length(&line);
    s->deeds.sat_idle = io == IO_LATE || io == IO_ROOM;
    if (io == IO_LATE) {
        session_end(s, session_why_late(deadline));
        session_reply(s, &REPLY_TIMEOUT);
    } else if (io == IO_ROOM) {
        pressure_make_room(s);
    } else if (io != IO_OK && io != IO_TOO_LONG) {
        session_end(s, "client hung up");
    } else if (!belongs_to_refused(s, line)) {
        transcript_command(&s->transcript, line);
        if (io == IO_TOO_LONG) {
            blame_line(s, &REPLY_LONG);
            session_wipe(s);
        } else {
            take_line(s, line);
        }
    }
}
