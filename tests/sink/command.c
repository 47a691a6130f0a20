/* SPDX-License-Identifier: ISC */
#include "tests/sink/command.h"
#include "tests/sink/parameters.h"
#include "tests/sink/session.h"
#include "tests/sink/xclient.h"

#define KEYWORDS "250-sink.invalid\n250-PIPELINING\n250-SIZE\n250-8BITMIME\n250-SMTPUTF8\n250-ENHANCEDSTATUSCODES\n"

static const char EHLO[] = KEYWORDS "250 DSN";
static const char EHLO_XCLIENT[] = KEYWORDS "250-DSN\n250 " XCLIENT_KEYWORD;
static const char HELO[] = "250 sink.invalid";
static const char GREETED_ANEW[] = "220 sink.invalid ESMTP";
static const char SENDER[] = "250 2.1.0 sender ok";
static const char RECIPIENT[] = "250 2.1.5 recipient ok";
static const char GO_AHEAD[] = "354 end with CRLF.CRLF";
static const char RESET[] = "250 2.0.0 reset";
static const char OK[] = "250 2.0.0 ok";
static const char BYE[] = "221 2.0.0 bye";
static const char UNSURE[] = "252 2.1.5 send some mail and see";
static const char HELP[] = "214 2.0.0 RFC 5321 says it all";
static const char UNKNOWN[] = "500 5.5.1 command unknown";
static const char NOT_DONE[] = "502 5.5.1 command not implemented";
static const char HELLO_FIRST[] = "503 5.5.1 EHLO or HELO first";
static const char MAIL_FIRST[] = "503 5.5.1 MAIL first";
static const char RCPT_FIRST[] = "503 5.5.1 RCPT first";
static const char NESTED[] = "503 5.5.1 a transaction is open";
static const char BAD_NAME[] = "501 5.5.4 a domain or an address literal must follow";
static const char BAD_MAIL[] = "501 5.5.4 MAIL FROM:<path>";
static const char BAD_RCPT[] = "501 5.5.4 RCPT TO:<path>";
static const char BAD_SENDER[] = "501 5.1.7 this path is not well-formed";
static const char BAD_RECIPIENT[] = "501 5.1.3 this path is not well-formed";
static const char NOBODY[] = "550 5.1.1 there is nobody of that name";
static const char NEEDS_UTF8[] = "553 5.6.7 this path needs SMTPUTF8";
static const char NOT_EXTENDED[] = "555 5.5.4 parameters need EHLO";
static const char NO_ARGUMENT[] = "501 5.5.4 nothing may follow this command";
static const char NO_RIGHT[] = "550 5.7.0 no right to XCLIENT";

static const char *hello(struct session *s, struct text argument, bool extended)
{
    if (!take_domain(&argument) || !text_is_empty(&argument))
        return BAD_NAME;
    s->phase = PHASE_HELLO;
    s->extended = extended;
    return !extended ? HELO : s->may_xclient ? EHLO_XCLIENT : EHLO;
}

static const char *on_ehlo(struct session *s, struct text argument)
{
    return hello(s, argument, true);
}

/* Section 4.1.1.1: HELO names a domain; a literal there is as common as old clients are. */
static const char *on_helo(struct session *s, struct text argument)
{
    return hello(s, argument, false);
}

static int mark_of(const struct session *s, struct text sender)
{
    const struct options *options = s->house->options;
    take_char(&sender, '<');
    for (int i = 0; i < options->mark_count; i++)
        if (take_word(&sender, options->marks[i]))
            return i;
    return -1;
}

static bool exists(const struct session *s, struct text recipient)
{
    return !s->house->options->nobody || !take_char(&recipient, '<') || !take_word(&recipient, "nobody");
}

static const char *on_mail(struct session *s, struct text argument)
{
    bool utf8, null;
    struct parameters parameters;
    if (s->phase != PHASE_HELLO)
        return s->phase == PHASE_GREETED ? HELLO_FIRST : NESTED;
    if (!take_word(&argument, "FROM:"))
        return BAD_MAIL;
    int mark = mark_of(s, argument);
    if (!take_path(&argument, &utf8, &null))
        return BAD_SENDER;
    if (!s->extended && !text_is_empty(&argument))
        return NOT_EXTENDED;
    const char *refusal = mail_parameters(&argument, &parameters);
    if (refusal)
        return refusal;
    if (utf8 && !parameters.smtputf8)
        return NEEDS_UTF8;
    s->smtputf8 = parameters.smtputf8;
    s->mark = mark;
    s->phase = PHASE_MAIL;
    return SENDER;
}

static const char *on_rcpt(struct session *s, struct text argument)
{
    bool utf8, null;
    struct parameters parameters;
    if (s->phase != PHASE_MAIL && s->phase != PHASE_RCPT)
        return MAIL_FIRST;
    if (!take_word(&argument, "TO:"))
        return BAD_RCPT;
    bool is_known = exists(s, argument);
    if (!take_path(&argument, &utf8, &null) || null)
        return BAD_RECIPIENT;
    if (!s->extended && !text_is_empty(&argument))
        return NOT_EXTENDED;
    const char *refusal = rcpt_parameters(&argument, &parameters);
    if (refusal)
        return refusal;
    if (utf8 && !s->smtputf8)
        return NEEDS_UTF8;
    if (!is_known)
        return NOBODY;
    atomic_fetch_add_explicit(&s->house->totals->recipients, 1, memory_order_relaxed);
    s->phase = PHASE_RCPT;
    return RECIPIENT;
}

static const char *on_data(struct session *s, struct text argument)
{
    (void)argument;
    if (s->phase != PHASE_RCPT)
        return s->phase == PHASE_MAIL ? RCPT_FIRST : MAIL_FIRST;
    s->phase = PHASE_DATA;
    return GO_AHEAD;
}

static const char *on_rset(struct session *s, struct text argument)
{
    (void)argument;
    if (s->phase != PHASE_GREETED)
        s->phase = PHASE_HELLO;
    return RESET;
}

static const char *on_quit(struct session *s, struct text argument)
{
    (void)argument;
    s->phase = PHASE_LEFT;
    return BYE;
}

static const char *on_xclient(struct session *s, struct text argument)
{
    bool address;
    if (!s->may_xclient)
        return NO_RIGHT;
    if (s->phase == PHASE_MAIL || s->phase == PHASE_RCPT)
        return NESTED;
    const char *refusal = xclient_check(&argument, &address);
    if (refusal)
        return refusal;
    s->may_xclient = !address; /* Postfix looks again, and the new address has no right to it */
    s->phase = PHASE_GREETED;
    s->extended = false;
    return GREETED_ANEW;
}

static const char *on_noop(struct session *s, struct text argument)
{
    (void)s, (void)argument;
    return OK;
}

static const char *on_vrfy(struct session *s, struct text argument)
{
    (void)s, (void)argument;
    return UNSURE;
}

static const char *on_help(struct session *s, struct text argument)
{
    (void)s, (void)argument;
    return HELP;
}

static const char *on_not_done(struct session *s, struct text argument)
{
    (void)s, (void)argument;
    return NOT_DONE;
}

static const char *on_unknown(struct session *s, struct text argument)
{
    (void)s, (void)argument;
    return UNKNOWN;
}

enum argument { ARGUMENT_NONE, ARGUMENT_ANY };

static const struct command {
    const char *verb;
    enum argument argument;
    const char *ends_group; /* the violation when something stands behind it already; NULL: it may */
    const char *(*on)(struct session *s, struct text argument);
} COMMANDS[] = {
    /* clang-format off */
    {"EHLO",     ARGUMENT_ANY,  "input behind EHLO before its reply",     on_ehlo},
    {"HELO",     ARGUMENT_ANY,  "input behind HELO before its reply",     on_helo},
    {"MAIL",     ARGUMENT_ANY,  NULL,                                     on_mail},
    {"RCPT",     ARGUMENT_ANY,  NULL,                                     on_rcpt},
    {"DATA",     ARGUMENT_NONE, "input behind DATA before its reply",     on_data},
    {"RSET",     ARGUMENT_NONE, NULL,                                     on_rset},
    {"NOOP",     ARGUMENT_ANY,  "input behind NOOP before its reply",     on_noop},
    {"QUIT",     ARGUMENT_NONE, "input behind QUIT",                      on_quit},
    {"VRFY",     ARGUMENT_ANY,  "input behind VRFY before its reply",     on_vrfy},
    {"EXPN",     ARGUMENT_ANY,  "input behind EXPN before its reply",     on_not_done},
    {"HELP",     ARGUMENT_ANY,  NULL,                                     on_help},
    {"XCLIENT",  ARGUMENT_ANY,  "input behind XCLIENT before its reply",  on_xclient},
    {"STARTTLS", ARGUMENT_ANY,  "input behind STARTTLS before its reply", on_not_done},
    {"AUTH",     ARGUMENT_ANY,  "input behind AUTH before its reply",     on_not_done},
    {"BDAT",     ARGUMENT_ANY,  NULL,                                     on_not_done},
    {NULL,       ARGUMENT_ANY,  NULL,                                     on_unknown},
    /* clang-format on */
};

const char *command_answer(struct session *s, struct text line, const char **violation_out)
{
    struct text verb = take_until(&line, ' ');
    const struct command *c = COMMANDS;
    while (c->verb && !text_is(&verb, c->verb))
        c++;
    if (s->more_behind)
        *violation_out = c->ends_group;
    if (c->argument == ARGUMENT_NONE && !text_is_empty(&line))
        return NO_ARGUMENT;
    take_char(&line, ' ');
    return c->on(s, line);
}
