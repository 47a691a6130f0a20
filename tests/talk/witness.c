/* SPDX-License-Identifier: ISC */
#include "tests/talk/witness.h"

void witness_begin_data(struct witness *witness)
{
    witness->state = WITNESS_LINE_START;
}

bool witness_in_data(const struct witness *witness)
{
    return witness->state != WITNESS_COMMANDS;
}

static const char *in_line(struct witness *witness, char c)
{
    if (c == '\n')
        return "a bare LF in the message went inside";
    if (c == '\0')
        return "a NUL in the message went inside";
    witness->state = c == '\r' ? WITNESS_CR : WITNESS_LINE;
    return NULL;
}

static const char *after_cr(struct witness *witness, char c, enum witness_state next)
{
    witness->state = next;
    return c == '\n' ? NULL : "a bare CR in the message went inside";
}

static const char *after_dot(struct witness *witness, char c)
{
    witness->state = c == '\r' ? WITNESS_DOT_CR : WITNESS_LINE;
    return c == '\r' || c == '.' ? NULL : "a line with an unstuffed dot went inside";
}

static const char *feed_one(struct witness *witness, char c)
{
    switch (witness->state) {
    case WITNESS_COMMANDS:
        return NULL;
    case WITNESS_LINE_START:
        if (c != '.')
            return in_line(witness, c);
        witness->state = WITNESS_DOT;
        return NULL;
    case WITNESS_LINE:
        return in_line(witness, c);
    case WITNESS_CR:
        return after_cr(witness, c, WITNESS_LINE_START);
    case WITNESS_DOT:
        return after_dot(witness, c);
    case WITNESS_DOT_CR:
        return after_cr(witness, c, WITNESS_COMMANDS);
    }
    return NULL;
}

const char *witness_feed(struct witness *witness, struct slice octets)
{
    for (size_t i = 0; i < octets.size; i++) {
        const char *wrong = feed_one(witness, octets.at[i]);
        if (wrong)
            return wrong;
    }
    return NULL;
}
