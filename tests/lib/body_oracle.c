/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "tests/lib/body_oracle.h"

struct question {
    bool chunked, mends;
    struct body_answer *answer;
};

/* Where the beginning of a line could still become the end, or a CR a CRLF, it is held. */
static bool holds(const struct question *q, const char *at, size_t left, bool at_line_start)
{
    if (q->chunked)
        return false;
    return (at_line_start && *at == '.' && (left == 1 || (left == 2 && at[1] == '\r'))) || (*at == '\r' && left == 1);
}

/* A line of one dot that does not end the message, since a LF alone stands before or behind it. */
static bool mends_dot(const struct question *q, const char *at, size_t left, bool soft)
{
    return q->mends && (at[1] == '\n' || (soft && left >= 3 && at[1] == '\r' && at[2] == '\n'));
}

static enum body_fault fault_of(char c)
{
    return c == '\r' ? BODY_BARE_CR : c == '\n' ? BODY_BARE_LF : c == '\0' ? BODY_NUL : BODY_FINE;
}

static void put(const struct question *q, const char *text, size_t size)
{
    struct body_answer *answer = q->answer;
    if (answer->fault == BODY_FINE) {
        memcpy(answer->runs + answer->runs_size, text, size);
        answer->runs_size += size;
    }
}

static void begin(struct body_answer *out, struct slice input)
{
    out->runs_size = 0;
    out->ended = false;
    out->taken = input.size;
    out->size = 0;
    out->fault = BODY_FINE;
}

void body_oracle_ask(struct slice input, bool chunked, bool mends, struct body_answer *out)
{
    const struct question q = {chunked, mends, out};
    const char *at = input.at;
    bool at_line_start = true, soft = false;
    begin(out, input);
    for (size_t i = 0; i < input.size;) {
        size_t left = input.size - i;
        if (!chunked && at_line_start && !soft && left >= 3 && memcmp(at + i, ".\r\n", 3) == 0) {
            out->ended = true;
            out->taken = i + 3;
            return;
        }
        if (holds(&q, at + i, left, at_line_start))
            return;
        bool is_crlf = left >= 2 && at[i] == '\r' && at[i + 1] == '\n';
        bool is_first_dot = at_line_start && at[i] == '.';
        bool is_stuffed = is_first_dot && (chunked || mends_dot(&q, at + i, left, soft));
        enum body_fault fault = is_crlf ? BODY_FINE : fault_of(at[i]);
        if (out->fault == BODY_FINE && !mends)
            out->fault = fault;
        if (is_stuffed)
            put(&q, "..", 2);
        else if (fault != BODY_FINE)
            put(&q, fault == BODY_BARE_LF ? "\r\n" : " ", fault == BODY_BARE_LF ? 2 : 1);
        else if (!is_first_dot || at[i + 1] == '.')
            put(&q, at + i, is_crlf ? 2 : 1);
        soft = fault == BODY_BARE_LF;
        at_line_start = is_crlf || (soft && mends);
        out->size += is_first_dot && !is_stuffed ? 0 : is_crlf ? 2 : 1;
        i += is_crlf ? 2 : 1;
    }
    out->ended = chunked;
    if (chunked && !at_line_start)
        put(&q, "\r\n", 2);
}
