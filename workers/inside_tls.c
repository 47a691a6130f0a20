/* SPDX-License-Identifier: ISC */
#include "common/must.h"

#include "workers/inside_tls.h"

static const struct reply REPLY_NO_TLS =
    REPLY(451, "4.7.4", "The mail server cannot be reached by TLS now, try again later");
static const struct reply REPLY_TLS_FAILED =
    REPLY(451, "4.7.5", "The mail server's TLS does not work now, try again later");

static enum asked alarm(struct inside *in, const char *what, const char *more, const struct reply *reply,
                        struct reply *reply_out)
{
    inside_lost(in, LEVEL_ERROR, what, more, reply_out);
    *reply_out = *reply;
    return ASKED_LOST;
}

static enum tls_mode mode_of(const struct inside *in)
{
    return (enum tls_mode)in->backend->tls.mode;
}

bool inside_tls_is_asked_for(const struct inside *in)
{
    return mode_of(in) == TLS_MODE_MAY || mode_of(in) == TLS_MODE_REQUIRE;
}

static void note_secured(struct inside *in)
{
    struct tls_facts facts;
    tls_describe(in->stream.tls, &facts);
    in->secured = facts.version;
    in->offers = (struct extensions){0};
    in->hailed = false;
}

static enum asked shake_hands(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    must(in->tls != NULL);
    struct tls *tls = tls_client_begin(in->tls, in->server->tls_name);
    if (tls == NULL)
        return alarm(in, "no memory for TLS", "", &REPLY_TLS_FAILED, reply_out);
    deadline_ms = inside_sooner(deadline_ms, in->backend->tls.handshake_timeout_ms);
    enum io io = stream_secure(&in->stream, tls, deadline_ms);
    if (io == IO_GONE) {
        inside_break_off(in);
        return ASKED_GONE;
    }
    if (io == IO_OK) {
        note_secured(in);
        return ASKED_ANSWERED;
    }
    const char *why = stream_tls_why(&in->stream);
    return alarm(in, "the TLS handshake with inside failed", why[0] != '\0' ? why : io_name(io), &REPLY_TLS_FAILED,
                 reply_out);
}

enum asked inside_tls_at_once(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    if (mode_of(in) != TLS_MODE_IMPLICIT)
        return ASKED_ANSWERED;
    return shake_hands(in, deadline_ms, reply_out);
}

/* There will be no TLS: the mode says whether that is bad. */
static enum asked without(struct inside *in, const char *what, const char *more, struct reply *reply_out)
{
    if (mode_of(in) == TLS_MODE_REQUIRE)
        return alarm(in, what, more, &REPLY_NO_TLS, reply_out);
    in->secured = "none";
    return ASKED_ANSWERED;
}

/* What stands behind the 220 came in the clear, from inside or from whoever sits between. */
static enum asked begin(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    switch (stream_input(&in->stream)) {
    case INPUT_NONE:
        return shake_hands(in, deadline_ms, reply_out);
    case INPUT_SOME:
        return alarm(in, "inside sent more than 220 before the TLS handshake", "", &REPLY_TLS_FAILED, reply_out);
    case INPUT_END:
    case INPUT_LOST:
        break;
    }
    return inside_lost(in, LEVEL_WARNING, "inside closed the connection before the TLS handshake", "", reply_out);
}

enum asked inside_tls_start(struct inside *in, int64_t deadline_ms, struct reply *reply_out)
{
    char text[INSIDE_WORDS_MAX];
    if ((in->offers.keywords & KEYWORD_STARTTLS) == 0)
        return without(in,
                       "inside offers no STARTTLS; its service lacks smtpd_tls_security_level=may and a certificate, "
                       "or this backend's tls { mode = require } is wrong",
                       "", reply_out);
    if (!inside_line(in, reply_out))
        return ASKED_LOST;
    buffer_put_text(&in->stream.out, "STARTTLS\r\n");
    enum asked asked = inside_ask_by(in, EXPECT_220, deadline_ms, reply_out);
    if (asked != ASKED_ANSWERED)
        return asked;
    if (reply_out->code == 220)
        return begin(in, deadline_ms, reply_out);
    const char *said = inside_words(reply_out, text);
    if (in->state == INSIDE_CLOSED) /* by its 421 */
        return inside_lost(in, LEVEL_WARNING, "inside leaves at STARTTLS", said, reply_out);
    return without(in, "inside refuses STARTTLS; its certificate or key cannot be used there", said, reply_out);
}
