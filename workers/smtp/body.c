/* SPDX-License-Identifier: ISC */
#include "workers/smtp/body.h"

#include <string.h>

static const struct slice NONE = SLICE(""), CRLF = SLICE("\r\n"), DOT = SLICE("."), STUFFED = SLICE(".."),
                          DOT_LINE = SLICE("..\r\n"), BLANK = SLICE(" "), BLANK_CRLF = SLICE(" \r\n");

/* An octet is ordinary when it and the one before it need no thought: a LF exactly behind each CR, no NUL, no dot
 * behind a LF. What is ordinary is taken in bulk; the rest goes octet by octet through step_free and step_held. */
static bool is_ordinary(char before, char c)
{
    return (c == '\n') == (before == '\r') && c != '\0' && !(c == '.' && before == '\n');
}

/* The same for many octets at once: GCC's and Clang's vectors, which any machine can have. */
typedef unsigned char octets __attribute__((vector_size(16)));
enum { BLOCK = 4 * sizeof(octets) };

static octets vector_at(const char *at)
{
    octets loaded;
    memcpy(&loaded, at, sizeof loaded);
    return loaded;
}

static bool block_is_ordinary(const char *at) /* at[-1] too is read */
{
    octets odd = {0};
    for (size_t i = 0; i < BLOCK; i += sizeof(octets)) {
        octets before = vector_at(at + i - 1), now = vector_at(at + i);
        odd |= (octets)((now == '\n') ^ (before == '\r')) | (octets)(now == '\0') |
               (octets)((now == '.') & (before == '\n'));
    }
    uint64_t halves[2];
    memcpy(halves, &odd, sizeof halves);
    return (halves[0] | halves[1]) == 0;
}

/* Where the first octet that is not ordinary stands, from `i` on, which is not the first of all. */
static size_t find_odd(struct slice input, size_t i)
{
    while (input.size - i >= BLOCK && block_is_ordinary(input.at + i))
        i += BLOCK;
    while (i < input.size && is_ordinary(input.at[i - 1], input.at[i]))
        i++;
    return i;
}

/* How much of the front may go inside as it is; *stuffed_out: dots in it that are not the message's. */
static size_t measure_run(const struct body *body, struct slice input, size_t *stuffed_out)
{
    bool at_line_start = body->state == BODY_LINE_START;
    size_t i = is_ordinary(at_line_start ? '\n' : 'x', input.at[0]) ? find_odd(input, 1) : 0;
    *stuffed_out = 0;
    /* ".." at the start of a line is as it must be, but in a chunk. Any other dot there is for step_free. */
    while (!body->chunked && i + 1 < input.size && input.at[i] == '.' && input.at[i + 1] == '.') {
        if (i > 0 && input.at[i - 1] != '\n')
            break;
        ++*stuffed_out;
        i = find_odd(input, i + 1);
    }
    /* Not its CR: whether a LF follows is not known, or known to be false. */
    return i > 0 && input.at[i - 1] == '\r' ? i - 1 : i;
}

static struct slice take_run(struct body *body, struct slice *input)
{
    size_t stuffed = 0;
    struct slice run = slice_make(input->at, measure_run(body, *input, &stuffed));
    if (run.size == 0)
        return run;
    body->state = run.at[run.size - 1] == '\n' ? BODY_LINE_START : BODY_IN_LINE;
    body->soft = false;
    body->size += run.size - stuffed;
    slice_drop(input, run.size);
    return run;
}

/* One octet that should not be there, whether it is mended or not. */
static void blame(struct body *body, enum body_fault fault)
{
    if (body->mends)
        body->mended++;
    else if (body->fault == BODY_FINE)
        body->fault = fault;
    body->size++; /* it is one of the message */
}

/* A LF alone. Where it is not mended no new line begins: only a true CRLF makes one, or a false dot would end the
 * message. */
static void end_softly(struct body *body)
{
    blame(body, BODY_BARE_LF);
    body->state = body->mends ? BODY_LINE_START : BODY_IN_LINE;
    body->soft = true;
}

/* An octet that take_run left, with nothing held: a CR, LF or NUL, or a dot at the start of a line. */
static struct slice step_free(struct body *body, char c)
{
    switch (c) {
    case '\r':
        body->state = BODY_CR;
        return NONE;
    case '\n':
        end_softly(body);
        return CRLF;
    case '.':
        body->state = body->chunked ? BODY_IN_LINE : BODY_DOT;
        body->size += body->chunked;
        return body->chunked ? STUFFED : NONE;
    default:
        blame(body, BODY_NUL);
        body->state = BODY_IN_LINE;
        return BLANK;
    }
}

/* A LF behind a CR, or behind what could be the final dot. True: it belongs to that. */
static bool step_line_end(struct body *body, struct slice *freed_out)
{
    bool is_dot = body->state != BODY_CR;
    if (body->state == BODY_DOT && !body->mends)
        return false;
    if (body->state == BODY_DOT_CR && !body->soft) {
        body->state = BODY_ENDED;
        return true;
    }
    *freed_out = is_dot ? DOT_LINE : CRLF;
    body->size += is_dot;
    if (body->state == BODY_DOT) {
        end_softly(body);
        return true;
    }
    body->size += CRLF.size;
    body->state = BODY_LINE_START;
    body->soft = false;
    return true;
}

/* An octet with something held before it: does it belong to that? What goes free then is in *freed_out. */
static bool step_held(struct body *body, char c, struct slice *freed_out)
{
    enum body_state was = body->state;

    if (c == '\n' && step_line_end(body, freed_out))
        return true;
    if (was == BODY_DOT && c == '\r') {
        body->state = BODY_DOT_CR;
        return true;
    }
    body->state = BODY_IN_LINE;
    if (was != BODY_DOT) {
        blame(body, BODY_BARE_CR);
        *freed_out = BLANK;
    } else if (c == '.') {
        *freed_out = DOT; /* ".." goes inside whole; an unstuffed ".x" loses its dot (RFC 5321 section 4.5.2) */
    }
    return false;
}

/* The next run, or an empty one where only one octet or nothing was looked at. */
static struct slice advance(struct body *body, struct slice *input)
{
    struct slice run = NONE;
    if (body->state != BODY_LINE_START && body->state != BODY_IN_LINE) {
        if (step_held(body, *input->at, &run))
            slice_drop(input, 1);
        return run;
    }
    run = take_run(body, input);
    if (run.size == 0) {
        run = step_free(body, *input->at);
        slice_drop(input, 1);
    }
    return run;
}

enum body_event body_next(struct body *body, struct slice *input, struct slice *run_out)
{
    while (input->size > 0 && body->state != BODY_ENDED) {
        *run_out = advance(body, input);
        if (run_out->size > 0 && body->fault == BODY_FINE)
            return BODY_RUN;
    }
    return body->state == BODY_ENDED ? BODY_END : BODY_MORE;
}

enum body_event body_finish(struct body *body, struct slice *run_out)
{
    enum body_state was = body->state;
    body->state = BODY_ENDED;
    if (was == BODY_CR)
        blame(body, BODY_BARE_CR);
    if (body->fault != BODY_FINE || was == BODY_ENDED || was == BODY_LINE_START)
        return BODY_END;
    *run_out = was == BODY_CR ? BLANK_CRLF : CRLF;
    return BODY_RUN;
}

const char *body_fault_name(enum body_fault fault)
{
    static const char *const names[] = {
        [BODY_FINE] = "none", [BODY_BARE_CR] = "bare CR", [BODY_BARE_LF] = "bare LF", [BODY_NUL] = "NUL"};
    return names[fault];
}
