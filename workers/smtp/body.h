/* SPDX-License-Identifier: ISC
 *
 * body - the octets between 354 and the final dot: where the message ends, and what may go inside (L3). Pure.
 *
 * Input is cut anywhere; the answer never depends on where. What comes out is runs: slices of the input (nothing is
 * copied) or of constants, which put together are (line CRLF)* with lines free of CR, LF and NUL, still dot-stuffed,
 * an unstuffed ".x" as "x". Only CRLF.CRLF (or .CRLF at the very start) ends the message; the final ".CRLF" is never
 * part of a run. An octet that could still become part of it is held back.
 */
#ifndef POSTERN_WORKERS_SMTP_BODY_H
#define POSTERN_WORKERS_SMTP_BODY_H

#include "common/slice.h"

enum body_fault { BODY_FINE, BODY_BARE_CR, BODY_BARE_LF, BODY_NUL };

enum body_state { BODY_LINE_START, BODY_IN_LINE, BODY_CR, BODY_DOT, BODY_DOT_CR, BODY_ENDED };

struct body {
    enum body_state state; /* zero is the start */
    enum body_fault fault; /* the first one */
    uint64_t size;         /* octets of the message so far: dots unstuffed, the final dot not counted (RFC 1870) */
};

enum body_event {
    BODY_MORE, /* *input is used up */
    BODY_RUN,  /* *run_out may go inside; ask again */
    BODY_END   /* the message has ended; what is left in *input are commands */
};

/* Takes from the front of *input. After a fault it still finds the end, and gives no runs any more. */
enum body_event body_next(struct body *body, struct slice *input, struct slice *run_out);
const char *body_fault_name(enum body_fault fault);

#endif
