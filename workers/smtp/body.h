/* SPDX-License-Identifier: ISC
 *
 * body - the octets of a message: where it ends, and what may go inside (L3). Pure.
 *
 * Input is cut anywhere; the answer never depends on where. What comes out is runs: slices of the input (nothing is
 * copied) or of constants, which put together are (line CRLF)* with lines free of CR, LF and NUL, dot-stuffed.
 *
 * Behind 354 (chunked = false) only CRLF.CRLF (or .CRLF at the very start) ends the message; the final ".CRLF" is never
 * part of a run. An octet that could still become part of it is held back. An unstuffed ".x" goes inside as "x".
 * In BDAT (chunked = true, RFC 3030) a dot means nothing, and is stuffed; body_finish ends the message, and a last line
 * that has no CRLF gets one.
 *
 * A CR, LF or NUL that stands alone is a fault; or, with mends = true, a LF alone is a line's end, a CR or NUL alone a
 * blank. A dot behind such an end never ends the message: two readers would disagree on that.
 */
#ifndef POSTERN_WORKERS_SMTP_BODY_H
#define POSTERN_WORKERS_SMTP_BODY_H

#include "common/slice.h"

enum body_fault { BODY_FINE, BODY_BARE_CR, BODY_BARE_LF, BODY_NUL };

enum body_state { BODY_LINE_START, BODY_IN_LINE, BODY_CR, BODY_DOT, BODY_DOT_CR, BODY_ENDED };

/* All zero is the start. */
struct body {
    enum body_state state;
    bool chunked, mends;   /* the owner's, before the first octet */
    bool soft;             /* at a line's start: the line before ended with a LF alone */
    enum body_fault fault; /* the first one */
    uint64_t mended;       /* octets that stood alone */
    /* Octets of the message so far, as they came: dots unstuffed, the final dot not counted (RFC 1870). */
    uint64_t size;
};

enum body_event {
    BODY_MORE, /* *input is used up */
    BODY_RUN,  /* *run_out may go inside; ask again */
    BODY_END   /* the message has ended; what is left in *input are commands */
};

/* Takes from the front of *input. After a fault it still finds the end, and gives no runs any more. */
enum body_event body_next(struct body *body, struct slice *input, struct slice *run_out);
/* Of a chunked message: there is no more. BODY_RUN and a run, once at most, then BODY_END. */
enum body_event body_finish(struct body *body, struct slice *run_out);
const char *body_fault_name(enum body_fault fault);

#endif
