/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/law.h"
#include "tests/fuzz/witness.h"

struct witness_inside *witness_connect(struct witness *w)
{
    if (w->inside_count == WITNESS_INSIDE_MAX)
        return NULL;
    struct witness_inside *in = &w->inside[w->inside_count++];
    memset(in, 0, offsetof(struct witness_inside, line));
    in->line_size = 0;
    in->chunk_left = 0;
    in->data = LINE_START;
    in->w = w;
    in->mode = w->proxy.size > 0 ? INSIDE_PROXY : INSIDE_COMMANDS;
    in->proxy_left = (int)w->proxy.size;
    in->pending = SAID_CONNECT;
    witness_log(&w->inside_heard, "[connect]", 9);
    return in;
}

void witness_connect_failed(struct witness *w)
{
    w->window.trouble = true;
}

static void dies(struct witness_inside *in, const char *why, bool is_trouble)
{
    if (in->dead == NULL)
        in->dead = why;
    if (is_trouble)
        in->w->window.trouble = true;
}

void witness_inside_dies(struct witness_inside *in, const char *why)
{
    dies(in, why, !in->quit);
}

/* -- what it says -- */

static bool is_yes(enum said said, int code)
{
    switch ((int)said) {
    case SAID_CONNECT:
    case SAID_XCLIENT:
        return code == 220;
    case SAID_DATA:
        return code == 354;
    case SAID_AUTH:
    case SAID_ANSWER:
        return code == 334 || code == 235;
    default:
        return code >= 250 && code <= 252;
    }
}

static void accept(struct witness_inside *in, enum said said, int code)
{
    in->w->window.yes[said] = true;
    switch ((int)said) {
    case SAID_EHLO:
    case SAID_HELO:
        in->ready = true;
        break;
    case SAID_XCLIENT:
        in->passed = true;
        in->ready = false; /* EHLO is due again */
        break;
    case SAID_MAIL:
        in->open = true;
        in->recipients = 0;
        break;
    case SAID_RCPT:
        in->recipients++;
        break;
    case SAID_DATA:
        in->mode = INSIDE_DATA;
        in->data = LINE_START;
        in->in_message = true;
        in->w->inside_size = 0;
        break;
    case SAID_END:
        in->w->commits++;
        in->w->messages++;
        break;
    case SAID_RSET:
        in->open = false;
        break;
    case SAID_AUTH:
    case SAID_ANSWER:
        in->in_auth = code == 334;
        break;
    }
}

/* Does it refuse the client, or us? */
static bool is_for_client(const struct witness_inside *in, enum said said)
{
    switch ((int)said) {
    case SAID_CONNECT:
    case SAID_EHLO:
    case SAID_HELO:
        return in->passed || in->w->proxy.size > 0;
    case SAID_XCLIENT:
    case SAID_XFORWARD:
    case SAID_RSET:
    case SAID_QUIT:
        return false;
    default:
        return true;
    }
}

/* A refusal: what may still be said after it? */
static void refuse(struct witness_inside *in, enum said said, int code)
{
    in->w->window.refusal[said] = code;
    in->w->window.permanent |= code >= 500 && is_for_client(in, said);
    bool knows_no_ehlo = code == 500 || code == 502 || code == 504;
    if (said == SAID_EHLO && knows_no_ehlo && in->w->proxy.size == 0) {
        in->may_helo = true;
        dies(in, "it refused EHLO", false);
        return;
    }
    switch ((int)said) {
    case SAID_CONNECT:
    case SAID_XCLIENT:
    case SAID_XFORWARD:
    case SAID_RSET:
        dies(in, "it refused us", true);
        break;
    case SAID_EHLO:
    case SAID_HELO:
        dies(in, "it refused EHLO", true);
        break;
    case SAID_BDAT:
        dies(in, "it refused a chunk", false);
        break;
    case SAID_AUTH:
    case SAID_ANSWER:
        in->in_auth = false;
        break;
    }
}

/* Nothing was asked. In a message it may be inside's refusal of that; the first one counts. */
static void hear_unasked(struct witness_inside *in, int code)
{
    if (in->in_message && code >= 400 && !in->spoke_early) {
        in->w->window.refusal[SAID_END] = code;
        in->w->window.permanent |= code >= 500;
    }
    dies(in, "it spoke although nothing was asked", !in->in_message || code < 400 || code == 421);
    in->spoke_early = true;
}

static void hear_reply(struct witness_inside *in, int code)
{
    enum said said = in->pending;
    in->pending = SAID_NOTHING;
    in->answered = false;
    if (said == SAID_END) {
        in->w->final_code = code;
        in->in_message = in->open = false;
    }
    if (said == SAID_QUIT)
        dies(in, "QUIT was answered", false);
    else if (code >= 400) {
        refuse(in, said, code);
        if (code == 421)
            dies(in, "it said 421", true);
    } else if (is_yes(said, code))
        accept(in, said, code);
    else
        dies(in, "it said what nobody can have expected", true);
}

void witness_inside_takes(struct witness_inside *in, struct slice octets)
{
    bool in_message = in->in_message;
    for (size_t i = 0; i < octets.size; i++) {
        bool asked = in->pending != SAID_NOTHING;
        int code = reply_eye_see(&in->eye, octets.at[i]);
        if (code < 0)
            dies(in, "that was no reply", true);
        else if (code > 0 && asked && in->dead == NULL)
            hear_reply(in, code);
        else if (code > 0 && !asked)
            hear_unasked(in, code);
        else if (code == 0 && !asked)
            dies(in, "it spoke although nothing was asked", !in->in_message);
    }
    in->body_may_go_on = in->dead != NULL && in->in_message && !in_message; /* it came along with 354 */
}

/* -- what it hears -- */

static void log_heard(struct witness_inside *in, const char *text, size_t size)
{
    witness_log(&in->w->inside_heard, text, size);
}

static bool has(struct slice line, const char *word)
{
    return memmem(line.at, line.size, word, strlen(word)) != NULL;
}

static bool is_for_postmaster(struct slice line)
{
    static const char begin[] = "RCPT TO:<postmaster";
    return line.size >= sizeof begin - 1 && strncasecmp(line.at, begin, sizeof begin - 1) == 0;
}

static bool is_base64_line(struct slice line)
{
    for (size_t i = 0; i < line.size; i++)
        if (memchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=*", line.at[i], 66) == NULL)
            return false;
    return true;
}

static void begin_chunk(struct witness_inside *in, struct slice line)
{
    unsigned long long size;
    int end = -1;
    char text[64];
    snprintf(text, sizeof text, "%.*s", (int)line.size, line.at);
    if (law_same(line, slice_of("BDAT 0 LAST"))) {
        witness_message_ends_inside(in->w, in);
        in->pending = SAID_END;
        return;
    }
    law(sscanf(text, "BDAT %llu%n", &size, &end) == 1 && end == (int)line.size, "BDAT inside is no chunk: %s", text);
    if (!in->in_message)
        in->w->inside_size = 0;
    in->in_message = true;
    in->chunk_left = size;
    in->mode = size > 0 ? INSIDE_CHUNK : INSIDE_COMMANDS;
    in->pending = size > 0 ? SAID_NOTHING : SAID_BDAT;
}

/* In which order commands may come to one connection. */
static void judge_order(struct witness_inside *in, enum said said, struct slice line)
{
    bool needs_ready = said == SAID_MAIL || said == SAID_AUTH || said == SAID_XFORWARD;
    law(said != SAID_OTHER, "inside hears an unknown command: %.*s", (int)line.size, line.at);
    law(!needs_ready || in->ready, "%s inside before EHLO", said_name(said));
    law(!needs_ready || !in->w->by_xclient || in->passed, "%s inside, and the client was not passed on",
        said_name(said));
    law(said != SAID_MAIL || !in->open, "MAIL inside in a transaction");
    law(said != SAID_RCPT || in->open, "RCPT inside without MAIL");
    law(said != SAID_RCPT || !in->w->refuses_all || is_for_postmaster(line), "RCPT inside of one that is refused");
    law((said != SAID_DATA && said != SAID_BDAT) || (in->open && in->recipients > 0), "%s inside without recipients",
        said_name(said));
    law(said != SAID_XCLIENT || (in->w->by_xclient && !in->passed), "XCLIENT inside, out of place");
    law(said != SAID_XCLIENT || has(line, in->w->address.at), "XCLIENT names somebody else: %.*s", (int)line.size,
        line.at);
    law((said != SAID_EHLO && said != SAID_HELO) || !in->open, "%s inside in a transaction", said_name(said));
    law((said != SAID_EHLO && said != SAID_HELO) || !in->ready || (in->w->by_xclient && !in->passed),
        "a second %s inside", said_name(said));
    law(said == SAID_BDAT || said == SAID_QUIT || !in->in_message || in->mode == INSIDE_DATA, "%s in a message",
        said_name(said));
}

static void take_command(struct witness_inside *in, struct slice line)
{
    law(law_is_clean(line), "a control character in a command inside: %.*s", (int)line.size, line.at);
    if (in->in_auth) {
        law(is_base64_line(line), "inside hears in AUTH: %.*s", (int)line.size, line.at);
        in->pending = SAID_ANSWER;
        return;
    }
    enum said said = said_of(line);
    judge_order(in, said, line);
    witness_may_say(in->w, said);
    in->may_helo = false;
    in->quit = said == SAID_QUIT;
    if (said == SAID_MAIL)
        in->binary = has(line, " BODY=BINARYMIME");
    law(said != SAID_BDAT || in->binary, "BDAT inside, which is for BINARYMIME alone");
    law(said != SAID_DATA || !in->binary, "DATA inside for BINARYMIME");
    if (said == SAID_BDAT)
        begin_chunk(in, line);
    else
        in->pending = said;
    if (said == SAID_DATA || said == SAID_BDAT)
        in->eye = (struct reply_eye){0};
}

static void hear_in_line(struct witness_inside *in, char c)
{
    law(in->pending == SAID_NOTHING, "a command inside before the reply to %s", said_name(in->pending));
    law(!in->quit, "a command inside after QUIT");
    law(in->line_size < sizeof in->line, "a command inside without end");
    in->line[in->line_size++] = c;
    if (c != '\n')
        return;
    size_t size = in->line_size;
    in->line_size = 0;
    law(size >= 2 && in->line[size - 2] == '\r', "a bare LF in a command inside");
    if (memcmp(in->line, "BDAT ", 5) != 0 || in->line[size - 3] == 'T')
        log_heard(in, in->line, size);
    take_command(in, slice_make(in->line, size - 2));
}

static void keep(struct witness_inside *in, char c)
{
    law(in->w->inside_size < sizeof in->w->inside_body, "a message without end");
    in->w->inside_body[in->w->inside_size++] = c;
}

/* L3, octet by octet. What may be the end is not kept before it is known not to be. */
static void hear_in_data(struct witness_inside *in, char c)
{
    switch (in->data) {
    case LINE_START:
    case IN_LINE:
        law(c != '\n' && c != '\0', "a bare LF or NUL in a message inside");
        if (in->data == LINE_START && c == '.') {
            in->data = LINE_DOT;
            return;
        }
        in->data = c == '\r' ? LINE_CR : IN_LINE;
        keep(in, c);
        return;
    case LINE_CR:
        law(c == '\n', "a bare CR in a message inside");
        in->data = LINE_START;
        keep(in, c);
        return;
    case LINE_DOT:
        law(c == '.' || c == '\r', "a line inside begins with one dot");
        in->data = c == '.' ? IN_LINE : LINE_DOT_CR;
        if (c == '.') {
            keep(in, '.');
            keep(in, '.');
        }
        return;
    case LINE_DOT_CR:
        law(c == '\n', "a line inside begins with one dot");
        law(in->dead == NULL, "a message ends inside, although %s", in->dead);
        in->mode = INSIDE_COMMANDS;
        in->pending = SAID_END;
        witness_message_ends_inside(in->w, in);
        return;
    }
}

static void hear_proxy(struct witness_inside *in, char c)
{
    const struct slice header = in->w->proxy;
    law(c == header.at[header.size - (size_t)in->proxy_left], "the PROXY header is not as it must be");
    if (--in->proxy_left == 0)
        in->mode = INSIDE_COMMANDS;
}

static void hear_octet(struct witness_inside *in, char c)
{
    if (in->mode == INSIDE_PROXY)
        hear_proxy(in, c);
    else if (in->mode == INSIDE_COMMANDS)
        hear_in_line(in, c);
    else if (in->mode == INSIDE_DATA)
        hear_in_data(in, c);
    else {
        keep(in, c);
        if (--in->chunk_left == 0) {
            in->mode = INSIDE_COMMANDS;
            in->pending = SAID_BDAT;
        }
    }
}

static bool may_speak(const struct witness_inside *in, struct slice octets)
{
    if (in->dead == NULL || (in->mode == INSIDE_DATA && in->body_may_go_on))
        return true;
    return in->may_helo && in->line_size == 0 && octets.size >= 5 && memcmp(octets.at, "HELO ", 5) == 0;
}

void witness_inside_wrote(struct witness_inside *in, struct slice octets)
{
    witness_outside_walk(&in->w->outside);
    law(may_speak(in, octets), "said to inside, although %s: %.*s", in->dead, (int)octets.size, octets.at);
    if (in->may_helo)
        in->dead = NULL;
    for (size_t i = 0; i < octets.size; i++)
        hear_octet(in, octets.at[i]);
}

void witness_inside_closed(struct witness_inside *in, bool by_reset)
{
    bool in_message = in->mode == INSIDE_DATA || (in->in_message && in->pending != SAID_END);
    law(!in_message || by_reset, "a FIN inside in the middle of a message");
    if (in->dead == NULL)
        in->dead = "it was closed";
}
