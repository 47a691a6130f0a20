/* SPDX-License-Identifier: ISC
 *
 * top_terminal - the terminal of the live view: taken, given back, its keys, its size, and what ends it from outside
 * (SIGINT, SIGTERM, SIGHUP, a terminal that is gone).
 *
 * Given back also where the process ends by exit(). Signals come as descriptors: nothing runs in a handler.
 */
#ifndef POSTERN_CTL_TOP_TERMINAL_H
#define POSTERN_CTL_TOP_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/ctl/ask.h"
#include "daemon/ctl/top_view.h"

struct top_terminal {
    int signals;
    bool gone; /* it is over: a signal, or nobody at the terminal any more */
    bool utf8;
};

/* False: why_out, a text for people with a way out. */
bool top_terminal_is_one(char why_out[ASK_WHY_MAX]); /* standard input and output */
bool top_terminal_open(struct top_terminal *terminal, char why_out[ASK_WHY_MAX]);
/* Until a key is there, the size has changed, it is over, or `deadline_ms` has passed. */
void top_terminal_wait(struct top_terminal *terminal, int64_t deadline_ms);
int top_terminal_key(void); /* of enum top_key; TOP_KEY_NONE: none is there */
void top_terminal_close(struct top_terminal *terminal);

#endif
