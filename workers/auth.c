/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "common/clock.h"

#include "workers/auth.h"
#include "workers/decide.h"
#include "workers/envelope.h"
#include "workers/heard.h"
#include "workers/pressure.h"
#include "workers/translate.h"

static const struct reply REPLY_EHLO_FIRST = REPLY(503, "5.5.1", "Say EHLO first");
static const struct reply REPLY_ALREADY = REPLY(503, "5.5.1", "Authenticated already");
static const struct reply REPLY_OTHER_NAME =
    REPLY(503, "5.5.1", "Authenticated under another name; QUIT, and say it anew");
static const struct reply REPLY_NEEDS_TLS = REPLY(538, "5.7.11", "Encryption required for authentication");
static const struct reply REPLY_DEMAND = REPLY(530, "5.7.0", "Authentication required");
static const struct reply REPLY_SYNTAX = REPLY(501, "5.5.4", "Write AUTH and a mechanism");
static const struct reply REPLY_MECHANISM = REPLY(504, "5.5.4", "Authentication mechanism not provided");
static const struct reply REPLY_NOT_BASE64 = REPLY(501, "5.5.2", "That is not base64");
static const struct reply REPLY_LONG = REPLY(500, "5.5.6", "Authentication line too long");
static const struct reply REPLY_NOT_NOW = REPLY(454, "4.7.0", "Authentication is not possible now, try again later");
static const struct reply REPLY_TIMEOUT = REPLY(421, "4.4.2", "Timeout, closing the connection");
static const struct reply REPLY_NOTHING = {0};

enum { CHALLENGE = 334, SUCCESS = 235, ROUNDS_MAX = 16, DIALOGUE_MAX_MS = 10 * 60 * 1000 };

static const struct auth_options *options_of(const struct session *s)
{
    return &s->options->auth;
}

static bool is_safe(const struct session *s)
{
    return s->tls.version != NULL || options_of(s)->plaintext;
}

uint32_t auth_offers(const struct session *s, uint32_t inside)
{
    if (options_of(s)->mode == AUTH_MODE_NONE || !is_safe(s))
        return 0;
    return inside & auth_options_mechanisms(options_of(s));
}

/* RFC 4954 section 6. */
const struct reply *auth_demand(const struct session *s, enum verb verb)
{
    static const enum verb without[] = {VERB_EHLO,     VERB_HELO, VERB_NOOP, VERB_RSET,   VERB_QUIT,
                                        VERB_STARTTLS, VERB_AUTH, VERB_HELP, VERB_XCLIENT};
    if (options_of(s)->mode != AUTH_MODE_REQUIRE || s->auth != NULL)
        return NULL;
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
        if (verb == without[i])
            return NULL;
    }
    return &REPLY_DEMAND;
}

bool auth_is_impossible(const struct session *s)
{
    return options_of(s)->mode == AUTH_MODE_REQUIRE && s->auth == NULL && !is_safe(s) && s->renamed;
}

bool auth_lives(struct session *s, struct reply *reply_out)
{
    return !session_is_bound(s) || envelope_keeps_inside(s, reply_out);
}

/* Not a new inside connection, as another name would need (L6): nobody could authenticate on that. The one that there
 * is serves the name that it knows, so the session goes on under it. */
bool auth_bears_name(struct session *s, struct slice name, struct reply *reply_out)
{
    if (!session_is_bound(s))
        return true;
    if (!auth_lives(s, reply_out))
        return false;
    if (slice_equal(slice_of(s->inside.name), name))
        return true;
    *reply_out = session_blame(s, &REPLY_OTHER_NAME);
    return false;
}

/* Nobody can get in then, and no client will say so. */
void auth_miss_offers(const struct session *s)
{
    const struct inside *in = &s->inside;
    struct record record;
    bool lacking = in->state == INSIDE_READY && (in->offers.keywords & auth_options_mechanisms(options_of(s))) == 0;
    if (options_of(s)->mode != AUTH_MODE_REQUIRE || !is_safe(s) || !lacking)
        return;
    record_begin(&record, "inside");
    record_string(&record, "session", s->id);
    record_string(&record, "server", in->server->name);
    record_string(&record, "alarm",
                  "inside offers no AUTH that may be used; its service lacks smtpd_sasl_auth_enable=yes, or "
                  "smtpd_tls_auth_only=no where this leg has no TLS");
    record_send(&record, LEVEL_ERROR);
}

/* -- the dialogue -- */

struct dialogue {
    uint32_t mechanism;
    int64_t deadline_ms; /* for all of it */
    bool cancelled;      /* the client gave up, and its credentials were not wrong */
    bool named;          /* the client has said something: its login, if it says one */
    char login[SASL_LOGIN_MAX + 1];
};

static struct reply dead(struct session *s, const char *why)
{
    inside_break_off(&s->inside);
    session_end(s, why);
    return REPLY_NOTHING;
}

static bool spoke_early(struct session *s)
{
    if (!session_spoke_early(s))
        return false;
    inside_break_off(&s->inside);
    return true;
}

/* What lies in inside's buffer is asked. False: *reply_out is the end of it, or code 0 where nobody is there to hear
 * one. */
static bool ask(struct session *s, struct dialogue *d, enum expect expect, struct reply *reply_out)
{
    enum asked asked = inside_ask_by(&s->inside, expect, d->deadline_ms, reply_out);
    buffer_wipe(&s->outside.in);
    buffer_wipe(&s->inside.stream.out);
    if (asked == ASKED_ANSWERED)
        return true;
    *reply_out = REPLY_NOT_NOW;
    if (asked == ASKED_GONE)
        *reply_out = dead(s, "client hung up");
    return false;
}

static struct reply succeed(struct session *s, const struct dialogue *d, const struct reply *inside)
{
    s->auth = sasl_name(d->mechanism);
    memcpy(s->login, d->login, sizeof(s->login));
    s->allowed = true;
    return translate(inside);
}

/* Inside's last word. A guesser runs into max_errors. */
static struct reply conclude(struct session *s, const struct dialogue *d, const struct reply *inside)
{
    if (inside->code == SUCCESS)
        return succeed(s, d, inside);
    struct reply refusal = translate(inside);
    if (reply_class(&refusal) == 5 && !d->cancelled)
        check_tell(s, EVENT_AUTH_FAILURE, 1);
    return session_blame_refused(s, &refusal);
}

/* The client is wrong, and inside waits for a line: it hears that there will be none. */
static struct reply cancel(struct session *s, struct dialogue *d, const struct reply *fault)
{
    struct reply reply;
    if (inside_line(&s->inside, &reply)) {
        buffer_put_text(&s->inside.stream.out, "*\r\n");
        if (!ask(s, d, EXPECT_REFUSAL, &reply) && reply.code == 0)
            return reply;
    }
    return session_blame(s, fault);
}

/* Inside's challenge goes out, if it is one. False: *reply_out is the end of it. */
static bool challenge(struct session *s, const struct reply *inside, struct reply *reply_out)
{
    *reply_out = REPLY_NOTHING;
    if (!sasl_is_base64(inside->text)) {
        inside_lost(&s->inside, LEVEL_WARNING, "inside's challenge at AUTH is not base64", "", reply_out);
        *reply_out = REPLY_NOT_NOW;
        return false;
    }
    if (spoke_early(s))
        return false;
    session_reply(s, inside);
    return s->phase != PHASE_CLOSED;
}

static bool is_cancel(struct slice line)
{
    return slice_is_word(line, "*");
}

static void give_up(struct session *s, enum io io, int64_t deadline_ms)
{
    if (io == IO_ROOM)
        pressure_make_room(s);
    dead(s, io == IO_LATE ? session_why_late(deadline_ms) : "client hung up");
    if (io == IO_LATE)
        session_reply(s, &REPLY_TIMEOUT);
}

/* The client's answer without its CRLF, and what is wrong with it. False: the session has ended. */
static bool hear(struct session *s, const struct dialogue *d, struct slice *line_out, const struct reply **fault_out)
{
    int64_t deadline = inside_sooner(d->deadline_ms, s->options->command_timeout_ms);
    enum io io = session_read_line(s, COMMAND_AUTH_LINE_MAX, deadline, line_out);
    *fault_out = io == IO_TOO_LONG ? &REPLY_LONG : NULL;
    if (io != IO_OK && io != IO_TOO_LONG) {
        give_up(s, io, deadline);
        return false;
    }
    transcript_lines(&s->transcript, TRANSCRIPT_CLIENT, TRANSCRIPT_IN, *line_out);
    if (spoke_early(s))
        return false;
    bool ends_well = line_out->size >= 2 && line_out->at[line_out->size - 2] == '\r';
    line_out->size -= ends_well ? 2 : 1;
    bool fine = ends_well && (sasl_is_base64(*line_out) || is_cancel(*line_out));
    if (*fault_out == NULL && !fine)
        *fault_out = &REPLY_NOT_BASE64;
    return true;
}

/* The first thing that the client says tells who it is. */
static void take_name(struct dialogue *d, struct slice said)
{
    if (!d->named)
        sasl_login(d->mechanism, said, d->login);
    d->named = true;
}

/* One round: inside's challenge out, the client's answer in. False: *reply_out is the end of it. */
static bool exchange(struct session *s, struct dialogue *d, const struct reply *inside, struct reply *reply_out)
{
    struct slice line;
    const struct reply *fault;
    if (!challenge(s, inside, reply_out))
        return false;
    *reply_out = REPLY_NOTHING;
    if (!hear(s, d, &line, &fault))
        return false;
    if (fault != NULL) {
        *reply_out = cancel(s, d, fault);
        return false;
    }
    take_name(d, line);
    if (!inside_line(&s->inside, reply_out)) {
        *reply_out = REPLY_NOT_NOW;
        return false;
    }
    buffer_put(&s->inside.stream.out, line);
    buffer_put_text(&s->inside.stream.out, "\r\n");
    d->cancelled = is_cancel(line);
    return ask(s, d, d->cancelled ? EXPECT_REFUSAL : EXPECT_AUTH, reply_out);
}

static struct reply converse(struct session *s, struct dialogue *d, struct slice initial)
{
    struct buffer *out = &s->inside.stream.out;
    struct reply reply;
    d->deadline_ms = clock_deadline(DIALOGUE_MAX_MS);
    buffer_print(out, "AUTH %s", sasl_name(d->mechanism));
    if (initial.size > 0) {
        take_name(d, initial);
        buffer_put_char(out, ' ');
        buffer_put(out, initial);
    }
    buffer_put_text(out, "\r\n");
    bool goes_on = ask(s, d, EXPECT_AUTH, &reply);
    for (int i = 0; goes_on && reply.code == CHALLENGE && i < ROUNDS_MAX; i++) {
        struct reply inside = reply;
        goes_on = exchange(s, d, &inside, &reply);
    }
    if (!goes_on)
        return reply;
    if (reply.code != CHALLENGE)
        return conclude(s, d, &reply);
    inside_lost(&s->inside, LEVEL_WARNING, "inside's challenges at AUTH have no end", "", &reply);
    return REPLY_NOT_NOW;
}

/* -- the command -- */

/* What speaks against it; NULL: nothing. */
static const struct reply *objection(const struct session *s)
{
    if (options_of(s)->mode == AUTH_MODE_NONE)
        return &REPLY_NOT_PROVIDED;
    if (s->phase == PHASE_GREETING || !s->esmtp)
        return &REPLY_EHLO_FIRST;
    if (s->auth != NULL)
        return &REPLY_ALREADY;
    if (s->transaction.begun)
        return &REPLY_NESTED;
    return is_safe(s) ? NULL : &REPLY_NEEDS_TLS;
}

/* A mechanism, and perhaps what the client says first. NULL, or what is wrong. */
static const struct reply *parse(const struct session *s, struct slice argument, uint32_t *mechanism_out,
                                 struct slice *initial_out)
{
    *mechanism_out = sasl_mechanism(slice_take_word(&argument));
    *initial_out = slice_take_word(&argument);
    if (slice_trim(argument).size > 0)
        return &REPLY_SYNTAX;
    if ((*mechanism_out & auth_options_mechanisms(options_of(s))) == 0)
        return &REPLY_MECHANISM;
    bool is_empty = slice_is_word(*initial_out, "=");
    if (is_empty && *mechanism_out == KEYWORD_AUTH_LOGIN)
        return &REPLY_SYNTAX; /* an empty name; whom inside would ask for then, nobody could tell */
    return is_empty || sasl_is_base64(*initial_out) ? NULL : &REPLY_NOT_BASE64;
}

/* What EHLO said from memory may be gone, or EHLO itself was answered 451: that is our trouble. What it did not say is
 * the client's. */
static struct reply missing(struct session *s, uint32_t mechanism)
{
    if ((s->offered.keywords & mechanism) == 0 && s->phase != PHASE_LOST)
        return session_blame(s, &REPLY_MECHANISM);
    heard_distrust(s->setup->board, s->options->backend);
    return REPLY_NOT_NOW;
}

struct reply auth_answer(struct session *s, const struct command *command)
{
    struct dialogue d = {0};
    struct slice initial;
    struct reply reply;
    const struct reply *why_not = objection(s);
    if (why_not == NULL && command->argument.size == 0)
        why_not = &REPLY_SYNTAX;
    if (why_not == NULL)
        why_not = parse(s, command->argument, &d.mechanism, &initial);
    if (why_not != NULL)
        return session_blame(s, why_not);
    if (!decide_stage(s, STAGE_AUTH, NULL, &reply) || !envelope_have_inside(s, &reply))
        return reply;
    if ((s->inside.offers.keywords & d.mechanism) == 0)
        return missing(s, d.mechanism);
    reply = converse(s, &d, initial);
    explicit_bzero(&d, sizeof(d));
    return reply;
}
