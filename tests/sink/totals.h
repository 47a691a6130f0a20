/* SPDX-License-Identifier: ISC
 *
 * totals - what all processes of the sink counted, in memory they share, and the line that says so.
 */
#ifndef SINK_TOTALS_H
#define SINK_TOTALS_H

#include <stdatomic.h>
#include <stdint.h>

#include "tests/sink/options.h"

struct totals {
    _Atomic uint64_t connections;
    _Atomic uint64_t open; /* connections now */
    _Atomic uint64_t peak; /* the most of these since the totals were said last */
    _Atomic uint64_t commands;
    _Atomic uint64_t refused; /* commands answered with 4xx or 5xx */
    _Atomic uint64_t recipients;
    _Atomic uint64_t messages;          /* taken: 250 to the final dot */
    _Atomic uint64_t marked[MARKS_MAX]; /* .. of those with each mark */
    _Atomic uint64_t unfinished;        /* left before the final dot */
    _Atomic uint64_t violations;
    _Atomic uint64_t octets; /* of messages, as heard */
};

void totals_enter(struct totals *t); /* a connection begins */
void totals_leave(struct totals *t);
void totals_say(struct totals *t, const struct options *options);

#endif
