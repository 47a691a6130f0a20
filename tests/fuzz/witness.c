/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/law.h"
#include "tests/fuzz/witness.h"

size_t (*witness_unread)(const struct witness_outside *outside);

static const char *const names[SAID_KINDS] = {
    [SAID_NOTHING] = "nothing", [SAID_CONNECT] = "connect", [SAID_EHLO] = "EHLO",         [SAID_HELO] = "HELO",
    [SAID_MAIL] = "MAIL",       [SAID_RCPT] = "RCPT",       [SAID_DATA] = "DATA",         [SAID_END] = "the dot",
    [SAID_BDAT] = "BDAT",       [SAID_RSET] = "RSET",       [SAID_QUIT] = "QUIT",         [SAID_AUTH] = "AUTH",
    [SAID_ANSWER] = "answer",   [SAID_XCLIENT] = "XCLIENT", [SAID_XFORWARD] = "XFORWARD", [SAID_OTHER] = "other"};

const char *said_name(enum said said)
{
    return names[said];
}

enum said said_of(struct slice line)
{
    size_t size = 0;
    while (size < line.size && memchr(" \t\r\n", line.at[size], 4) == NULL)
        size++;
    for (int said = SAID_EHLO; said < SAID_OTHER; said++)
        if (size > 0 && strlen(names[said]) == size && strncasecmp(names[said], line.at, size) == 0 &&
            said != SAID_ANSWER)
            return (enum said)said;
    return SAID_OTHER;
}

void witness_begin(struct witness *w)
{
    /* Not the big pieces of text: what is behind their sizes is never looked at. */
    w->proxy = w->address = slice_make("", 0);
    w->mends = w->received = w->by_xclient = w->is_ambiguous = w->chunk_refused = false;
    w->waits = w->refuses_all = false;
    w->size_limit = 0;
    w->inside_count = 0;
    w->window = (struct window){0};
    w->outside_size = w->inside_size = 0;
    w->ends = w->commits = w->final_code = w->messages = 0;
    w->outside_said.size = w->inside_heard.size = 0;
    struct witness_outside *out = &w->outside;
    out->w = w;
    out->state = OUTSIDE_AWAITS;
    out->pending = SAID_CONNECT;
    out->bad_chunk = out->is_last = out->in_refused = out->gone = out->ended = false;
    out->deaf = out->blind = out->too_early = out->has_begun = false;
    out->names_auth = out->knows_no_auth = out->mail_is_due = false;
    out->chunk_left = 0;
    out->size = out->at = out->seen = out->body_begin = out->line_size = 0;
    out->replies = out->refused_lines = 0;
    out->eye = (struct reply_eye){0};
}

void witness_log(struct slice_log *log, const char *text, size_t size)
{
    law(size <= sizeof log->text - log->size, "the session writes without end");
    if (size > 0)
        memcpy(log->text + log->size, text, size);
    log->size += size;
}

/* -- replies -- */

enum { LINES_MAX = 128, LINE_MAX_OCTETS = 2048, TEXT_MAX = 8192 };

static int judge_line(struct reply_eye *eye)
{
    size_t size = eye->size;
    bool too_long = size > LINE_MAX_OCTETS;
    while (size > 0 && memchr(" \t\r\n", eye->line[size - 1], 4) != NULL)
        size--;
    const char *at = eye->line;
    eye->size = 0;
    if (too_long || size < 3 || at[0] < '2' || at[0] > '5' || !isdigit((unsigned char)at[1]) ||
        !isdigit((unsigned char)at[2]) || (size > 3 && at[3] != ' ' && at[3] != '-') || ++eye->lines > LINES_MAX)
        return -1;
    int code = (at[0] - '0') * 100 + (at[1] - '0') * 10 + at[2] - '0';
    eye->text_size += size;
    if ((eye->lines > 1 && code != eye->code) || eye->text_size > TEXT_MAX)
        return -1;
    eye->code = code;
    if (size > 3 && at[3] == '-')
        return 0;
    eye->lines = 0;
    eye->text_size = 0;
    return code;
}

int reply_eye_see(struct reply_eye *eye, char octet)
{
    if (eye->bad)
        return -1;
    if (eye->size < sizeof eye->line)
        eye->line[eye->size++] = octet;
    if (octet != '\n' && eye->size <= LINE_MAX_OCTETS)
        return 0;
    int code = octet == '\n' ? judge_line(eye) : 0; /* a line too long is thrown away to its end first */
    eye->bad = code < 0;
    return code;
}
