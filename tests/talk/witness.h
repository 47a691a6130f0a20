/* SPDX-License-Identifier: ISC
 *
 * witness - watches the octets of every inside connection, whatever the talk expects: between 354 and the end only
 * (line CRLF)*, line free of CR, LF and NUL, dot-stuffed, then one ".CRLF" (law L3).
 */
#ifndef POSTERN_TESTS_TALK_WITNESS_H
#define POSTERN_TESTS_TALK_WITNESS_H

#include "common/slice.h"

enum witness_state { WITNESS_COMMANDS, WITNESS_LINE_START, WITNESS_LINE, WITNESS_CR, WITNESS_DOT, WITNESS_DOT_CR };

struct witness {
    enum witness_state state; /* zero is the start */
};

/* Inside said 354: what comes from now on is a message. */
void witness_begin_data(struct witness *witness);
bool witness_in_data(const struct witness *witness);
/* NULL, or what is wrong. */
const char *witness_feed(struct witness *witness, struct slice octets);

#endif
