/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "common/clock.h"
#include "common/must.h"

#include "workers/decide.h"
#include "workers/pressure.h"
#include "workers/starttls.h"
#include "workers/stress.h"
#include "workers/transaction.h"

static const struct reply REPLY_READY = REPLY(220, "2.0.0", "Ready to start TLS");
static const struct reply REPLY_DEMAND = REPLY(530, "5.7.0", "Must issue a STARTTLS command first");
static const struct reply REPLY_NO_ARGUMENT = REPLY(501, "5.5.4", "STARTTLS takes no argument");
static const struct reply REPLY_ON_ALREADY = REPLY(503, "5.5.1", "TLS is on already");
static const struct reply REPLY_EHLO_FIRST = REPLY(503, "5.5.1", "Say EHLO first");
/* Who the client is would have been said in the clear, by anybody on the way (L6). */
static const struct reply REPLY_RENAMED = REPLY(503, "5.5.1", "XCLIENT was said in the clear; say STARTTLS before it");
static const struct reply REPLY_NOT_NOW = REPLY(454, "4.7.0", "TLS cannot be started now");
static const struct reply REPLY_NOTHING = {0};

static enum tls_mode mode_of(const struct session *s)
{
    return (enum tls_mode)s->options->tls.mode;
}

static bool is_on(const struct session *s)
{
    return s->tls.version != NULL;
}

bool starttls_is_offered(const struct session *s)
{
    bool to_be_asked_for = mode_of(s) == TLS_MODE_MAY || mode_of(s) == TLS_MODE_REQUIRE;
    return s->service->tls != NULL && to_be_asked_for && !is_on(s) && !s->renamed;
}

static bool must_use_it(const struct session *s)
{
    if (mode_of(s) == TLS_MODE_REQUIRE || s->rules.requires_tls)
        return true;
    return mode_of(s) == TLS_MODE_MAY && session_client_is_in(s, &s->options->tls.require_from);
}

bool starttls_is_due(const struct session *s)
{
    return !is_on(s) && must_use_it(s);
}

/* RFC 3207 section 4 names those that go without; HELO is as good as EHLO. */
const struct reply *starttls_demand(const struct session *s, enum verb verb)
{
    bool goes_without =
        verb == VERB_EHLO || verb == VERB_HELO || verb == VERB_STARTTLS || verb == VERB_NOOP || verb == VERB_QUIT;
    return goes_without || !starttls_is_due(s) ? NULL : &REPLY_DEMAND;
}

/* -- the change -- */

static void show_on_slot(const struct session *s)
{
    if (s->setup->board == NULL)
        return;
    slot_begin(s->setup->board)->tls = true;
    slot_end(s->setup->board);
}

static bool secure(struct session *s, struct tls *tls)
{
    int64_t deadline = clock_deadline(s->options->tls.handshake_timeout_ms);
    if (stress_is_on(s))
        deadline = stress_look_at(s, deadline);
    pressure_give_way_soon(s);
    enum io io = stream_secure(&s->outside, tls, deadline);
    pressure_keep_room(s);
    if (io == IO_OK) {
        tls_describe(s->outside.tls, &s->tls);
        show_on_slot(s);
        return true;
    }
    const char *why = stream_tls_why(&s->outside);
    snprintf(s->why, sizeof(s->why), "%s", why[0] != '\0' ? why : io_name(io));
    if (io == IO_ROOM)
        pressure_note(s);
    session_end(s, io == IO_ROOM ? MADE_ROOM : io == IO_LATE ? "TLS handshake timeout" : "TLS handshake failed");
    return false;
}

bool starttls_at_once(struct session *s)
{
    if (mode_of(s) != TLS_MODE_IMPLICIT)
        return true;
    must(s->service->tls != NULL);
    struct reply unsaid; /* nothing can be said before the handshake */
    if (!decide_stage(s, STAGE_TLS, NULL, &unsaid)) {
        session_end(s, s->transaction.reason);
        return false;
    }
    struct tls *tls = tls_server_begin(s->service->tls);
    if (tls != NULL)
        return secure(s, tls);
    session_end(s, "no memory for TLS");
    return false;
}

/* What speaks against it; NULL: nothing. */
static const struct reply *objection(const struct session *s, const struct command *command)
{
    if (s->service->tls == NULL)
        return &REPLY_NOT_PROVIDED;
    if (is_on(s))
        return &REPLY_ON_ALREADY;
    if (s->renamed)
        return &REPLY_RENAMED;
    if (command->argument.size > 0)
        return &REPLY_NO_ARGUMENT;
    if (s->transaction.begun)
        return &REPLY_NESTED;
    bool greeted = s->phase == PHASE_HELLO || s->phase == PHASE_REFUSED;
    return greeted && s->esmtp ? NULL : &REPLY_EHLO_FIRST;
}

struct reply starttls_answer(struct session *s, const struct command *command)
{
    const struct reply *why_not = objection(s, command);
    if (why_not != NULL)
        return session_blame(s, why_not);
    struct reply refusal;
    if (!decide_stage(s, STAGE_TLS, NULL, &refusal))
        return refusal;
    struct tls *tls = tls_server_begin(s->service->tls);
    if (tls == NULL)
        return REPLY_NOT_NOW;
    if (session_spoke_early(s)) {
        tls_free(&tls);
        return REPLY_NOTHING;
    }
    session_reply(s, &REPLY_READY);
    if (session_flush(s) != IO_OK)
        tls_free(&tls);
    else if (secure(s, tls))
        session_start_over(s); /* all of it may have been said by somebody else (RFC 3207 section 4.2) */
    return REPLY_NOTHING;
}
