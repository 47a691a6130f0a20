/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/law.h"
#include "tests/fuzz/wire.h"
#include "tests/fuzz/witness.h"

enum { COMMAND_OCTETS_MAX = 4096, READ_OCTETS_MAX = 12288 };

/* -- what it says -- */

void witness_outside_takes(struct witness_outside *out, struct slice octets)
{
    witness_outside_walk(out);
    law(octets.size <= sizeof out->taken - out->size, "an input too long for the witness");
    memcpy(out->taken + out->size, octets.at, octets.size);
    out->size += octets.size;
}

static void await(struct witness_outside *out, enum said said)
{
    out->state = OUTSIDE_AWAITS;
    out->pending = said;
    out->w->window = (struct window){0};
}

static struct slice take_word(struct slice *rest)
{
    size_t size = 0;
    while (rest->size > 0 && (*rest->at == ' ' || *rest->at == '\t'))
        law_take(rest, 1);
    while (size < rest->size && rest->at[size] != ' ' && rest->at[size] != '\t')
        size++;
    return law_take(rest, size);
}

static bool parse_number(struct slice digits, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < digits.size; i++)
        if (!isdigit((unsigned char)digits.at[i]) || __builtin_mul_overflow(*out, 10u, out) ||
            __builtin_add_overflow(*out, (unsigned)(digits.at[i] - '0'), out))
            return false;
    return digits.size > 0;
}

/* "BDAT 7" or "BDAT 7 LAST", and nothing else. */
static bool parse_chunk(struct witness_outside *out, struct slice line)
{
    if (line.size < 2 || line.at[line.size - 2] != '\r' || *line.at == ' ' || *line.at == '\t')
        return false;
    line.size -= 2;
    struct slice verb = take_word(&line), digits = take_word(&line), last = take_word(&line);
    out->is_last = last.size == 4 && strncasecmp(last.at, "LAST", 4) == 0;
    return verb.size == 4 && parse_number(digits, &out->chunk_left) && (last.size == 0 || out->is_last) &&
           take_word(&line).size == 0;
}

/* May octets of a message follow it? */
static bool looks_like_chunk(struct slice line)
{
    while (line.size > 0 && (*line.at == ' ' || *line.at == '\t'))
        slice_drop(&line, 1);
    return line.size >= 4 && strncasecmp(line.at, "BDAT", 4) == 0 &&
           (line.size == 4 || !isalnum((unsigned char)line.at[4]) || (unsigned char)line.at[4] >= 0x80);
}

static void take_chunk_line(struct witness_outside *out, struct slice line)
{
    out->bad_chunk = line.size > COMMAND_OCTETS_MAX || !parse_chunk(out, line);
    if (out->bad_chunk) {
        await(out, SAID_BDAT);
        return;
    }
    await(out, SAID_BDAT); /* from here on it is under way */
    out->state = OUTSIDE_CHUNK;
}

/* L6: behind these nothing may be there before their reply. */
static bool ends_group(enum said said, struct slice line)
{
    bool alone = said == SAID_EHLO || said == SAID_HELO || said == SAID_DATA || said == SAID_AUTH;
    return alone && line.size <= COMMAND_OCTETS_MAX && line.at[line.size - 2] == '\r' &&
           law_is_clean(slice_make(line.at, line.size - 2));
}

static void take_line(struct witness_outside *out, struct slice line)
{
    bool bare_lf = line.size < 2 || line.at[line.size - 2] != '\r';
    bool more = out->at < out->size || witness_unread(out) > 0, swallowed = out->in_refused;
    out->in_refused = bare_lf && more;
    out->refused_lines += bare_lf;
    out->blind |= bare_lf && out->deaf;
    if (swallowed)
        return;
    if (looks_like_chunk(line) && line.size <= READ_OCTETS_MAX)
        take_chunk_line(out, line);
    else
        await(out, bare_lf || memchr(line.at, '\0', line.size) != NULL ? SAID_OTHER : said_of(line));
    out->too_early = ends_group(out->pending, line) && out->at < out->size;
}

static bool walk_line(struct witness_outside *out)
{
    const char *begin = out->taken + out->at;
    size_t seen = out->seen > out->at ? out->seen - out->at : 0;
    const char *lf = memchr(begin + seen, '\n', out->size - out->at - seen);
    out->seen = out->size;
    if (lf == NULL)
        return false;
    out->seen = 0;
    struct slice line = slice_make(begin, (size_t)(lf - begin) + 1);
    out->at += line.size;
    if (out->state == OUTSIDE_CHALLENGED)
        await(out, SAID_ANSWER);
    else
        take_line(out, line);
    return true;
}

static void keep(struct witness *w, const char *at, size_t size)
{
    law(size <= sizeof w->outside_body - w->outside_size, "an input too long for the witness");
    memcpy(w->outside_body + w->outside_size, at, size);
    w->outside_size += size;
}

/* From 354 on; the end is CRLF.CRLF, or .CRLF at once, and nothing else. */
static bool walk_body(struct witness_outside *out)
{
    const char *body = out->taken + out->body_begin;
    size_t size = out->size - out->body_begin, end = 0;
    size_t seen = out->seen > out->body_begin + 4 ? out->seen - out->body_begin - 4 : 0;
    if (size >= 3 && memcmp(body, ".\r\n", 3) == 0)
        end = 3;
    const char *found = end == 0 ? memmem(body + seen, size - seen, "\r\n.\r\n", 5) : NULL;
    out->seen = out->size;
    if (found != NULL)
        end = (size_t)(found - body) + 5;
    if (end == 0)
        return false;
    out->seen = 0;
    keep(out->w, body, end);
    out->at = out->body_begin + end;
    out->state = OUTSIDE_AWAITS; /* what happened since 354 counts for the answer */
    out->pending = SAID_END;
    return true;
}

static bool walk_chunk(struct witness_outside *out)
{
    size_t left = out->size - out->at, size = left < out->chunk_left ? left : (size_t)out->chunk_left;
    keep(out->w, out->taken + out->at, size);
    out->at += size;
    out->chunk_left -= size;
    if (out->chunk_left == 0)
        out->state = OUTSIDE_AWAITS;
    return out->chunk_left == 0;
}

void witness_outside_walk(struct witness_outside *out)
{
    bool goes_on = true;
    while (goes_on && !out->blind) {
        switch (out->state) {
        case OUTSIDE_COMMAND:
        case OUTSIDE_CHALLENGED:
            goes_on = walk_line(out);
            break;
        case OUTSIDE_BODY:
            goes_on = walk_body(out);
            break;
        case OUTSIDE_CHUNK:
            goes_on = walk_chunk(out);
            break;
        case OUTSIDE_AWAITS:
        case OUTSIDE_OVER:
            return;
        }
    }
}

/* -- what it hears -- */

/* L6: its input was there before it could be an answer. Inside may say the same words: nobody can tell then. */
static bool is_too_early(struct witness_outside *out, struct slice line)
{
    static const char early[] = "554 5.5.0 Wait";
    if (line.size < sizeof early - 1 || memcmp(line.at, early, sizeof early - 1) != 0)
        return false;
    for (int said = 0; said < SAID_KINDS; said++)
        out->blind |= out->w->window.refusal[said] == 554;
    return true;
}

/* A yes must be inside's, to the very same; what inside refused is refused, in its words. */
static void judge_answer(struct witness_outside *out, int code)
{
    const struct witness *w = out->w;
    const struct window *window = &w->window;
    enum said said = out->pending;
    bool accepts_alone = w->waits && said == SAID_MAIL && code == 250 && window->refusal[SAID_MAIL] == 0;
    bool carried =
        said == SAID_MAIL || said == SAID_RCPT || said == SAID_DATA || said == SAID_AUTH || said == SAID_ANSWER;
    if (carried && code < 400)
        law(window->yes[said] || accepts_alone, "%d to %s, and inside did not say so", code, said_name(said));
    if ((said == SAID_MAIL || said == SAID_RCPT || said == SAID_DATA) && window->refusal[said] != 0 && code != 421 &&
        window->refusal[said] != 421 && !window->trouble)
        law(code == window->refusal[said], "%d to %s, where inside said %d", code, said_name(said),
            window->refusal[said]);
    if (said == SAID_RCPT && out->mail_is_due) { /* whose answer it may be; 552 would mean something else there */
        int refusal = window->refusal[SAID_MAIL] == 552 ? 554 : window->refusal[SAID_MAIL];
        law(code >= 400 || window->yes[SAID_MAIL], "%d to RCPT, and inside did not accept MAIL", code);
        law(refusal == 0 || refusal == 421 || code == 421 || window->trouble || code == refusal,
            "%d to RCPT, where inside said %d to MAIL", code, refusal);
    }
    /* What the client did wrong it did wrong, whatever became of inside. */
    bool is_its_own = (code == 503 && said != SAID_MAIL && !out->has_begun) ||
                      (code == 504 && said == SAID_AUTH && out->knows_no_auth);
    if (carried && said != SAID_ANSWER && code >= 500 && window->trouble && code != 552)
        law(window->permanent || is_its_own, "own trouble is answered with %d", code);
}

static void follow_transaction(struct witness_outside *out, int code)
{
    enum said said = out->pending;
    bool is_reset = (said == SAID_RSET || said == SAID_EHLO || said == SAID_HELO) && code == 250;
    const struct window *window = &out->w->window;
    if (said == SAID_MAIL && code < 300)
        out->mail_is_due = !window->yes[SAID_MAIL];
    else if (window->yes[SAID_MAIL])
        out->mail_is_due = false;
    if (said == SAID_MAIL)
        out->has_begun = true;
    else if (is_reset || said == SAID_END || (said == SAID_BDAT && out->is_last))
        out->has_begun = out->mail_is_due = false;
    if (code == 235)
        out->w->refuses_all = false;
}

static void answer_connect(struct witness_outside *out, int code)
{
    law(code == 220 || code >= 400, "a greeting of %d", code);
    out->state = code == 220 ? OUTSIDE_COMMAND : OUTSIDE_OVER;
}

static void answer_chunk(struct witness_outside *out, int code)
{
    bool is_last = out->is_last && !out->bad_chunk;
    law(code != 354 && code != 334, "%d to BDAT", code);
    out->state = out->bad_chunk ? OUTSIDE_OVER : OUTSIDE_COMMAND;
    if (out->bad_chunk)
        law(code == 501, "%d to a BDAT without a size", code);
    else if (is_last)
        witness_message_answered(out->w, code);
    else {
        law(code >= 400 || !out->w->chunk_refused, "%d to a chunk of a message that has lost one", code);
        out->w->chunk_refused |= code >= 400;
    }
    out->is_last = false;
}

/* The reply to what is pending. */
static void take_answer(struct witness_outside *out, int code)
{
    enum said said = out->pending;
    judge_answer(out, code);
    follow_transaction(out, code);
    if (said == SAID_EHLO || said == SAID_HELO)
        out->knows_no_auth = code == 250 && !out->names_auth;
    out->names_auth = false;
    out->state = OUTSIDE_COMMAND;
    law(code != 354 || said == SAID_DATA, "354 to %s", said_name(said));
    law(code != 334 || said == SAID_AUTH || said == SAID_ANSWER, "334 to %s", said_name(said));
    if (said == SAID_CONNECT)
        answer_connect(out, code);
    else if (said == SAID_BDAT)
        answer_chunk(out, code);
    else if (said == SAID_END)
        witness_message_answered(out->w, code);
    else if (code == 334)
        out->state = OUTSIDE_CHALLENGED;
    else if (said == SAID_MAIL && code < 300)
        witness_message_begins(out->w);
    else if (code == 354) {
        witness_message_begins(out->w);
        out->state = OUTSIDE_BODY;
        out->body_begin = out->at;
    }
    out->pending = SAID_NOTHING;
}

static void hear_reply(struct witness_outside *out, int code, struct slice line)
{
    out->replies++;
    witness_outside_walk(out);
    if (out->blind)
        return;
    law(out->state != OUTSIDE_OVER, "a reply after the last one: %.*s", (int)line.size, line.at);
    if (out->state != OUTSIDE_AWAITS) {
        /* Nothing is due: only the word that ends a session may come, for its slowness, or before a chunk is read. */
        law(code >= 400 && (wire_time_has_passed() || (code == 421 && out->state == OUTSIDE_CHUNK)),
            "a reply to nothing: %.*s", (int)line.size, line.at);
        law(code == 421 || out->state == OUTSIDE_BODY || out->state == OUTSIDE_CHUNK, "%d to nothing", code);
        out->state = OUTSIDE_OVER;
        return;
    }
    enum said said = out->pending;
    bool too_early = is_too_early(out, line);
    law(!out->too_early || too_early, "%d to %s, and more input was there before that", code, said_name(said));
    out->too_early = false;
    if (!too_early)
        take_answer(out, code);
    if (too_early || code == 421 || (said == SAID_QUIT && code == 221))
        out->state = OUTSIDE_OVER;
}

/* RFC 5321 sections 4.2 and 4.5.3.1.5; a challenge of AUTH may be longer. */
static void hear_line(struct witness_outside *out, struct slice line)
{
    bool is_challenge = line.size > 3 && memcmp(line.at, "334", 3) == 0;
    law(line.size >= 2 && line.at[line.size - 2] == '\r', "a bare LF in a reply");
    law(line.size <= 512 || is_challenge, "a reply line of %zu octets", line.size);
    law(law_is_clean(slice_make(line.at, line.size - 2)), "a control character in a reply");
    law(line.size > 5 ? line.at[3] == ' ' || line.at[3] == '-' : line.size == 5, "a malformed reply");
    int code = is_challenge ? (line.at[3] == ' ' ? 334 : -1) : 0;
    for (size_t i = 0; !is_challenge && i < line.size; i++)
        code = reply_eye_see(&out->eye, line.at[i]);
    law(code >= 0, "a malformed reply: %.*s", (int)line.size, line.at);
    out->names_auth |= line.size > 8 && memcmp(line.at + 4, "AUTH", 4) == 0;
    if (code > 0)
        hear_reply(out, code, line);
}

void witness_outside_wrote(struct witness_outside *out, struct slice octets)
{
    witness_log(&out->w->outside_said, octets.at, octets.size);
    for (size_t i = 0; i < octets.size; i++) {
        law(out->line_size < sizeof out->line, "a reply without end");
        out->line[out->line_size++] = octets.at[i];
        if (octets.at[i] != '\n')
            continue;
        size_t size = out->line_size;
        out->line_size = 0;
        hear_line(out, slice_make(out->line, size));
    }
}

static bool has_whole_line(const struct witness_outside *out)
{
    return memchr(out->taken + out->at, '\n', out->size - out->at) != NULL;
}

void witness_outside_finished(struct witness_outside *out)
{
    witness_outside_walk(out);
    if (out->gone || out->deaf || out->blind)
        return;
    law(out->line_size == 0, "half a reply");
    if (out->state == OUTSIDE_OVER)
        return;
    law(out->ended, "the session is over without a word, at %s", said_name(out->pending));
    if (out->state == OUTSIDE_AWAITS)
        law(!has_whole_line(out), "no reply to %s, and more commands were there", said_name(out->pending));
    else
        law(out->state != OUTSIDE_COMMAND || !has_whole_line(out), "commands without a reply");
}
