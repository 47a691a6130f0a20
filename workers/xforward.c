/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "workers/xforward.h"

static const struct reply REPLY_OK = REPLY(250, "2.0.0", "Ok");
static const struct reply REPLY_FAULT = REPLY(501, "5.5.4", "Bad XFORWARD attribute");

enum { LINE_MAX_OCTETS = 512, LINE_END = 2 };
static const char VERB[] = "XFORWARD";

void xforward_begin(struct session *s)
{
    s->may_forward = session_client_is_in(s, &s->options->xforward_from);
}

struct reply xforward_answer(struct session *s, const struct command *command)
{
    struct slice culprit = {0};
    if (!s->may_forward)
        return session_blame(s, &REPLY_NOT_PROVIDED);
    if (s->transaction.begun)
        return session_blame(s, &REPLY_NESTED);
    if (attributes_parse(command->argument, XFORWARD_ATTRIBUTES, &s->forwarded, &culprit) == ATTRIBUTE_FINE)
        return REPLY_OK;
    return session_blame_word(s, &REPLY_FAULT, culprit);
}

/* Nothing was said by who may say nothing. */
void xforward_forget(struct session *s)
{
    if (s->may_forward)
        s->forwarded = (struct attributes){0};
}

/* -- inside -- */

static enum asked ask(struct session *s, struct reply *reply_out)
{
    struct inside *in = &s->inside;
    char said[INSIDE_WORDS_MAX];
    buffer_put_text(&in->stream.out, "\r\n");
    enum asked asked = inside_ask(in, EXPECT_25X, in->backend->command_timeout_ms, reply_out);
    if (asked != ASKED_ANSWERED || reply_class(reply_out) == 2)
        return asked;
    return inside_lost(in, LEVEL_WARNING, "inside refuses XFORWARD", inside_words(reply_out, said), reply_out);
}

/* What was said, or our own name of the session in place of an IDENT that was not. */
static struct attribute_value value_of(const struct session *s, enum attribute which)
{
    struct attribute_value value = *attributes_get(&s->forwarded, which);
    if (which != ATTRIBUTE_IDENT || value.state == ATTRIBUTE_KNOWN)
        return value;
    value.state = ATTRIBUTE_KNOWN;
    snprintf(value.text, sizeof(value.text), "%s", s->id);
    return value;
}

/* Into the line, or, where it would be too long, into another one behind it (XFORWARD_README: may be said in parts). */
static enum asked add(struct session *s, enum attribute which, struct reply *reply_out)
{
    struct buffer *out = &s->inside.stream.out;
    struct attribute_value value = value_of(s, which);
    size_t before = out->end;
    /* What was said for a message that came to nothing is taken back. */
    if (value.state == ATTRIBUTE_NOT_SAID && (s->inside.forwarded & (uint32_t)which) == 0)
        return ASKED_ANSWERED;
    s->inside.forwarded |= (uint32_t)which;
    if (before == 0)
        buffer_put_text(out, VERB);
    attributes_print(out, which, &value);
    if (before == 0 || out->end + LINE_END <= LINE_MAX_OCTETS)
        return ASKED_ANSWERED;
    out->end = before;
    enum asked asked = ask(s, reply_out);
    if (asked == ASKED_ANSWERED && !inside_line(&s->inside, reply_out))
        asked = ASKED_LOST;
    return asked == ASKED_ANSWERED ? add(s, which, reply_out) : asked;
}

enum asked xforward_say(struct session *s, struct reply *reply_out)
{
    const struct extensions *offers = &s->inside.offers;
    enum asked asked = ASKED_ANSWERED;
    if ((offers->keywords & KEYWORD_XFORWARD) == 0)
        return ASKED_ANSWERED;
    for (size_t i = 0; asked == ASKED_ANSWERED && i < ATTRIBUTES; i++)
        if ((offers->xforward & XFORWARD_ATTRIBUTES & attribute_rows[i].bit) != 0)
            asked = add(s, (enum attribute)attribute_rows[i].bit, reply_out);
    if (asked == ASKED_ANSWERED && buffer_unread(&s->inside.stream.out).size > 0)
        asked = ask(s, reply_out);
    return asked;
}
