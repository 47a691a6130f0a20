/* SPDX-License-Identifier: ISC
 *
 * data - what stands between 354 and the final dot: found, unstuffed and judged, octet-exact and without a copy.
 *
 * A message ends with CRLF.CRLF and nothing else, or with .CRLF as the very first octets (RFC 5321 section 4.1.1.4).
 * A CR, LF or NUL that stands alone is content like any other, and a violation of the language
 *     (line CRLF)* "." CRLF       line: no CR, LF, NUL, and a second dot before it where it begins with one
 * Blocks of ordinary text are passed at once, so that the sink is never what a benchmark measures.
 */
#ifndef SINK_DATA_H
#define SINK_DATA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum violation { VIOLATION_BARE_CR, VIOLATION_BARE_LF, VIOLATION_NUL, VIOLATION_UNSTUFFED_DOT, VIOLATIONS };

struct data {
    /* Where the scan stands. A held octet is not given on before what follows has said what it is. */
    enum { AT_LINE_START, AFTER_DOT, AFTER_DOT_CR, IN_LINE, AFTER_CR, AT_END } state;
    uint64_t heard_bytes;                                         /* with dots and the end */
    uint64_t content_bytes;                                       /* what was meant */
    uint64_t count[VIOLATIONS];                                   /* how often */
    uint64_t first[VIOLATIONS];                                   /* the octet heard, from 0; where count is not 0 */
    void (*keep)(void *context, const char *octets, size_t size); /* NULL: nothing is given on */
    void *context;
};

void data_begin(struct data *d, void (*keep)(void *context, const char *octets, size_t size), void *context);
/* How many octets belong to the message; fewer than `size` only when it ended. */
size_t data_feed(struct data *d, const char *octets, size_t size);
bool data_ended(const struct data *d);
const char *violation_name(enum violation v);

#endif
