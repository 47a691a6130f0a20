/* SPDX-License-Identifier: ISC */
#include "workers/smtp/body.h"

#include <string.h>

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
static size_t measure_run(bool at_line_start, struct slice input, size_t *stuffed_out)
{
    size_t i = is_ordinary(at_line_start ? '\n' : 'x', input.at[0]) ? find_odd(input, 1) : 0;
    *stuffed_out = 0;
    /* ".." at the start of a line is as it must be. Any other dot there is for step_free. */
    while (i + 1 < input.size && input.at[i] == '.' && input.at[i + 1] == '.') {
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
    struct slice run = slice_make(input->at, measure_run(body->state == BODY_LINE_START, *input, &stuffed));
    if (run.size == 0)
        return run;
    body->state = run.at[run.size - 1] == '\n' ? BODY_LINE_START : BODY_IN_LINE;
    body->size += run.size - stuffed;
    slice_drop(input, run.size);
    return run;
}

static void blame(struct body *body, enum body_fault fault)
{
    if (body->fault == BODY_FINE)
        body->fault = fault;
    body->size++; /* the octet to blame is one of the message */
}

/* An octet that take_run left, with nothing held. */
static void step_free(struct body *body, char c)
{
    if (c == '\r') {
        body->state = BODY_CR;
    } else if (c == '.') {
        body->state = BODY_DOT; /* take_run leaves a dot only at the start of a line */
    } else {
        blame(body, c == '\n' ? BODY_BARE_LF : BODY_NUL);
        /* Not a new line after a bare LF: only a true CRLF makes one, or a false dot would end the message. */
        body->state = BODY_IN_LINE;
    }
}

/* An octet with something held before it: does it belong to that? What goes free then is in *freed_out. */
static bool step_held(struct body *body, char c, struct slice *freed_out)
{
    static const struct slice crlf = SLICE("\r\n"), dot = SLICE(".");
    enum body_state was = body->state;

    if (was == BODY_CR && c == '\n') {
        *freed_out = crlf;
        body->size += crlf.size;
        body->state = BODY_LINE_START;
        return true;
    }
    if (was == BODY_DOT && c == '\r') {
        body->state = BODY_DOT_CR;
        return true;
    }
    if (was == BODY_DOT_CR && c == '\n') {
        body->state = BODY_ENDED;
        return true;
    }
    body->state = BODY_IN_LINE;
    if (was != BODY_DOT)
        blame(body, BODY_BARE_CR);
    else if (c == '.')
        *freed_out = dot; /* ".." goes inside whole; an unstuffed ".x" loses its dot (RFC 5321 section 4.5.2) */
    return false;
}

/* The next run, or an empty one where only one octet or nothing was looked at. */
static struct slice advance(struct body *body, struct slice *input)
{
    struct slice run = {"", 0};
    if (body->state != BODY_LINE_START && body->state != BODY_IN_LINE) {
        if (step_held(body, *input->at, &run))
            slice_drop(input, 1);
        return run;
    }
    run = take_run(body, input);
    if (run.size == 0) {
        step_free(body, *input->at);
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

const char *body_fault_name(enum body_fault fault)
{
    static const char *const names[] = {
        [BODY_FINE] = "none", [BODY_BARE_CR] = "bare CR", [BODY_BARE_LF] = "bare LF", [BODY_NUL] = "NUL"};
    return names[fault];
}
